/**
 * What the engine waits for from somebody else: one table of what, for how long, and what happens then. Nothing
 * is waited for in silence: beyond its deadline a wait is counted, shown, and a reason on /healthz.
 */
import { systemClock, type Clock } from '../clock.ts'
import { TroupeError } from '../errors.ts'
import { Lookout } from '../lookout.ts'

interface WaitRow {
  /** What has not come; `about` is a sink's name or the like, for people, and never a label. */
  readonly says: (about: string) => string
  readonly deadlineMs: number
  /** `give-up`: whoever waits gets ANSWER_OVERDUE. `wait-on`: it is only told of, because a late answer still counts. */
  readonly then: 'give-up' | 'wait-on'
}

export const waitTable = {
  // Longer than the client takes to give up by itself: 46 s without a coordinator, 60 s for a silent broker.
  commit: { says: () => 'no broker has answered a commit', deadlineMs: 120_000, then: 'wait-on' },
  // The questions carry 15 s of their own: beyond twice that the client has lost the answer.
  positions: { says: (about) => `the client has not said ${about}`, deadlineMs: 30_000, then: 'give-up' },
  topics: { says: () => 'the client has not told the topics', deadlineMs: 30_000, then: 'give-up' },
  'producer-close': { says: (about) => `producer ${about} has not closed`, deadlineMs: 15_000, then: 'give-up' },
  'sink-open': { says: (about) => `sink ${about} has not opened`, deadlineMs: 300_000, then: 'give-up' },
  // Writing beside a write that is not answered could turn the order round, so it is never given up.
  'sink-write': { says: (about) => `sink ${about} has not answered`, deadlineMs: 120_000, then: 'wait-on' },
  // What is not known to be in it may be in it: until then nothing more is committed.
  'store-write': { says: (about) => `the store of ${about} has not been written`, deadlineMs: 60_000, then: 'wait-on' },
  'sink-close': { says: (about) => `sink ${about} has not closed`, deadlineMs: 15_000, then: 'give-up' },
  'handlers-close': { says: () => 'the handlers have not closed', deadlineMs: 60_000, then: 'give-up' },
} as const satisfies Record<string, WaitRow>

export type WaitKind = keyof typeof waitTable

/** The kinds that are given up. */
type LosableKind = { [Kind in WaitKind]: (typeof waitTable)[Kind]['then'] extends 'give-up' ? Kind : never }[WaitKind]

export const waitKinds: readonly WaitKind[] = Object.keys(waitTable) as WaitKind[]

interface OpenWait {
  readonly kind: WaitKind
  readonly about: string
  readonly sinceMs: number
}

export interface OverdueWait {
  readonly kind: WaitKind
  readonly about: string
  readonly forMs: number
  /** What has not come, */
  readonly what: string
  /** and for how long it has not. */
  readonly says: string
}

export class OpenWaits {
  #lookout: Lookout
  readonly #open = new Set<OpenWait>()
  /** Waits that have ended, after their deadline. */
  readonly #late = new Map<WaitKind, number>()

  constructor(clock: Clock = systemClock) {
    this.#lookout = new Lookout(clock)
  }

  /** From now on time in which this process stood still makes nobody overdue: what came meanwhile is still in the socket. */
  judgeBy(lookout: Lookout): void {
    this.#lookout = lookout
  }

  /** Begins to wait; what it returns ends that, once. */
  begin(kind: WaitKind, about = ''): () => void {
    const wait: OpenWait = { kind, about, sinceMs: this.#lookout.now() }
    this.#open.add(wait)
    return () => {
      if (this.#open.delete(wait) && this.#isOverdue(wait)) this.#late.set(kind, (this.#late.get(kind) ?? 0) + 1)
    }
  }

  /** The answer, or ANSWER_OVERDUE at the deadline. An answer that comes later is ignored. */
  async answer<Value>(kind: LosableKind, about: string, asked: Promise<Value>): Promise<Value> {
    const { deadlineMs, says }: WaitRow = waitTable[kind]
    const end = this.begin(kind, about)
    let cancel: () => void = () => undefined
    const overdue = new Promise<never>((_, reject) => {
      cancel = this.#lookout.after(deadlineMs, () => {
        reject(new TroupeError('ANSWER_OVERDUE', `${says(about)} for ${seconds(deadlineMs)}`))
      })
    })
    try {
      return await Promise.race([asked, overdue])
    } finally {
      cancel()
      end()
    }
  }

  /** Each answer that is overdue, with a sentence that says so. */
  describeOverdue(): OverdueWait[] {
    return [...this.#open]
      .filter((wait) => this.#isOverdue(wait))
      .map(({ about, kind, sinceMs }) => {
        const what = waitTable[kind].says(about)
        const forMs = this.#lookout.seenSince(sinceMs)
        return { kind, about, forMs, what, says: `${what} for ${seconds(forMs)}` }
      })
  }

  overdue(kind: WaitKind): number {
    return [...this.#open].filter((wait) => wait.kind === kind && this.#isOverdue(wait)).length
  }

  /** All that ever were overdue: those still open, and those that have ended. */
  everOverdue(kind: WaitKind): number {
    return (this.#late.get(kind) ?? 0) + this.overdue(kind)
  }

  #isOverdue({ kind, sinceMs }: OpenWait): boolean {
    return this.#lookout.seenSince(sinceMs) >= waitTable[kind].deadlineMs
  }
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`
}
