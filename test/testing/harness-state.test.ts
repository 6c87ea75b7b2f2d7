import { expect, expectTypeOf, test } from 'vitest'
import { defineBatchHandler } from '../../src/actors/handlers/batch-handler.ts'
import { deadLetter, defineHandler, done, retry, skip } from '../../src/actors/handlers/handler.ts'
import { state } from '../../src/state/declared-state.ts'
import { json, text } from '../../src/streams/flows/codec.ts'
import { topic } from '../../src/streams/flows/flow.ts'
import { createHarness } from '../../src/testing/harness.ts'

interface Payment {
  amount: number
}

const payments = topic('payments', { value: json<Payment>(), key: text })
const alerts = topic<{ total: number }>('alerts', { value: json() })

const handler = defineHandler({
  input: payments,
  outputs: [alerts],
  state: { last: state<Payment>({ ttlMs: 1_000 }), total: state<number>({ initial: () => 0 }) },
  handle(payment, { state: { last, total } }) {
    expectTypeOf(last.get()).toEqualTypeOf<Payment | undefined>()
    expectTypeOf(total.get()).toEqualTypeOf<number>()
    last.set(payment)
    const sum = total.update((before) => before + payment.amount)
    if (payment.amount === 0) return skip()
    if (payment.amount < 0) return deadLetter('negative')
    if (payment.amount === 13) return retry()
    if (payment.amount === 14) throw new Error('boom')
    return done(sum >= 100 ? [alerts.record({ total: sum })] : [])
  },
})

test('a handler under test keeps state by key, and a test can read it', async () => {
  const harness = createHarness(handler)
  expect(await harness.send({ amount: 60 }, { key: 'ann' })).toEqual(done())
  expect(await harness.send({ amount: 50 }, { key: 'bob' })).toEqual(done())
  expect(await harness.send({ amount: 40 }, { key: 'ann' })).toEqual(done([alerts.record({ total: 100 })]))
  expect(harness.state('total').get('ann')).toBe(100)
  expect(harness.state('last').get('bob')).toEqual({ amount: 50 })
  expect(harness.state('total').get('nobody')).toBeUndefined()
  expect(harness.state('total').get('ann', { partition: 1 })).toBeUndefined()
  await harness.close()
})

test('what failed left no trace, and what was skipped did', async () => {
  const harness = createHarness(handler)
  await harness.send({ amount: 13 }, { key: 'ann' })
  await harness.send({ amount: -1 }, { key: 'ann' })
  await expect(harness.send({ amount: 14 }, { key: 'ann' })).rejects.toThrow('boom')
  expect(harness.state('total').get('ann')).toBeUndefined()
  await harness.send({ amount: 0 }, { key: 'ann' })
  expect(harness.state('total').get('ann')).toBe(0)
})

test('a record without a key fails when its state is asked for', async () => {
  const harness = createHarness(handler)
  await expect(harness.send({ amount: 1 })).rejects.toMatchObject({ code: 'STATE_INVALID' })
})

test('what is older than its ttlMs by stream time is gone, of records and of advanceTo', async () => {
  const harness = createHarness(handler)
  await harness.send({ amount: 1 }, { key: 'ann', timestamp: 5_000 })
  await harness.send({ amount: 1 }, { key: 'bob', timestamp: 5_999 })
  expect(harness.state('last').get('ann')).toEqual({ amount: 1 })
  harness.advanceTo(6_000)
  expect([harness.state('last').get('ann'), harness.state('last').get('bob')]).toEqual([undefined, { amount: 1 }])
  expect(harness.state('total').get('ann')).toBe(1)
})

test('a state that the handler does not declare is named', () => {
  const harness = createHarness(handler)
  expect(() => harness.state('sum').get('ann')).toThrow('the handler declares no state sum; there are last, total')
})

test('a batch handler sees in a call what earlier records of the key have set', async () => {
  const harness = createHarness(
    defineBatchHandler({
      input: payments,
      state: { total: state<number>({ initial: () => 0 }) },
      handle: (records) =>
        records.map(({ state: { total }, value }) => {
          total.update((before) => before + value.amount)
          return value.amount < 0 ? deadLetter('negative') : done()
        }),
    }),
  )
  const keys = [{ key: 'ann' }, { key: 'ann' }, { key: 'bob' }]
  await harness.sendAll([{ amount: 1 }, { amount: 2 }, { amount: -3 }], keys)
  expect([harness.state('total').get('ann'), harness.state('total').get('bob')]).toEqual([3, undefined])
})
