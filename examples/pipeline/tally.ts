/** What has to come out against what does, each by its name: either may be noted first, because they stand in several topics. */

const DUE = 1
const SEEN = 2

export class Tally {
  readonly #marks = new Map<string, number>()
  #due = 0
  #seen = 0
  #met = 0
  #repeated = 0

  /** Returns whether it is the first of its name. */
  expect(name: string): boolean {
    const before = this.#mark(name, DUE)
    if ((before & DUE) !== 0) return false
    this.#due += 1
    if ((before & SEEN) !== 0) this.#met += 1
    return true
  }

  /** Returns whether it is the first of its name. */
  see(name: string): boolean {
    const before = this.#mark(name, SEEN)
    if ((before & SEEN) !== 0) {
      this.#repeated += 1
      return false
    }
    this.#seen += 1
    if ((before & DUE) !== 0) this.#met += 1
    return true
  }

  /** Came out, each counted once. */
  get seen(): number {
    return this.#seen
  }

  /** Had to come out, and did not. */
  get missing(): number {
    return this.#due - this.#met
  }

  /** Came out, and had no reason to. */
  get stray(): number {
    return this.#seen - this.#met
  }

  /** Came out beyond the first time. */
  get repeated(): number {
    return this.#repeated
  }

  #mark(name: string, mark: number): number {
    const before = this.#marks.get(name) ?? 0
    this.#marks.set(name, before | mark)
    return before
  }
}
