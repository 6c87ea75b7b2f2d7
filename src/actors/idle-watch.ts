/**
 * Tells when nothing more is to come for now: an input was read to its end, all of it is handled, and nothing new has come
 * for a while. Its end is the high watermark: up to the last stable offset alone, records may stand in the log behind it, in
 * a transaction that is still open.
 *
 * - WAITING  until `afterMs` have passed since something came. → ASKING.
 * - ASKING   where the log ends. → IDLE; or WAITING, for a second at most, where that is further or something is held.
 * - IDLE     → WAITING when something comes. → ASKING when somebody wants to go on with what it does meanwhile
 *            (`confirm`): in the log there may be more by now, and no room to read it.
 */
import type { Clock } from '../clock.ts'

export interface IdleWatchOptions {
  readonly clock: Clock
  readonly afterMs: number
  /** Below these positions all is handled, one of each input; null: something is held, or a position is not known. */
  readonly restsAt: () => readonly number[] | null
  /** The high watermarks of the same: the ends of all that stands in their logs. */
  readonly logEnds: () => Promise<readonly number[]>
  /** It is idle, or still is. */
  readonly onIdle: () => void
}

/** What has held it up may be over after this time, and what was known of the log is old. */
const AGAIN_MS = 1_000

export class IdleWatch {
  readonly #options: IdleWatchOptions
  /** Where the logs ended; null: it is not idle. */
  #ends: readonly number[] | null = null
  #askedAtMs = 0
  #isAsking = false
  #isStopped = true
  #lastAtMs = 0
  /** Grows with whatever comes, so that an answer is known to be older. */
  #arrivals = 0
  #cancelWait: (() => void) | null = null

  constructor(options: IdleWatchOptions) {
    this.#options = options
  }

  get isIdle(): boolean {
    return this.#ends !== null
  }

  /** Waits as if something had come now. */
  start(): void {
    this.#isStopped = false
    this.noteArrival(this.#options.clock.now())
  }

  /** Something has come, at this clock time. Cheap, since asked of each batch of records. */
  noteArrival(nowMs: number): void {
    this.#arrivals += 1
    this.#lastAtMs = nowMs
    this.#ends = null
    if (this.#cancelWait === null && !this.#isAsking) this.#wait(this.#options.afterMs)
  }

  /** True: it is idle. False: it is not, or that was to be asked again, and `onIdle` tells. */
  confirm(): boolean {
    if (this.#ends === null) return false
    if (this.#options.clock.now() - this.#askedAtMs < AGAIN_MS) return true
    if (!this.#isAsking) void this.#ask(this.#ends)
    return false
  }

  stop(): void {
    this.#isStopped = true
    this.#ends = null
    this.#cancelWait?.()
    this.#cancelWait = null
  }

  #wait(forMs: number): void {
    if (this.#isStopped) return
    this.#cancelWait = this.#options.clock.after(forMs, () => {
      const { afterMs, clock, restsAt } = this.#options
      this.#cancelWait = null
      const leftMs = this.#lastAtMs + afterMs - clock.now()
      if (leftMs > 0) this.#wait(leftMs)
      else void this.#ask(restsAt())
    })
  }

  /** Never rejects. `positions`: how far it is read and handled; null: it is not, so there is nothing to ask. */
  async #ask(positions: readonly number[] | null): Promise<void> {
    const { afterMs, clock, logEnds, onIdle } = this.#options
    const arrivals = this.#arrivals
    this.#isAsking = true
    this.#askedAtMs = clock.now()
    // Brokers that do not answer know nothing of an end.
    const ends = positions === null ? null : await logEnds().catch(() => null)
    this.#isAsking = false
    const isAtEnd = ends !== null && positions?.every((position, at) => ends[at]! <= position) === true
    this.#ends = isAtEnd && arrivals === this.#arrivals && !this.#isStopped ? positions : null
    if (this.#ends !== null) onIdle()
    else this.#wait(Math.min(afterMs, AGAIN_MS))
  }
}
