import { deadLetter, done } from 'troupe'
import { createHarness } from 'troupe/testing'
import { expect, test } from 'vitest'
import pay, { amounts } from './payments.ts'

const harness = createHarness(pay)
const payment = { id: 9_007_199_254_740_993n, amount: '12.30', at: new Date('2026-03-01T17:45:00Z'), note: null }

test('a payment in Avro is handled', async () => {
  expect(await harness.send(payment, { key: 'ada' })).toEqual(done([amounts.record('12.30', { key: 'ada' })]))
})

test('so is one that was written as JSON', async () => {
  const before = Buffer.from('{"id":7,"amount":"12.30","at":"2026-03-01T17:45:00Z"}')
  expect(await harness.sendBytes(before, { key: 'ada' })).toEqual(done([amounts.record('12.30', { key: 'ada' })]))
})

test('what is neither is a dead letter', async () => {
  expect(await harness.sendBytes(Buffer.from('{"id":"seven"}'))).toEqual(
    deadLetter(expect.stringContaining('id: ') as never),
  )
})
