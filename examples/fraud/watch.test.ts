import { createHarness } from 'troupe/testing'
import { expect, test } from 'vitest'
import { alertTable, fraudAlerts, type ScoredPayment } from './flows.ts'
import watch from './watch.ts'

const BEGIN_MS = Date.UTC(2026, 2, 1, 8)

function payment(seconds: number, cents = 1000): ScoredPayment {
  const at = BEGIN_MS + seconds * 1000
  const what = { payment_id: `p${String(seconds)}`, card: 'ann', cents, merchant: 'M-1', country: 'DE', at }
  return { ...what, usual_cents: 1000, score: 0.5 }
}

test('the sixth payment within any minute, and one of more than twice the usual, raise an alert five seconds later', async () => {
  const harness = createHarness(watch)
  const send = async (each: ScoredPayment): ReturnType<typeof harness.send> =>
    await harness.send(each, { key: 'ann', timestamp: each.at })
  for (const seconds of [50, 70, 80, 90, 110, 55]) expect((await send(payment(seconds))).outputs).toEqual([])
  const sixth = { ...payment(110), payments: 6, reasons: ['pace' as const] }
  expect((await send(payment(115.001, 2001))).outputs).toMatchObject([
    fraudAlerts.record(sixth, { key: 'ann' }),
    alertTable.upsert({ ...sixth, at: new Date(sixth.at), reasons: 'pace' }),
  ])
  const large = { ...payment(115.001, 2001), payments: 5, reasons: ['amount' as const] }
  expect((await harness.advanceTo(BEGIN_MS + 200_000)).outputs).toMatchObject([
    fraudAlerts.record(large, { key: 'ann' }),
    alertTable.upsert({ ...large, at: new Date(large.at), reasons: 'amount' }),
  ])
})
