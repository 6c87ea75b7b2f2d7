/** The accounts: what became of every reading, read back from the topics and the table. */
import type { RowNumbers } from '../pipeline/database.ts'
import { causeOf, originOf } from '../pipeline/origins.ts'
import { ledgerProblems, rowProblems } from '../pipeline/problems.ts'
import { accountLine } from '../pipeline/report.ts'
import type { ReadRecord } from '../pipeline/topic-reader.ts'
import { deadLetterTopic, sensorAlerts, sensorData, sensorReadings } from './flows.ts'
import type { SensorLedger, SensorNumbers } from './ledger.ts'

export interface Accounts extends Omit<SensorNumbers, 'out'>, RowNumbers {
  /** How many readings came out in `sensor-readings`. */
  readonly readings: number
  /** Sensors among them: so many rows there have to be. */
  readonly sensors: number
}

/** `read` makes JSON of a reading. */
export function noteRecord(
  ledger: SensorLedger,
  { topic, place, message }: ReadRecord,
  read: (value: Buffer) => string,
): void {
  if (topic === sensorData.name) {
    ledger.noteInput(place)
  } else if (topic === deadLetterTopic) {
    const origin = originOf(message, sensorData.name)
    if (origin !== undefined) ledger.noteDeadLetter(origin)
  } else {
    const cause = causeOf(message, sensorData.name)
    if (cause === undefined || message.value === null) return
    if (topic === sensorAlerts.name) ledger.noteAlert(cause)
    if (topic === sensorReadings.name) {
      ledger.noteReading(cause, message.key?.toString() ?? '', read(message.value))
    }
  }
}

export function closeAccounts(ledger: SensorLedger, { rows, wrongRows }: RowNumbers): Accounts {
  const { in: read, out, ...rest } = ledger.read()
  return { in: read, readings: out, ...rest, rows, sensors: ledger.lastReadings.size, wrongRows }
}

/** What is wrong with the accounts, in words; nothing when all is as it must be. */
export function findProblems(accounts: Accounts, produced: number): readonly string[] {
  const { missingAlerts, falseAlerts } = accounts
  const words = { records: 'readings', input: sensorData.name, out: 'passed on', owner: 'sensor' }
  return [
    ...ledgerProblems({ ...accounts, out: accounts.readings }, produced, words),
    ...rowProblems(accounts, accounts.sensors, 'sensors'),
    ...(missingAlerts > 0 ? [`${missingAlerts} readings beyond a limit raised no alert`] : []),
    ...(falseAlerts > 0 ? [`${falseAlerts} alerts have no reading beyond a limit`] : []),
  ]
}

export function accountLines(accounts: Accounts): readonly string[] {
  return [
    accountLine('in', accounts.in, 'readings in sensor-data'),
    accountLine('readings', accounts.readings, 'of them in sensor-readings'),
    accountLine('dead-lettered', accounts.deadLettered, 'of them in sensor-dlq'),
    accountLine('lost', accounts.lost, 'in neither'),
    accountLine('alerts', accounts.alerts, `in sensor-alerts, and ${accounts.missingAlerts} that are missing there`),
    accountLine('rows', accounts.rows, `in the table, for ${accounts.sensors} sensors, each with its last reading`),
    accountLine('duplicates', accounts.duplicates, 'outputs beyond the first of a reading'),
    accountLine('out of order', accounts.outOfOrder, 'readings that came out before an earlier one of the same sensor'),
  ]
}
