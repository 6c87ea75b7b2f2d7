/**
 * Ascending runs of offsets, `from, to, from, to, …` with `to` exclusive, as they are built one by
 * one. Whoever has collected them keeps a plain Float64Array.
 */

export class RunList {
  #runs = new Float64Array(16)
  #length = 0

  /** The end of the last run; NaN when there is none. */
  get end(): number {
    return this.#length === 0 ? NaN : this.#runs[this.#length - 1]!
  }

  /** Adds `[from, to)`, which must not begin before the last run did. */
  add(from: number, to: number): void {
    if (this.#length > 0 && from <= this.#runs[this.#length - 1]!) {
      if (to > this.#runs[this.#length - 1]!) this.#runs[this.#length - 1] = to
      return
    }
    if (this.#length === this.#runs.length) {
      const larger = new Float64Array(2 * this.#length)
      larger.set(this.#runs)
      this.#runs = larger
    }
    this.#runs[this.#length] = from
    this.#runs[this.#length + 1] = to
    this.#length += 2
  }

  toArray(): Float64Array {
    return this.#runs.slice(0, this.#length)
  }
}
