/** What became of every reading, the alerts that there have to be, and what the table has to hold. */
import { Ledger, type LedgerNumbers } from '../pipeline/ledger.ts'
import { Marks, type Place } from '../pipeline/marks.ts'
import { LIMITS, beyond, type Reading } from './flows.ts'

export interface SensorNumbers extends LedgerNumbers {
  /** Readings that raised an alert, … */
  readonly alerts: number
  /** … that had to and did not, … */
  readonly missingAlerts: number
  /** … or did and had no reason. */
  readonly falseAlerts: number
}

const DUE = 1
const RAISED = 2

export class SensorLedger extends Ledger {
  /** By sensor, its last reading, as JSON. */
  readonly lastReadings = new Map<number, string>()
  readonly #alerts: Marks
  #due = 0
  #raised = 0
  #dueAndRaised = 0
  #repeatedAlerts = 0

  constructor(starts: readonly number[]) {
    super(starts)
    this.#alerts = new Marks(starts)
  }

  noteReading(place: Place, key: string, json: string): void {
    if (!this.noteOutput(place, key)) return
    const reading = JSON.parse(json) as Reading
    this.lastReadings.set(reading.sensor_id, json)
    if (beyond(reading, LIMITS).length === 0) return
    this.#due += 1
    // An alert may be read before its reading, from another topic.
    if (((this.#alerts.add(place, DUE) ?? 0) & RAISED) !== 0) this.#dueAndRaised += 1
  }

  noteAlert(place: Place): void {
    const before = this.#alerts.add(place, RAISED)
    if (before === undefined) return
    if ((before & RAISED) !== 0) {
      this.#repeatedAlerts += 1
      return
    }
    this.#raised += 1
    if ((before & DUE) !== 0) this.#dueAndRaised += 1
  }

  override read(): SensorNumbers {
    const numbers = super.read()
    return {
      ...numbers,
      duplicates: numbers.duplicates + this.#repeatedAlerts,
      alerts: this.#raised,
      missingAlerts: this.#due - this.#dueAndRaised,
      falseAlerts: this.#raised - this.#dueAndRaised,
    }
  }
}
