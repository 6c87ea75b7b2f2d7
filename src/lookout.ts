/**
 * Knows how much of the elapsed time this process was running. One that was stopped (SIGSTOP, a suspended machine)
 * or had its event loop held saw nothing meanwhile, and when it goes on everything looks overdue: threads that
 * had no time to work, answers that wait in the socket. So whoever judges others by elapsed time, and ends
 * or blames them for it, asks here.
 *
 * It is not for what others time themselves: brokers go on counting while we stand still.
 */
import type { Clock } from './clock.ts'

/** Notices when it is late itself. */
const BEAT_MS = 1000
/** A beat that is later than this was missed: of the time before it, only one beat counts as seen. */
const LATE_MS = 2 * BEAT_MS
/** At most so many gaps are excused: a loop that is held again and again would otherwise never find anybody late. */
const MAX_GAPS = 8

interface Gap {
  readonly fromMs: number
  readonly untilMs: number
}

export class Lookout implements Clock {
  readonly #clock: Clock
  readonly #gaps: Gap[] = []
  #missedMs = 0
  /** null: it does not look, and takes all time for seen. */
  #seenAtMs: number | null = null
  #cancelBeat: () => void = () => undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Begins to look. Keeps a timer until `stop`. Idempotent. */
  start(): this {
    if (this.#seenAtMs === null) {
      this.#seenAtMs = this.#clock.now()
      this.#beat()
    }
    return this
  }

  #beat(): void {
    this.#notice()
    this.#cancelBeat = this.#clock.after(BEAT_MS, () => {
      this.#beat()
    })
  }

  stop(): void {
    this.#cancelBeat()
    this.#seenAtMs = null
  }

  now(): number {
    return this.#clock.now()
  }

  wallNow(): number {
    return this.#clock.wallNow()
  }

  /** A time that advances only while this process runs: for noting when something began. */
  get seenMs(): number {
    return this.#notice() - this.#missedMs
  }

  /** Milliseconds that this process has seen since a time of the clock. */
  seenSince(atMs: number): number {
    const nowMs = this.#notice()
    let missedMs = 0
    for (const { fromMs, untilMs } of this.#gaps) missedMs += Math.max(0, untilMs - Math.max(fromMs, atMs))
    return nowMs - atMs - missedMs
  }

  /**
   * A deadline of somebody else: what this process has missed of its time is added, up to all of it. The clock is
   * asked when it is over and not when it begins, because most never are, and there is one for every asynchronous record.
   */
  after(delayMs: number, callback: () => void): () => void {
    let cancel: () => void = () => undefined
    const wait = (waitMs: number, excuses: number): void => {
      cancel = this.#clock.after(waitMs, () => {
        const missedMs = waitMs - this.seenSince(this.#clock.now() - waitMs)
        if (missedMs > 0 && excuses > 0) wait(missedMs, excuses - 1)
        else callback()
      })
    }
    wait(delayMs, MAX_GAPS)
    return () => {
      cancel()
    }
  }

  #notice(): number {
    const nowMs = this.#clock.now()
    if (this.#seenAtMs === null) return nowMs
    if (nowMs - this.#seenAtMs > LATE_MS) {
      const fromMs = this.#seenAtMs + BEAT_MS
      this.#missedMs += nowMs - fromMs
      this.#gaps.push({ fromMs, untilMs: nowMs })
      if (this.#gaps.length > MAX_GAPS) this.#gaps.shift()
    }
    this.#seenAtMs = nowMs
    return nowMs
  }
}
