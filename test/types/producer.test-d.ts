/** What may be given to a producer is what its topics take. */
import { expectTypeOf, test } from 'vitest'
import { startProducer, topic, type DeliveryReport } from 'troupe'

interface Order {
  readonly id: string
}
const orders = topic<Order, 'orders'>('orders')
const ends = topic<string, 'ends'>('ends', { tombstones: true })
const clicks = topic<number, 'clicks'>('clicks')

test('records of its topics, and no others', async () => {
  const producer = await startProducer({ kafka: { brokers: 'a:1' }, topics: [orders, ends] })
  expectTypeOf(producer.send(orders.record({ id: 'a' }, { key: 'k' }))).resolves.toEqualTypeOf<DeliveryReport>()
  await producer.sendAll([orders.record({ id: 'a' }), ends.record(null)])
  // @ts-expect-error -- another topic's
  await producer.send(clicks.record(5))
  // @ts-expect-error -- another value
  await producer.send(orders.record({ name: 'a' }))
  // @ts-expect-error -- a value is no record
  await producer.send({ id: 'a' })
})

test('options that there are, and no others', () => {
  void startProducer({ topics: [orders], kafka: { brokers: ['a:1'], groupId: 'g' }, producer: { retries: 3 } })
  // @ts-expect-error -- fewer acks
  void startProducer({ topics: [orders], kafka: { brokers: ['a:1'] }, producer: { acks: 1 } })
  // @ts-expect-error -- no topics
  void startProducer({ kafka: { brokers: ['a:1'] } })
})
