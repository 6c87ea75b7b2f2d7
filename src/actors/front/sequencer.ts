/**
 * Lets records that run in parallel be concluded in offset order, whatever finishes first: what becomes of a record waits until
 * those before it are concluded. So what is handled is a beginning of the partition, without holes, and outputs come in the
 * order of their records. Who is tried again holds up all behind it.
 */
import type { Invocation } from '../invocation.ts'

export class Sequencer<Word> {
  /** Admitted and not concluded, in offset order. */
  #order: Invocation[] = []
  /** The first that is not concluded. */
  #head = 0
  readonly #waiting = new Map<Invocation, Word>()

  /** Records that are done and wait for those before them. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** Some are not concluded. */
  get isBusy(): boolean {
    return this.#head < this.#order.length
  }

  /** In offset order. */
  admit(invocation: Invocation): void {
    this.#order.push(invocation)
  }

  /** What has become of it: told once. Those whose turn has come by that are asked for with `next`. */
  note(invocation: Invocation, word: Word): void {
    this.#waiting.set(invocation, word)
  }

  /** The one whose turn has come, and what has become of it. null: it is not known yet. */
  next(): readonly [Invocation, Word] | null {
    const first = this.#order[this.#head]
    const word = first === undefined ? undefined : this.#waiting.get(first)
    if (first === undefined || word === undefined) return null
    this.#waiting.delete(first)
    this.#advance()
    return [first, word]
  }

  /** One of these is left to the next owner, and so is all behind it. Returns those behind that waited. */
  cut(left: readonly Invocation[]): Invocation[] {
    const gone = new Set(left)
    const at = this.#order.findIndex((each, index) => index >= this.#head && gone.has(each))
    if (at === -1) return []
    return this.#order.splice(at).filter((each) => this.#waiting.delete(each))
  }

  /** Nobody's turn comes any more. Returns those that waited. */
  end(): Invocation[] {
    const waited = [...this.#waiting.keys()]
    this.#waiting.clear()
    this.#order = []
    this.#head = 0
    return waited
  }

  #advance(): void {
    this.#head += 1
    if (this.#head < COMPACT_AT || this.#head * 2 < this.#order.length) return
    this.#order = this.#order.slice(this.#head)
    this.#head = 0
  }
}

/** So many may have been concluded before they are let go of. */
const COMPACT_AT = 1024
