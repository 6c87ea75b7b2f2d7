import { deadLetter, defineHandler, done } from 'troupe'
import { createHarness } from 'troupe/testing'
import { expect, test } from 'vitest'
import callback from './callback.ts'
import ofClass, { OrderHandler } from './class.ts'
import { receipts, type Order } from './flows.ts'
import middleware from './middleware.ts'

const order: Order = { id: 'o-1', customer: 'c-1', cents: 1250 }

test.each([
  ['callback', createHarness(callback)],
  ['middleware', createHarness(middleware)],
  ['class', createHarness(ofClass)],
])('%s: the three styles are one handler', async (_, harness) => {
  const send = (change: Partial<Order>) => harness.send({ ...order, ...change }, { key: 'c-1' })
  expect(await send({})).toEqual(done([receipts.record({ ...order, name: 'Ada' }, { key: 'c-1' })]))
  expect(await send({ customer: 'c-9' })).toEqual(deadLetter('no customer c-9'))
  expect(await send({ cents: 0.5 })).toEqual(deadLetter('no amount: 0.5'))
})

test('a class is given what it depends on', async () => {
  const customers = { nameOf: (id: string) => Promise.resolve(`the customer ${id}`) }
  const harness = createHarness(defineHandler(new OrderHandler(customers)))
  expect(await harness.send(order, { key: 'c-1' })).toEqual(
    done([receipts.record({ ...order, name: 'the customer c-1' }, { key: 'c-1' })]),
  )
})
