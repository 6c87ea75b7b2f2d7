import { deadLetter, done } from 'troupe'
import { createHarness } from 'troupe/testing'
import { expect, test } from 'vitest'
import compare from './compare.ts'
import { comparedPayments, type Payment } from './flows.ts'

const payment: Payment = {
  payment_id: 'p1',
  card: 'ann',
  cents: 1000,
  merchant: 'M-1',
  country: 'DE',
  at: 1_769_860_800_000,
}

test('a card that has paid five times is known, and what it paid before is what is usual', async () => {
  const harness = createHarness(compare)
  const amounts = [1000, 2000, 3000, 4000, 5000, 30_000, 100]
  const usual = [null, null, null, null, null, 3000, 7500]
  for (const [index, cents] of amounts.entries()) {
    expect(await harness.send({ ...payment, cents, at: payment.at + index }, { key: 'ann' })).toMatchObject({
      effects: [{ value: { cents, usual_cents: usual[index] } }],
    })
  }
})

test('a payment is passed on as it came, with its time, and nothing is learnt of another card', async () => {
  const harness = createHarness(compare)
  expect(await harness.send(payment, { key: 'ann' })).toEqual(
    done([comparedPayments.record({ ...payment, usual_cents: null }, { key: 'ann', timestamp: payment.at })]),
  )
  expect(await harness.send(payment, { key: 'bob' })).toEqual(deadLetter('of card ann under key bob'))
  expect(harness.state('paid').get('bob')).toBeUndefined()
})
