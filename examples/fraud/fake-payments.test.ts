import { createHarness } from 'troupe/testing'
import { expect, test } from 'vitest'
import compare from './compare.ts'
import { createFakePayments, type FakePayment } from './fake-payments.ts'
import { type Payment } from './flows.ts'
import { FraudLedger } from './ledger.ts'

const BEGIN_MS = Date.UTC(2026, 2, 1, 8)

function make(count: number, { brokenShare = 0.05, seed = 1 } = {}): readonly FakePayment[] {
  let nowMs = BEGIN_MS
  const makePayment = createFakePayments({ seed, brokenShare, cards: 1_250, now: () => (nowMs += 60) })
  return Array.from({ length: count }, makePayment)
}

test('the same seed makes the same payments, another one others', () => {
  expect(make(500)).toEqual(make(500))
  expect(make(500, { seed: 2 })).not.toEqual(make(500))
})

test('exactly those with a flaw are dead letters, in every way', async () => {
  const harness = createHarness(compare)
  const payments = make(4_000)
  for (const { flaw, key, timestamp, value } of payments) {
    const outcome = await harness.sendBytes(value, { key, timestamp })
    expect({ flaw, type: outcome.type }).toEqual({ flaw, type: flaw === undefined ? 'done' : 'dead-letter' })
  }
  expect(new Set(payments.flatMap(({ flaw }) => flaw ?? [])).size).toBe(13)
})

test('payments are out of order by three seconds at most, and no two of a card are of the same time', () => {
  const payments = make(20_000, { brokenShare: 0 }).map(({ value }) => JSON.parse(String(value)) as Payment)
  let latest = 0
  let delayed = 0
  for (const { at } of payments) {
    expect(latest - at).toBeLessThanOrEqual(3_000)
    if (at < latest) delayed += 1
    latest = Math.max(latest, at)
  }
  expect(delayed / 200).toBeCloseTo(2, 0)
  expect(new Set(payments.map(({ at, card }) => `${card} ${at}`)).size).toBe(payments.length)
})

test('some are suspicious, most are not', () => {
  const payments = make(20_000, { brokenShare: 0 }).map(({ value }) => JSON.parse(String(value)) as Payment)
  const ledger = new FraudLedger([0], BEGIN_MS)
  for (const [offset, payment] of payments.entries()) ledger.notePayment({ partition: 0, offset }, payment)
  const { missing, open } = ledger.read()
  expect(missing + open).toBeGreaterThan(100)
  expect(missing + open).toBeLessThan(1_000)
})
