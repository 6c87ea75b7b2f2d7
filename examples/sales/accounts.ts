/** The accounts: what became of every order, read back from the topics and the table. */
import type { RowNumbers } from '../pipeline/database.ts'
import { originOf } from '../pipeline/origins.ts'
import { rowProblems } from '../pipeline/problems.ts'
import { accountLine } from '../pipeline/report.ts'
import type { ReadRecord } from '../pipeline/topic-reader.ts'
import { deadLetterTopic, lateOrders, orders, salesAggregates, uniqueOrders } from './flows.ts'
import type { ReadOrder, ReadSales, SalesLedger, SalesNumbers } from './ledger.ts'

export interface Accounts extends SalesNumbers, RowNumbers {}

/** `read` makes JSON of a value, or throws. */
export function noteRecord(
  ledger: SalesLedger,
  { message, place, topic }: ReadRecord,
  read: (value: Buffer) => string,
): void {
  const { value } = message
  if (topic === orders.name) ledger.noteOrder(place, value === null ? undefined : readOrder(value, read))
  if (topic === deadLetterTopic) ledger.noteDeadLetter(originOf(message, orders.name) ?? nowhere)
  if (topic === uniqueOrders.name) ledger.noteUnique(idIn(value, read))
  if (topic === lateOrders.name) ledger.noteLate(idIn(value, read))
  if (topic === salesAggregates.name && value !== null) ledger.noteResult(JSON.parse(read(value)) as ReadSales)
}

/** Where a dead letter is from that is not of an order that came in. */
const nowhere = { partition: -1, offset: -1 }

function readOrder(value: Buffer, read: (value: Buffer) => string): ReadOrder | undefined {
  try {
    return JSON.parse(read(value)) as ReadOrder
  } catch {
    return undefined
  }
}

function idIn(value: Buffer | null, read: (value: Buffer) => string): string {
  return (value === null ? undefined : readOrder(value, read))?.order_id ?? 'no order'
}

export function closeAccounts(ledger: SalesLedger, rows: RowNumbers): Accounts {
  return { ...ledger.read(), ...rows }
}

/** What is wrong with the accounts, in words; nothing when all is as it must be. */
export function findProblems(accounts: Accounts, produced: number): readonly string[] {
  const { duplicates, in: read, lost, missing, strays, wrong } = accounts
  return [
    ...(read < produced ? [`only ${read} of the ${produced} orders produced are in ${orders.name}`] : []),
    ...(lost > 0 ? [`${lost} orders are missing in a topic`] : []),
    ...(strays > 0 ? [`${strays} records have no order that they could be of`] : []),
    ...(duplicates > 0 ? [`${duplicates} records came out more than once`] : []),
    ...(missing > 0 ? [`${missing} minutes of a region are over and did not come out`] : []),
    ...(wrong > 0 ? [`${wrong} minutes of a region say something else than their orders`] : []),
    ...rowProblems(accounts, accounts.results, 'minutes of a region'),
  ]
}

export function accountLines(accounts: Accounts): readonly string[] {
  return [
    accountLine('in', accounts.in, 'records in orders'),
    accountLine('dead-lettered', accounts.deadLettered, 'of them in orders_dlq'),
    accountLine('repeats', accounts.repeats, 'of them were there already'),
    accountLine('unique', accounts.unique, 'orders in unique_orders'),
    accountLine('late', accounts.late, 'of them in late_orders'),
    accountLine('counted', accounts.counted, 'of them in sales_aggregates'),
    accountLine(
      'results',
      accounts.results,
      `minutes of a region in sales_aggregates; ${accounts.open} are not over yet`,
    ),
    accountLine(
      'wrong',
      accounts.wrong + accounts.missing,
      'minutes that are missing or say something else than the orders',
    ),
    accountLine('rows', accounts.rows, `in the table, ${accounts.wrongRows} of them missing or wrong`),
    accountLine('lost', accounts.lost, 'orders that are missing in a topic'),
    accountLine('duplicates', accounts.duplicates, 'records that came out more than once'),
  ]
}
