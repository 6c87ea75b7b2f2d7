/**
 * What became of every click: which inputs came out in `enriched_clicks`, which in the dead-letter
 * topic, which in neither. Pure book-keeping over what was read from the topics; a byte for each
 * input, and an entry for each row that has to be in the table.
 */
import type { EnrichedClick } from './flows.ts'

/** Where an input stands. Outputs name theirs in a header. */
export interface InputPlace {
  readonly partition: number
  readonly offset: number
}

export interface TopicAccounts {
  /** Records in `user_clicks`. */
  readonly in: number
  /** How many of them came out in `enriched_clicks`, … */
  readonly enriched: number
  /** … how many in the dead-letter topic, … */
  readonly deadLettered: number
  /** … and how many in neither. */
  readonly lost: number
  /** Outputs beyond the first of an input: allowed after a crash, never after a clean run. */
  readonly duplicates: number
  /** First outputs that came before one of an earlier click with the same key. */
  readonly outOfOrder: number
}

const READ = 1
const ENRICHED = 2
const DEAD_LETTERED = 4

export class Ledger {
  /** Distinct (user, time) of the enriched clicks, with what the row has to hold: the last click's JSON. */
  readonly expectedRows = new Map<string, string>()
  readonly #marks: { readonly start: number; bytes: Uint8Array }[]
  readonly #lastOffsets = new Map<string, number>()
  #in = 0
  #enriched = 0
  #deadLettered = 0
  #finished = 0
  #duplicates = 0
  #outOfOrder = 0

  /** `starts[partition]`: the first offset that counts. What came before is not this run's. */
  constructor(starts: readonly number[]) {
    this.#marks = starts.map((start) => ({ start, bytes: new Uint8Array(1024) }))
  }

  /** Inputs that were read and came out somewhere. */
  get finished(): number {
    return this.#finished
  }

  noteInput(place: InputPlace): void {
    if (this.#mark(place, READ) === 'first') this.#in += 1
  }

  noteEnriched(place: InputPlace, key: string, json: string): void {
    const mark = this.#mark(place, ENRICHED)
    if (mark === 'again') this.#duplicates += 1
    if (mark !== 'first') return
    this.#enriched += 1
    // First outputs of one key, out of one partition, have to come in the order of the inputs.
    const line = `${String(place.partition)}/${key}`
    if (place.offset < (this.#lastOffsets.get(line) ?? -1)) this.#outOfOrder += 1
    else this.#lastOffsets.set(line, place.offset)
    const click = JSON.parse(json) as EnrichedClick
    this.expectedRows.set(`${String(click.user_id)} ${writeInstant(click.timestamp)}`, json)
  }

  noteDeadLetter(place: InputPlace): void {
    const mark = this.#mark(place, DEAD_LETTERED)
    if (mark === 'first') this.#deadLettered += 1
    if (mark === 'again') this.#duplicates += 1
  }

  read(): TopicAccounts {
    return {
      in: this.#in,
      enriched: this.#enriched,
      deadLettered: this.#deadLettered,
      lost: this.#in - this.#finished,
      duplicates: this.#duplicates,
      outOfOrder: this.#outOfOrder,
    }
  }

  #mark({ partition, offset }: InputPlace, bit: number): 'first' | 'again' | 'not ours' {
    const marks = this.#marks[partition]
    if (marks === undefined || offset < marks.start) return 'not ours'
    const index = offset - marks.start
    if (index >= marks.bytes.length) marks.bytes = growTo(marks.bytes, index + 1)
    const before = marks.bytes[index] ?? 0
    const after = before | bit
    marks.bytes[index] = after
    if (!isFinished(before) && isFinished(after)) this.#finished += 1
    return before === after ? 'again' : 'first'
  }
}

/** An output may be read before its input, from another topic. */
function isFinished(marks: number): boolean {
  return (marks & READ) !== 0 && (marks & (ENRICHED | DEAD_LETTERED)) !== 0
}

function growTo(bytes: Uint8Array, length: number): Uint8Array {
  const grown = new Uint8Array(Math.max(length, bytes.length * 2))
  grown.set(bytes)
  return grown
}

/** The instant in microseconds, which is what the table tells apart. */
function writeInstant(timestamp: string): string {
  const digits = /\.(\d+)/.exec(timestamp)?.[1] ?? ''
  const microseconds = Math.round(Number(`0.${digits}0`) * 1e6)
  return String(Date.parse(timestamp.replace(/\.\d+/, '')) * 1000 + microseconds)
}
