/** What became of every click, and the rows that the table has to have for it. */
import { Ledger } from '../pipeline/ledger.ts'
import type { Place } from '../pipeline/marks.ts'
import type { EnrichedClick } from './flows.ts'

export class ClickLedger extends Ledger {
  /** Distinct (user, time) of the enriched clicks, with what the row has to hold: the last click's JSON. */
  readonly expectedRows = new Map<string, string>()

  noteEnriched(place: Place, key: string, json: string): void {
    if (!this.noteOutput(place, key)) return
    const click = JSON.parse(json) as EnrichedClick
    this.expectedRows.set(`${String(click.user_id)} ${writeInstant(click.timestamp)}`, json)
  }
}

/** The instant in microseconds, which is what the table tells apart. */
function writeInstant(timestamp: string): string {
  const digits = /\.(\d+)/.exec(timestamp)?.[1] ?? ''
  const microseconds = Math.round(Number(`0.${digits}0`) * 1e6)
  return String(Date.parse(timestamp.replace(/\.\d+/, '')) * 1000 + microseconds)
}
