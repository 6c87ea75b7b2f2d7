/** The one poll of a client that may be outstanding: it waits until there is something, or its time is over. */
import type { Clock } from '../../clock.ts'
import { TroupeError } from '../../errors.ts'
import type { SourceRecord } from '../../streams/record.ts'
import { drawLatencyMs, type Latency } from './fake-connection.ts'
import type { Random } from '../random.ts'

/** What a look at the poll under way brought. */
export interface Served {
  readonly records: readonly SourceRecord[]
  /** The client has ended: nothing comes any more. */
  readonly isEnd: boolean
  readonly mayReturnEarly: boolean
}

export interface FakePollsOptions {
  readonly clock: Clock
  readonly random: Random
  readonly pollLatencyMs: Latency
  /** What it throws, the poll rejects with. */
  readonly serve: (maxRecords: number) => Served
}

interface Poll {
  readonly maxRecords: number
  readonly endsAtMs: number
  readonly resolve: (records: readonly SourceRecord[]) => void
  readonly reject: (error: unknown) => void
}

export class FakePolls {
  readonly #options: FakePollsOptions
  #poll: Poll | null = null
  #cancelTimer: (() => void) | null = null
  /** When the poll under way is looked at next. */
  #serveAtMs = Infinity

  constructor(options: FakePollsOptions) {
    this.#options = options
  }

  get isOutstanding(): boolean {
    return this.#poll !== null
  }

  poll(maxRecords: number, timeoutMs: number): Promise<readonly SourceRecord[]> {
    if (this.#poll !== null) {
      return Promise.reject(new TroupeError('INTERNAL', 'poll was called while a poll was outstanding'))
    }
    const now = this.#options.clock.now()
    return new Promise((resolve, reject) => {
      this.#poll = { maxRecords, endsAtMs: now + timeoutMs, resolve, reject }
      this.#serveAt(now + drawLatencyMs(this.#options.pollLatencyMs, this.#options.random))
    })
  }

  /** Something may have come for the poll under way. */
  wake(): void {
    if (this.#poll !== null) this.#serveAt(this.#options.clock.now())
  }

  #serveAt(atMs: number): void {
    if (this.#serveAtMs <= atMs) return
    this.#cancelTimer?.()
    this.#serveAtMs = atMs
    this.#cancelTimer = this.#options.clock.after(atMs - this.#options.clock.now(), () => {
      this.#cancelTimer = null
      this.#serveAtMs = Infinity
      this.#serve()
    })
  }

  #serve(): void {
    const poll = this.#poll
    if (poll === null) return
    try {
      const { clock, random, serve } = this.#options
      const { isEnd, mayReturnEarly, records } = serve(poll.maxRecords)
      const isOver = isEnd || clock.now() >= poll.endsAtMs
      if (records.length > 0 || isOver || (mayReturnEarly && random.chance(0.5))) {
        this.#poll = null
        poll.resolve(records)
      } else {
        this.#serveAt(poll.endsAtMs)
      }
    } catch (error) {
      this.#poll = null
      poll.reject(error)
    }
  }
}
