/**
 * A clock that stands still until a test moves it. Timers fire in the order of their time; between
 * two of them every promise chain that can go on does, as in a real event loop.
 */
import type { Clock } from '../clock.ts'
import { TimerHeap, type HeapTimer } from './timer-heap.ts'

export interface ManualClockOptions {
  /** Milliseconds since the Unix epoch. Default: 2026-01-01T00:00:00Z. */
  readonly startMs?: number
}

/** So many timers without time going on: something arms a timer of 0 ms for ever. */
const MAX_TIMERS_AT_ONE_MOMENT = 1_000_000

export class ManualClock implements Clock {
  readonly #timers = new TimerHeap()
  #nowMs: number
  #wallStepMs = 0
  #isMoving = false

  constructor(options: ManualClockOptions = {}) {
    this.#nowMs = options.startMs ?? Date.UTC(2026, 0, 1)
  }

  now(): number {
    return this.#nowMs
  }

  /** The same as `now` until the wall clock is stepped. */
  wallNow(): number {
    return this.#nowMs + this.#wallStepMs
  }

  /** Somebody sets the wall clock, forth or back. `now` and timers know nothing of it. */
  stepWall(stepMs: number): void {
    this.#wallStepMs += stepMs
  }

  after(delayMs: number, callback: () => void): () => void {
    // A delay that is no number would never fire and never be missed.
    if (Number.isNaN(delayMs)) throw new RangeError('a timer needs a delay in milliseconds, and got NaN')
    const timer = this.#timers.push(this.#nowMs + Math.max(0, delayMs), callback)
    return () => {
      this.#timers.cancel(timer)
    }
  }

  /** Timers that were neither fired nor cancelled. A system that has come to rest holds none. */
  get pendingTimers(): number {
    return this.#timers.size
  }

  /** Clock time of the next timer; null: there is none. */
  get nextTimerAtMs(): number | null {
    return this.#timers.peek()?.dueAtMs ?? null
  }

  /**
   * Lets everything happen that needs no time: promise chains of any length, timers of 0 ms, and
   * what follows from them. Time stands still meanwhile. I/O and worker threads are not waited for.
   */
  settle(): Promise<void> {
    return this.advance(0)
  }

  /** Lets `durationMs` pass: fires what becomes due, each at its own time, and settles after each. */
  async advance(durationMs: number): Promise<void> {
    this.#begin()
    try {
      const untilMs = this.#nowMs + durationMs
      await turnOfLoop()
      for (let next = this.#take(untilMs); next !== undefined; next = this.#take(untilMs)) {
        next.callback()
        await turnOfLoop()
      }
      this.#nowMs = untilMs
    } finally {
      this.#isMoving = false
    }
  }

  /**
   * The process stands still for so long, as between SIGSTOP and SIGCONT or in a suspended machine: time
   * goes on and nothing happens. What became due meanwhile fires when it wakes, in its order.
   */
  async standStill(durationMs: number): Promise<void> {
    if (this.#isMoving) throw moving()
    this.#nowMs += durationMs
    await this.settle()
  }

  /**
   * Lets time pass, timer by timer, until `condition` holds (looked at after each timer). Rejects
   * when it does not hold after `maxMs` (default: one hour), or when no timer is left that could
   * change anything.
   */
  async runUntil(condition: () => boolean, options: { readonly maxMs?: number } = {}): Promise<void> {
    this.#begin()
    try {
      const maxMs = options.maxMs ?? 3_600_000
      const untilMs = this.#nowMs + maxMs
      await turnOfLoop()
      while (!condition()) {
        const next = this.#take(untilMs)
        if (next === undefined) {
          const left = this.#timers.size
          const why = left === 0 ? 'no timer is left' : `${maxMs} ms of the clock have passed, ${left} timers are left`
          throw new Error(`runUntil: the condition does not hold and ${why}`)
        }
        next.callback()
        await turnOfLoop()
      }
    } finally {
      this.#isMoving = false
    }
  }

  #begin(): void {
    if (this.#isMoving) throw moving()
    this.#isMoving = true
  }

  #momentTimers = 0

  /** The next timer due by `untilMs`, with the clock set to its time. */
  #take(untilMs: number): HeapTimer | undefined {
    const next = this.#timers.peek()
    if (next === undefined || next.dueAtMs > untilMs) return undefined
    this.#timers.pop()
    this.#momentTimers = next.dueAtMs > this.#nowMs ? 0 : this.#momentTimers + 1
    if (this.#momentTimers > MAX_TIMERS_AT_ONE_MOMENT) {
      throw new Error(
        `${MAX_TIMERS_AT_ONE_MOMENT} timers fired and no time has passed: something re-arms a timer of 0 ms`,
      )
    }
    // One that became due while the process stood still is late.
    this.#nowMs = Math.max(this.#nowMs, next.dueAtMs)
    return next
  }
}

function moving(): Error {
  return new Error('the clock is being moved already: await the call before this one')
}

/**
 * Node empties the queue of promise reactions, however many come to it meanwhile, before an
 * immediate runs. So one immediate settles any chain that waits for nothing but promises.
 */
function turnOfLoop(): Promise<void> {
  return new Promise((resolve) => {
    // eslint-disable-next-line no-restricted-globals -- the turn of the real loop in which the manual time stands
    setImmediate(resolve)
  })
}
