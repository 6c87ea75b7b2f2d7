/** What one owner has handled since its last freeze: it becomes durable together, or not at all. */
import type { EncodedEffect } from '../../flows/effect-encoder.ts'
import type { OutputRecord } from '../../record.ts'
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

export class Generation {
  /** For Kafka: outputs and dead letters, in the order in which their records were handled. */
  readonly records: OutputRecord[] = []
  /** Of each of them, `topic/partition/offset` of the record that it came of. */
  readonly sources: string[] = []
  readonly rows: HandledRow[] = []
  readonly tickets: HandledTicket[] = []
  readonly letters: LetterTicket[] = []
  /** Of the outputs for Kafka. */
  outputBytes = 0
  /** What all of it counts against the intake's budget. */
  bytes = 0

  /** Records that were handled. */
  get size(): number {
    return this.tickets.length + this.letters.length
  }

  add(ticket: HandledTicket, source: string, effects: readonly EncodedEffect[]): void {
    this.tickets.push(ticket)
    this.bytes += ticket.bytes
    let index = 0
    for (const effect of effects) {
      if (effect.type === 'record') this.#addRecord(effect.record, source)
      else this.rows.push({ sink: effect.sink, row: effect.row, source, index })
      index += 1
    }
  }

  addLetter(ticket: LetterTicket, source: string, letter: OutputRecord): void {
    this.letters.push(ticket)
    this.#addRecord(letter, source)
  }

  #addRecord(record: OutputRecord, source: string): void {
    this.records.push(record)
    this.sources.push(source)
    const bytes = sizeOnWire(record)
    this.outputBytes += bytes
    this.bytes += bytes
  }
}
