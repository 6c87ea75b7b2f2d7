/** What became of every event, and the rows that the table has to have for it. */
import { Ledger } from '../pipeline/ledger.ts'
import type { Place } from '../pipeline/marks.ts'
import type { ProcessedEvent } from './flows.ts'

export class EventLedger extends Ledger {
  /** By event_id, the processed event as JSON. */
  readonly expectedRows = new Map<string, string>()

  noteProcessed(place: Place, key: string, json: string): void {
    if (!this.noteOutput(place, key)) return
    const { event_id } = JSON.parse(json) as ProcessedEvent
    this.expectedRows.set(event_id, json)
  }
}
