import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { FakeBroker, openProducer, systemClock, type ProducerParts } from 'troupe/testing'
import { createIntake } from './intake.ts'
import { importOrders, orders, placeOrder, type OrderProducer } from './orders.ts'

const order = { id: 'o-1', customer: 'ann', amount: 5 }

async function opened(limits: ProducerParts<readonly []>['limits'] = {}) {
  const clock = systemClock
  const broker = new FakeBroker({ clock })
  broker.createTopic('orders', 1)
  const producer: OrderProducer = await openProducer({ broker, clock, topics: [orders] as const, limits })
  onTestFinished(() => producer.kill())
  return { broker, producer }
}

async function post(producer: OrderProducer, body: string): Promise<number> {
  const intake = createIntake(producer).listen(0, '127.0.0.1')
  await once(intake, 'listening')
  onTestFinished(() => void intake.close())
  const { port } = intake.address() as AddressInfo
  const { status } = await fetch(`http://127.0.0.1:${port}/orders`, { method: 'POST', body })
  return status
}

test('an order is placed when it is durable', async () => {
  const { broker, producer } = await opened()
  expect(await placeOrder(producer, order)).toBe('0/0')
  expect(broker.log({ topic: 'orders', partition: 0 }).records).toHaveLength(1)
})

test('an import says which orders were refused', async () => {
  const { broker, producer } = await opened()
  broker.faults.refuseRecord = ({ value }) => (Buffer.from(value!).includes('o-2') ? 'no' : null)
  const list = ['o-1', 'o-2', 'o-3'].map((id) => ({ ...order, id }))
  expect(await importOrders(producer, list)).toEqual([list[1]])
})

test('the intake answers 202, 400, 422', async () => {
  const { broker, producer } = await opened()
  expect(await post(producer, JSON.stringify(order))).toBe(202)
  expect(await post(producer, 'no order')).toBe(400)
  broker.faults.refuseRecord = () => 'too large'
  expect(await post(producer, JSON.stringify(order))).toBe(422)
})

test('and 503 while too much is pending, Kafka is away, or it stops', async () => {
  const { broker, producer } = await opened({ maxPendingRecords: 1, deliveryTimeoutMs: 500 })
  broker.faults.areBrokersAway = true
  const statuses = await Promise.all([1, 2].map(() => post(producer, JSON.stringify(order))))
  expect(statuses).toEqual([503, 503])
  await producer.stop()
  expect(await post(producer, JSON.stringify(order))).toBe(503)
})
