/**
 * How many may go now, where so many may go in a second and some of them at once. What has come due is counted from one
 * moment, when the bucket was full last, and what went since then is a whole number: so nothing is lost or gained by
 * rounding, however long it is never full. A full bucket takes in no more: a pause earns the burst, and no debt grows. But
 * whoever waits for the next one and comes a little late, as timers do, loses nothing by it.
 */
export class TokenBucket {
  readonly perSecond: number
  /** What comes due in a second, one at least, unless given. */
  readonly burst: number
  /** Clock time when it was full, */
  #fullAtMs: number
  /** and what went since then. */
  #taken = 0
  /** Clock time when somebody was told last that there is none; null: nobody waits. */
  #awaitedAtMs: number | null = null

  constructor(perSecond: number, burst: number | null, nowMs: number) {
    this.perSecond = perSecond
    this.burst = burst ?? Math.max(1, perSecond)
    this.#fullAtMs = nowMs
  }

  /** How many may go now. */
  available(nowMs: number): number {
    const count = Math.max(0, Math.floor(this.#level(nowMs) + ROUNDING))
    if (count === 0) this.#awaitedAtMs = nowMs
    return count
  }

  /** So many go, as many as are available at most. */
  take(count: number, nowMs: number): void {
    this.#level(nowMs)
    if (count === 0) return
    this.#taken += count
    this.#awaitedAtMs = null
  }

  /** So many have not gone after all. */
  giveBack(count: number): void {
    this.#taken -= count
  }

  /** Milliseconds until the next one may go; 0: it may now. */
  waitMs(nowMs: number): number {
    return Math.max(0, ((1 - ROUNDING - this.#level(nowMs)) * 1000) / this.perSecond)
  }

  /** Who does not come within a second of when there was one has gone. */
  #isAwaited(nowMs: number): boolean {
    return this.#awaitedAtMs !== null && nowMs - this.#awaitedAtMs <= 1000 / this.perSecond + GONE_MS
  }

  #level(nowMs: number): number {
    const level = this.burst - this.#taken + ((nowMs - this.#fullAtMs) * this.perSecond) / 1000
    if (level < this.burst) return level
    const most = this.burst + (this.#isAwaited(nowMs) ? (LATE_MS * this.perSecond) / 1000 : 0)
    if (level < most) return level
    this.#fullAtMs = nowMs
    this.#taken = this.burst - most
    return most
  }
}

/** So much of one counts as one: a third of a second three times is a second. It is not kept, so it adds up to nothing. */
const ROUNDING = 1e-6
/** What is waited for may be taken this much later than it came due. */
const LATE_MS = 20
const GONE_MS = 1000
