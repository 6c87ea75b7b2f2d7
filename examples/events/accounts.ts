/** The accounts: what became of every event, read back from the topics and the table. */
import type { RowNumbers } from '../pipeline/database.ts'
import type { LedgerNumbers } from '../pipeline/ledger.ts'
import { causeOf, originOf } from '../pipeline/origins.ts'
import { ledgerProblems, rowProblems } from '../pipeline/problems.ts'
import { accountLine } from '../pipeline/report.ts'
import type { ReadRecord } from '../pipeline/topic-reader.ts'
import { deadLetterTopic, events, processedEvents } from './flows.ts'
import type { EventLedger } from './ledger.ts'

export interface Accounts extends Omit<LedgerNumbers, 'out'>, RowNumbers {
  /** Events whose delivery was reported to the producer. */
  readonly delivered: number
  /** How many events came out in `processed-events`. */
  readonly processed: number
  /** Different event_ids among them: so many rows there have to be. */
  readonly distinct: number
}

export function noteRecord(ledger: EventLedger, { topic, place, message }: ReadRecord): void {
  if (topic === events.name) {
    ledger.noteInput(place)
  } else if (topic === processedEvents.name) {
    const cause = causeOf(message, events.name)
    if (cause === undefined || message.value === null) return
    ledger.noteProcessed(cause, message.key?.toString() ?? '', message.value.toString())
  } else if (topic === deadLetterTopic) {
    const origin = originOf(message, events.name)
    if (origin !== undefined) ledger.noteDeadLetter(origin)
  }
}

export function closeAccounts(ledger: EventLedger, delivered: number, { rows, wrongRows }: RowNumbers): Accounts {
  const { in: read, out, ...rest } = ledger.read()
  return { delivered, in: read, processed: out, ...rest, rows, distinct: ledger.expectedRows.size, wrongRows }
}

/** What is wrong with the accounts, in words; nothing when all is as it must be. */
export function findProblems(accounts: Accounts, produced: number): readonly string[] {
  const { delivered, in: read } = accounts
  const words = { records: 'events', input: events.name, out: 'processed', owner: 'user' }
  return [
    ...(delivered < produced ? [`the delivery of ${produced - delivered} events was not reported`] : []),
    ...(read > delivered ? [`${read - delivered} more events are in ${events.name} than were delivered`] : []),
    ...ledgerProblems({ ...accounts, out: accounts.processed }, produced, words),
    ...rowProblems(accounts, accounts.distinct, 'distinct events'),
  ]
}

export function accountLines(accounts: Accounts): readonly string[] {
  const distinct = accounts.distinct.toLocaleString('en')
  return [
    accountLine('delivered', accounts.delivered, 'events, by the reports that the producer got'),
    accountLine('in', accounts.in, 'events in the topic events'),
    accountLine('processed', accounts.processed, 'of them in processed-events'),
    accountLine('dead-lettered', accounts.deadLettered, 'of them in events-dlq'),
    accountLine('lost', accounts.lost, 'in neither'),
    accountLine('rows', accounts.rows, `in the table, for ${distinct} distinct event_ids`),
    accountLine('duplicates', accounts.duplicates, 'outputs beyond the first of an event'),
    accountLine('out of order', accounts.outOfOrder, 'events that came out before an earlier one of the same user'),
  ]
}
