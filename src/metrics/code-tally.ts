/**
 * Error codes as labels. What a user's code throws may carry any code, a new one for each record; a label for each would
 * be a series that never ends, here and in Prometheus. So labels come from our table only (`failureCode` of errors.ts):
 * what a code was stays in logs, in /status and in dead letters.
 */
import type { ErrorCode } from '../errors.ts'

/** Counters by code. For rare events. */
export class CodeTally {
  readonly #counts = new Map<ErrorCode, number>()

  /** Returns how many of its code there are by now. */
  add(code: ErrorCode, times = 1): number {
    const count = (this.#counts.get(code) ?? 0) + times
    this.#counts.set(code, count)
    return count
  }

  get(code: ErrorCode): number {
    return this.#counts.get(code) ?? 0
  }

  entries(): IterableIterator<[ErrorCode, number]> {
    return this.#counts.entries()
  }
}
