/**
 * Tells a handler that waits for something from one that is merely declared `async`: the promise of the former is still
 * open when the event loop has turned. Looks at one promise in so many, because a turn is asked for by an immediate.
 */
import type { Clock } from '../../clock.ts'

const PROMISES_PER_LOOK = 16

export class TurnWatch {
  readonly #clock: Clock
  #count = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Call it when a handler has returned a promise, and what it returns when that is settled: null is one not looked at. */
  begin(): () => boolean | null {
    this.#count += 1
    if (this.#count % PROMISES_PER_LOOK !== 1) return notLookedAt
    let hasTurned = false
    const cancel = this.#clock.after(0, () => {
      hasTurned = true
    })
    return () => {
      cancel()
      return hasTurned
    }
  }
}

const notLookedAt = (): null => null
