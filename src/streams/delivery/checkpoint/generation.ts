/** What one owner has handled since its last freeze: it becomes durable together, or not at all. */
import type { EncodedEffect } from '../../flows/effect-encoder.ts'
import { partitionName, type OutputRecord } from '../../record.ts'
import type { HandledTicket, LetterTicket } from '../delivery.ts'
import type { EncodedRow } from '../sink.ts'
import { sizeOnWire } from './record-size.ts'

/** A row, and the ticket of the record that it came of. */
export interface HandledRow {
  readonly sink: string
  readonly row: EncodedRow
  /** `topic/partition/offset` of that record, and which of its outputs this is. */
  readonly source: string
  readonly index: number
}

/** `topic/partition/offset` of a record. */
interface Source {
  readonly id: string
}

export class Generation {
  /** For Kafka: outputs and dead letters, in the order in which their records were handled. What others take the place of goes with `close`. */
  records: OutputRecord[] = []
  /** Of each of them, the record that it came of. */
  sources: Source[] = []
  /** Which of them are dead letters. */
  letterPlaces = new Set<number>()
  readonly rows: HandledRow[] = []
  readonly tickets: HandledTicket[] = []
  readonly letters: LetterTicket[] = []
  /** Of the outputs for Kafka. */
  outputBytes = 0
  /** What all of it counts against the intake's budget. */
  bytes = 0
  /** Outputs to these are the last ones of their keys. null: there are none such. */
  readonly #latestTopics: ReadonlySet<string> | null
  /** Where that of a key stands, by where it goes and the bytes of its key as latin-1; and of what says itself what it is the last of. */
  readonly #latest = new Map<string, Map<string, number>>()
  /** In whose place a later one has come. */
  readonly #outdated = new Set<number>()

  constructor(latestTopics: ReadonlySet<string>) {
    this.#latestTopics = latestTopics.size === 0 ? null : latestTopics
  }

  /** Records that were handled. */
  get size(): number {
    return this.tickets.length + this.letters.length
  }

  /** `outputBytes`: of what goes to Kafka. */
  add(ticket: HandledTicket, effects: readonly EncodedEffect[], outputBytes: number): void {
    this.tickets.push(ticket)
    this.outputBytes += outputBytes
    this.bytes += ticket.bytes + outputBytes
    let index = 0
    for (const effect of effects) {
      if (effect.type === 'record') {
        const { lastOf, record } = effect
        if (lastOf !== undefined) this.#outdate(record, `last/${record.topic}`, lastOf)
        else if (this.#latestTopics?.has(record.topic) === true) this.#outdateOfKey(record)
        this.records.push(record)
        this.sources.push(ticket)
      } else this.rows.push({ sink: effect.sink, row: effect.row, source: ticket.id, index })
      index += 1
    }
  }

  addLetter(ticket: LetterTicket, source: string, letter: OutputRecord): void {
    this.letters.push(ticket)
    this.letterPlaces.add(this.records.length)
    this.records.push(letter)
    this.sources.push({ id: source })
    const bytes = sizeOnWire(letter)
    this.outputBytes += bytes
    this.bytes += bytes
  }

  /** Nothing comes any more. */
  close(): void {
    if (this.#outdated.size === 0) return
    const left = [...this.records.keys()].filter((place) => !this.#outdated.has(place))
    const { letterPlaces, records, sources } = this
    this.letterPlaces = new Set(left.flatMap((place, at) => (letterPlaces.has(place) ? [at] : [])))
    this.records = left.map((place) => records[place]!)
    this.sources = left.map((place) => sources[place]!)
    this.#outdated.clear()
    this.#latest.clear()
  }

  #outdateOfKey(record: OutputRecord): void {
    const { key, partition, topic } = record
    if (key === null) return
    const text = Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
    this.#outdate(record, partition === undefined ? topic : partitionName({ topic, partition }), text)
  }

  /** The next one takes the place of the one like it that is there: what is sent are some of the outputs, in their own order. */
  #outdate(record: OutputRecord, where: string, text: string): void {
    let places = this.#latest.get(where)
    if (places === undefined) {
      places = new Map()
      this.#latest.set(where, places)
    }
    const before = places.get(text)
    places.set(text, this.records.length)
    if (before === undefined) return
    this.#outdated.add(before)
    const bytes = sizeOnWire(this.records[before]!)
    this.outputBytes -= bytes
    this.bytes -= bytes
  }
}
