/** Orders of a topic, searchable. `troupe run examples/sinks/http-bulk/app.ts` */
import { defineApp, defineHandler, done, table, topic } from 'troupe'
import { elasticsearch } from './bulk-api.ts'
import { httpBulkSink } from './http-bulk-sink.ts'

interface Order {
  readonly id: string
  readonly amount: number
}

const orders = topic<Order>('orders')
const ordersIndex = table<Order>('orders', {
  sink: 'search',
  columns: { id: 'keyword', amount: 'double' },
  key: ['id'],
})

const index = defineHandler({
  input: orders,
  outputs: [ordersIndex],
  handle: (order) => done([ordersIndex.upsert(order)]),
})

export default defineApp({
  kafka: { brokers: process.env['KAFKA_BROKERS'] ?? 'localhost:9092', groupId: 'orders-to-search' },
  actors: [{ handler: index, deadLetter: 'orders_dlq' }],
  sinks: { search: httpBulkSink({ url: process.env['SEARCH_URL'] ?? 'http://localhost:9200', api: elasticsearch }) },
})
