/** The accounts: what became of every payment, read back from the topics and the table. */
import * as v from 'valibot'
import type { RowNumbers } from '../pipeline/database.ts'
import { originOf } from '../pipeline/origins.ts'
import { rowProblems } from '../pipeline/problems.ts'
import { accountLine } from '../pipeline/report.ts'
import type { ReadRecord } from '../pipeline/topic-reader.ts'
import {
  cardPayments,
  comparedPayments,
  deadLetterTopic,
  fraudAlerts,
  paymentShape,
  type Alert,
  type ComparedPayment,
  type Payment,
} from './flows.ts'
import type { FraudLedger, FraudNumbers } from './ledger.ts'

export interface Accounts extends FraudNumbers, RowNumbers {}

export function noteRecord(ledger: FraudLedger, { message, place, topic }: ReadRecord): void {
  if (topic === cardPayments.name) ledger.notePayment(place, readPayment(message))
  if (topic === deadLetterTopic) ledger.noteDeadLetter(originOf(message, cardPayments.name) ?? nowhere)
  if (message.value === null) return
  if (topic === comparedPayments.name) ledger.noteCompared(JSON.parse(message.value.toString()) as ComparedPayment)
  if (topic === fraudAlerts.name) ledger.noteAlert(JSON.parse(message.value.toString()) as Alert)
}

/** Where a dead letter is from that is not of a payment that came in. */
const nowhere = { partition: -1, offset: -1 }

/** undefined: it is a broken one. */
function readPayment({ key, value }: ReadRecord['message']): Payment | undefined {
  try {
    const payment = v.parse(paymentShape, JSON.parse(String(value)))
    return payment.card === key?.toString() ? payment : undefined
  } catch {
    return undefined
  }
}

export function closeAccounts(ledger: FraudLedger, rows: RowNumbers): Accounts {
  return { ...ledger.read(), ...rows }
}

/** What is wrong with the accounts, in words; nothing when all is as it must be. */
export function findProblems(accounts: Accounts, produced: number): readonly string[] {
  const { duplicates, in: read, lost, missing, strays, wrong } = accounts
  return [
    ...(read < produced ? [`only ${read} of the ${produced} payments produced are in ${cardPayments.name}`] : []),
    ...(lost > 0 ? [`${lost} payments are missing in a topic`] : []),
    ...(strays > 0 ? [`${strays} records have no payment that they could be of`] : []),
    ...(duplicates > 0 ? [`${duplicates} records came out more than once`] : []),
    ...(missing > 0 ? [`${missing} suspicious payments raised no alert`] : []),
    ...(wrong > 0 ? [`${wrong} alerts say something else than the payments`] : []),
    ...rowProblems(accounts, accounts.alerts, 'alerts'),
  ]
}

export function accountLines(accounts: Accounts): readonly string[] {
  const { byAmount, byPace } = accounts
  return [
    accountLine('in', accounts.in, 'records in card_payments'),
    accountLine('dead-lettered', accounts.deadLettered, 'of them in card_payments_dlq'),
    accountLine('compared', accounts.compared, 'of them in compared_payments'),
    accountLine(
      'alerts',
      accounts.alerts,
      `in fraud_alerts, ${byPace} for too many in a minute, ${byAmount} for the amount`,
    ),
    accountLine('open', accounts.open, 'suspicious payments whose minute is not over yet'),
    accountLine(
      'wrong',
      accounts.wrong + accounts.missing,
      'alerts that are missing or say something else than the payments',
    ),
    accountLine('rows', accounts.rows, `in the table, ${accounts.wrongRows} of them missing or wrong`),
    accountLine('lost', accounts.lost, 'payments that are missing in a topic'),
    accountLine('duplicates', accounts.duplicates, 'records that came out more than once'),
  ]
}
