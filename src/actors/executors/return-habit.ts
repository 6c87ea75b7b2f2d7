/**
 * Whether a handler returns promises, by what it did lately: one that looks into its cache first, and asks a service only
 * for what is not there, does so now and then. One answer must not make a rule for good.
 */

/** So many values in a row, and it is taken for synchronous again: mixed handlers are not taken for so for long. */
const VALUES_IN_A_ROW = 16

export class ReturnHabit {
  /** Values still to come before it counts as synchronous; null: nothing was seen yet. */
  #valuesLeft: number | null = null
  #hasPromised = false

  /** It was seen, and has never returned a promise: what is in progress need not be counted. */
  get hasOnlyValues(): boolean {
    return this.#valuesLeft === 0 && !this.#hasPromised
  }

  /** It was seen, and returns no promises now. */
  get isSynchronous(): boolean {
    return this.#valuesLeft === 0
  }

  /** It was seen to return promises lately. */
  get isAsynchronous(): boolean {
    return this.#valuesLeft !== null && this.#valuesLeft > 0
  }

  notePromise(): void {
    this.#valuesLeft = VALUES_IN_A_ROW
    this.#hasPromised = true
  }

  noteValue(): void {
    if (this.#valuesLeft === null) this.#valuesLeft = 0
    else if (this.#valuesLeft > 0) this.#valuesLeft -= 1
  }
}
