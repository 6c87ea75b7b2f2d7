/**
 * What became of every record of a topic: which came out, which are dead letters, which are neither. Pure book-keeping over
 * what was read from the topics; a byte for each record.
 */
import { Marks, type Place } from './marks.ts'

export interface LedgerNumbers {
  /** Records in the input topic. */
  readonly in: number
  /** How many of them came out, … */
  readonly out: number
  /** … how many as dead letters, … */
  readonly deadLettered: number
  /** … and how many as neither. */
  readonly lost: number
  /** Outputs beyond the first of an input: allowed after a crash, never after a clean run. */
  readonly duplicates: number
  /** First outputs that came before one of an earlier record with the same key. */
  readonly outOfOrder: number
}

const READ = 1
const OUT = 2
const DEAD_LETTERED = 4

export class Ledger {
  readonly #marks: Marks
  readonly #lastOffsets = new Map<string, number>()
  #in = 0
  #out = 0
  #deadLettered = 0
  #finished = 0
  #duplicates = 0
  #outOfOrder = 0

  /** `starts[partition]`: the first offset that counts. What came before is not this run's. */
  constructor(starts: readonly number[]) {
    this.#marks = new Marks(starts)
  }

  /** Inputs that were read and came out somewhere. */
  get finished(): number {
    return this.#finished
  }

  noteInput(place: Place): void {
    if (this.#mark(place, READ) === 'first') this.#in += 1
  }

  /** Returns whether it is the first of its input. */
  noteOutput(place: Place, key: string): boolean {
    const mark = this.#mark(place, OUT)
    if (mark === 'again') this.#duplicates += 1
    if (mark !== 'first') return false
    this.#out += 1
    // First outputs of one key, out of one partition, have to come in the order of the inputs.
    const line = `${String(place.partition)}/${key}`
    if (place.offset < (this.#lastOffsets.get(line) ?? -1)) this.#outOfOrder += 1
    else this.#lastOffsets.set(line, place.offset)
    return true
  }

  noteDeadLetter(place: Place): void {
    const mark = this.#mark(place, DEAD_LETTERED)
    if (mark === 'first') this.#deadLettered += 1
    if (mark === 'again') this.#duplicates += 1
  }

  read(): LedgerNumbers {
    return {
      in: this.#in,
      out: this.#out,
      deadLettered: this.#deadLettered,
      lost: this.#in - this.#finished,
      duplicates: this.#duplicates,
      outOfOrder: this.#outOfOrder,
    }
  }

  #mark(place: Place, bit: number): 'first' | 'again' | 'not ours' {
    const before = this.#marks.add(place, bit)
    if (before === undefined) return 'not ours'
    if (!isFinished(before) && isFinished(before | bit)) this.#finished += 1
    return (before & bit) === 0 ? 'first' : 'again'
  }
}

/** An output may be read before its input, from another topic. */
function isFinished(marks: number): boolean {
  return (marks & READ) !== 0 && (marks & (OUT | DEAD_LETTERED)) !== 0
}
