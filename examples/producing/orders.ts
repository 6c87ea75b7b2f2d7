import { startProducer, topic, type Producer } from 'troupe'

export interface Order {
  readonly id: string
  readonly customer: string
  readonly amount: number
}

export const orders = topic<Order, 'orders'>('orders')
export type OrderProducer = Producer<readonly [typeof orders]>

export async function openOrders(brokers: readonly string[]): Promise<OrderProducer> {
  return await startProducer({
    kafka: { brokers, clientId: 'shop' },
    topics: [orders],
    producer: { compression: 'lz4' },
    deliveryTimeoutMs: 10_000, // who waits for an answer wants one before its own time-out
  })
}

/** One record: resolves when it is durable, and says where it stands. */
export async function placeOrder(producer: OrderProducer, order: Order): Promise<string> {
  const { partition, offset } = await producer.send(orders.record(order, { key: order.customer }))
  return `${partition}/${offset}`
}

/** Many at once: one await for all, or one answer for each. */
export async function importOrders(producer: OrderProducer, list: readonly Order[]): Promise<readonly Order[]> {
  const records = list.map((order) => orders.record(order, { key: order.customer }))
  const answers = await Promise.allSettled(records.map((record) => producer.send(record)))
  return list.filter((_, at) => answers[at]!.status === 'rejected')
}
