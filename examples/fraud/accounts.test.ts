import { describe, expect, test } from 'vitest'
import { closeAccounts, findProblems, type Accounts } from './accounts.ts'
import type { Alert, Payment } from './flows.ts'
import { FraudLedger } from './ledger.ts'
import { growForest, scoreOf } from './score.ts'

const BEGIN_MS = Date.UTC(2026, 2, 1, 8)
const forest = growForest()

const at = (offset: number, partition = 0): { partition: number; offset: number } => ({ partition, offset })

function payment(seconds: number, { card = 'ann', cents = 1000 } = {}): Payment {
  const at = BEGIN_MS + seconds * 1000
  return { payment_id: `${card}-${String(seconds)}`, card, cents, merchant: 'M-1', country: 'DE', at }
}

/** As it has to come out. */
function alertOf(raised: Payment, usual_cents: number | null, payments: number, reasons: Alert['reasons']): Alert {
  return { ...raised, usual_cents, score: scoreOf({ ...raised, usual_cents }, forest), payments, reasons }
}

/** Of one partition, in this order; each has come out compared. */
function ledgerOf(...payments: readonly Payment[]): FraudLedger {
  const ledger = new FraudLedger([0], BEGIN_MS)
  let cents = 0
  for (const [offset, payment] of payments.entries()) {
    ledger.notePayment(at(offset), payment)
    ledger.noteCompared({ ...payment, usual_cents: offset < 5 ? null : cents / offset })
    cents += payment.cents
  }
  return ledger
}

/** What the table would have to say for the accounts to be right. */
function close(ledger: FraudLedger): Accounts {
  return closeAccounts(ledger, { rows: ledger.read().alerts, wrongRows: 0 })
}

test('the sixth within a minute is suspicious, both ends included, in whatever order they came', () => {
  const seconds = [0, 10, 20, 60, 30, 40, 60.001, 200]
  const ledger = ledgerOf(...seconds.map((second) => payment(second)))
  expect(ledger.read()).toMatchObject({ missing: 2, wrong: 0, open: 0 })
  ledger.noteAlert(alertOf(payment(60), null, 6, ['pace']))
  ledger.noteAlert(alertOf(payment(60.001), 1000, 6, ['pace']))
  const accounts = close(ledger)
  expect(accounts).toMatchObject({ in: 8, compared: 8, alerts: 2, byPace: 2, byAmount: 0, missing: 0, lost: 0 })
  expect(findProblems(accounts, 8)).toEqual([])
  expect(ledger.isComplete).toBe(true)
})

test('more than twice what the card has paid before is suspicious, from the sixth payment on', () => {
  const amounts = [1000, 9000, 2000, 1000, 2000, 6000, 7001]
  const ledger = ledgerOf(...amounts.map((cents, minute) => payment(minute * 90, { cents })))
  ledger.notePayment(at(7), payment(900))
  ledger.noteCompared({ ...payment(900), usual_cents: 28_001 / 7 })
  ledger.noteAlert(alertOf(payment(540, { cents: 7001 }), 3500, 1, ['amount']))
  expect(findProblems(close(ledger), 8)).toEqual([])
})

test('an alert is due five seconds after its payment, by the time of the partition that is behind all others', () => {
  const ledger = new FraudLedger([0, 0], BEGIN_MS)
  for (let second = 0; second < 6; second += 1) ledger.notePayment(at(second), payment(second))
  ledger.notePayment(at(6), payment(100))
  expect(ledger.read()).toMatchObject({ open: 1, missing: 0 })
  ledger.notePayment(at(0, 1), payment(10, { card: 'bob' }))
  expect(ledger.read()).toMatchObject({ open: 1, missing: 0 })
  ledger.notePayment(at(1, 1), payment(10.001, { card: 'bob' }))
  expect(ledger.read()).toMatchObject({ open: 0, missing: 1 })
})

test('what cannot be read is a dead letter, and no payment of its card', () => {
  const ledger = new FraudLedger([0], BEGIN_MS)
  ledger.notePayment(at(0), undefined)
  expect(close(ledger)).toMatchObject({ in: 1, lost: 1 })
  ledger.noteDeadLetter(at(0))
  expect(findProblems(close(ledger), 1)).toEqual([])
  expect(ledger.finished).toBe(1)
})

describe('what is not as it must be is named:', () => {
  const suspicious = [0, 1, 2, 3, 4, 5, 90].map((second) => payment(second))
  const alert = alertOf(payment(5), 1000, 6, ['pace'])

  test.each([
    ['an alert that is missing', [], '1 suspicious payments raised no alert'],
    ['an alert with another score', [{ ...alert, score: 2 }], '1 alerts say something else than the payments'],
    [
      'an alert for another reason',
      [{ ...alert, reasons: ['amount'] as const }],
      '1 alerts say something else than the payments',
    ],
    [
      'an alert without reason',
      [alert, alertOf(payment(4), null, 5, ['pace'])],
      '1 alerts say something else than the payments',
    ],
    ['an alert that came twice', [alert, alert], '1 records came out more than once'],
  ])('%s', (_, alerts: readonly Alert[], problem) => {
    const ledger = ledgerOf(...suspicious)
    for (const each of alerts) ledger.noteAlert(each)
    expect(findProblems(close(ledger), 7)).toEqual([problem])
  })

  test('a payment that was changed, and one that came twice', () => {
    const ledger = ledgerOf(payment(0), payment(1))
    ledger.notePayment(at(2), payment(2))
    ledger.noteCompared({ ...payment(2), usual_cents: 7 })
    ledger.noteCompared({ ...payment(1), usual_cents: null })
    expect(findProblems(close(ledger), 3)).toEqual([
      '1 payments are missing in a topic',
      '1 records have no payment that they could be of',
      '1 records came out more than once',
    ])
  })
})
