/**
 * How many more records of one actor may be handed out now, as far as its rate says and the service that it calls. What is
 * handed out already goes on. One timer at most for each of the two, and only while somebody waits for it.
 */
import type { Clock } from '../../clock.ts'
import type { Log } from '../../log.ts'
import type { ActorStats } from '../../metrics/stats.ts'
import type { ResolvedActor } from '../../options/options.ts'
import { SparseWarning } from '../handlers/sparse-warning.ts'
import { MAX_THROTTLE_MS } from '../retry.ts'
import { TokenBucket } from './token-bucket.ts'

export interface AllowanceOptions {
  readonly actor: Pick<ResolvedActor, 'name' | 'rate'>
  readonly clock: Clock
  readonly log: Log
  readonly stats: ActorStats
}

/** Nothing of the actor is handed out now, and why. */
export type HeldBack =
  | { readonly type: 'rate'; readonly perSecond: number }
  | { readonly type: 'throttle'; readonly throttle: ThrottleStatus }

export interface ThrottleStatus {
  /** Milliseconds until it goes on. */
  readonly forMs: number
  /** The record at which the service said so; of several that which it said longest. */
  readonly by: string
  /** Milliseconds since it was first said. */
  readonly sinceMs: number
}

interface Throttle {
  readonly sinceMs: number
  readonly untilMs: number
  readonly by: string
  readonly cancelTimer: () => void
}

export class Allowance {
  readonly actor: string
  /** Set by the dispatcher: there may be more than before. */
  onMore: () => void = () => undefined
  readonly #options: AllowanceOptions
  readonly #warning: SparseWarning
  readonly #bucket: TokenBucket | null
  #throttle: Throttle | null = null
  #cancelTimer: (() => void) | null = null
  #isClosed = false
  #heldBackAtMs: number | null = null

  constructor(options: AllowanceOptions) {
    this.#options = options
    this.#warning = new SparseWarning(options)
    this.actor = options.actor.name
    const { burst, perSecond } = options.actor.rate
    this.#bucket = perSecond === null ? null : new TokenBucket(perSecond, burst, options.clock.now())
  }

  /** There is something to ask: a rate, or a throttle now. */
  get isLimited(): boolean {
    return this.#bucket !== null || this.#throttle !== null
  }

  /** How many more may be handed out now. Where that is none, `onMore` is called when it is one. */
  get room(): number {
    if (this.#throttle !== null) return 0
    if (this.#bucket === null) return Number.POSITIVE_INFINITY
    const nowMs = this.#options.clock.now()
    const room = this.#bucket.available(nowMs)
    if (room === 0 && this.#cancelTimer === null && !this.#isClosed) this.#await(this.#bucket.waitMs(nowMs))
    return room
  }

  /** So many are handed out, as many as there is room for at most. */
  take(count: number): void {
    this.#bucket?.take(count, this.#options.clock.now())
  }

  /** So many came back without an attempt. */
  giveBack(count: number): void {
    if (count > 0) this.#bucket?.giveBack(count)
  }

  /** The service says "slow down" at record `by`: nothing more for so long. Of several the longest holds. */
  throttle(forMs: number, by: string): void {
    const { clock, stats } = this.#options
    const nowMs = clock.now()
    const before = this.#throttle
    const untilMs = nowMs + Math.min(forMs, MAX_THROTTLE_MS)
    stats.throttles += 1
    if (untilMs <= (before?.untilMs ?? nowMs) || this.#isClosed) return
    before?.cancelTimer()
    const cancelTimer = clock.after(untilMs - nowMs, () => {
      this.#throttle = null
      stats.isThrottled = false
      this.#heldBackAtMs = clock.now()
      this.onMore()
    })
    this.#throttle = { by, cancelTimer, sinceMs: before?.sinceMs ?? nowMs, untilMs }
    stats.isThrottled = true
    this.#warning.tell(
      { actor: this.actor, id: by, forMs: Math.ceil(untilMs - nowMs) },
      `actor ${this.actor} is throttled for ${Math.ceil(untilMs - nowMs)} ms, as what it calls has asked for at record ${by}`,
    )
  }

  /** Why nothing is handed out now; null: something may be. */
  get heldBack(): HeldBack | null {
    const throttle = this.throttleStatus
    if (throttle !== null) return { type: 'throttle', throttle }
    if (this.#bucket === null || this.#bucket.waitMs(this.#options.clock.now()) === 0) return null
    return { type: 'rate', perSecond: this.#bucket.perSecond }
  }

  /** Clock time when it held something back last: now, while it does. null: it never did. */
  get heldBackAtMs(): number | null {
    const isHolding = this.#throttle !== null || this.#cancelTimer !== null
    return isHolding ? this.#options.clock.now() : this.#heldBackAtMs
  }

  get throttleStatus(): ThrottleStatus | null {
    if (this.#throttle === null) return null
    const { by, sinceMs, untilMs } = this.#throttle
    const nowMs = this.#options.clock.now()
    return { forMs: Math.ceil(untilMs - nowMs), by, sinceMs: Math.round(nowMs - sinceMs) }
  }

  /** Holds nothing any more. */
  close(): void {
    this.#isClosed = true
    this.#throttle?.cancelTimer()
    this.#cancelTimer?.()
    this.#cancelTimer = null
  }

  #await(delayMs: number): void {
    // In whole milliseconds, as timers have it; what comes due meanwhile is not lost.
    const wholeMs = Math.min(Math.max(1, Math.ceil(delayMs)), MAX_THROTTLE_MS)
    this.#cancelTimer = this.#options.clock.after(wholeMs, () => {
      this.#cancelTimer = null
      this.#heldBackAtMs = this.#options.clock.now()
      this.onMore()
    })
  }
}
