/** The accounts: what became of every click, read back from the topics and the table. */
import type { RowNumbers } from '../pipeline/database.ts'
import type { LedgerNumbers } from '../pipeline/ledger.ts'
import { causeOf, originOf } from '../pipeline/origins.ts'
import { ledgerProblems, rowProblems } from '../pipeline/problems.ts'
import { accountLine } from '../pipeline/report.ts'
import type { ReadRecord } from '../pipeline/topic-reader.ts'
import { clicks, deadLetterTopic, enrichedClicks } from './flows.ts'
import type { ClickLedger } from './ledger.ts'

export interface Accounts extends Omit<LedgerNumbers, 'out'>, RowNumbers {
  /** How many clicks came out in `enriched_clicks`. */
  readonly enriched: number
  /** Distinct (user_id, timestamp) among the enriched clicks: so many rows there have to be. */
  readonly distinct: number
}

/** `read` makes JSON of an enriched click. */
export function noteRecord(
  ledger: ClickLedger,
  { topic, place, message }: ReadRecord,
  read: (value: Buffer) => string,
): void {
  if (topic === clicks.name) {
    ledger.noteInput(place)
  } else if (topic === enrichedClicks.name) {
    const cause = causeOf(message, clicks.name)
    if (cause === undefined || message.value === null) return
    ledger.noteEnriched(cause, message.key?.toString() ?? '', read(message.value))
  } else if (topic === deadLetterTopic) {
    const origin = originOf(message, clicks.name)
    if (origin !== undefined) ledger.noteDeadLetter(origin)
  }
}

export function closeAccounts(ledger: ClickLedger, { rows, wrongRows }: RowNumbers): Accounts {
  const { in: read, out, ...rest } = ledger.read()
  return { in: read, enriched: out, ...rest, rows, distinct: ledger.expectedRows.size, wrongRows }
}

/** What is wrong with the accounts, in words; nothing when all is as it must be. */
export function findProblems(accounts: Accounts, produced: number): readonly string[] {
  const words = { records: 'clicks', input: clicks.name, out: 'enriched', owner: 'user' }
  return [
    ...ledgerProblems({ ...accounts, out: accounts.enriched }, produced, words),
    ...rowProblems(accounts, accounts.distinct, 'distinct clicks'),
  ]
}

export function accountLines(accounts: Accounts): readonly string[] {
  const distinct = accounts.distinct.toLocaleString('en')
  return [
    accountLine('in', accounts.in, 'clicks in user_clicks'),
    accountLine('enriched', accounts.enriched, 'of them in enriched_clicks'),
    accountLine('dead-lettered', accounts.deadLettered, 'of them in user_clicks_dlq'),
    accountLine('lost', accounts.lost, 'in neither'),
    accountLine('rows', accounts.rows, `in the table, for ${distinct} distinct (user_id, timestamp)`),
    accountLine('duplicates', accounts.duplicates, 'outputs beyond the first of a click'),
    accountLine('out of order', accounts.outOfOrder, 'clicks that came out before an earlier one of the same user'),
  ]
}
