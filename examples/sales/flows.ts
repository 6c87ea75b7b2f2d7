/** The pipeline's topics and its table, on Avro, typed. */
import { table, text, topic } from 'troupe'
import { avro } from 'troupe/avro'
import { orderSchema, type Order } from '../../schemas/order.ts'
import { salesAggregateSchema } from '../../schemas/sales-aggregate.ts'

export const MINUTE_MS = 60_000
/** So long after its end a minute takes orders that come late: fewer than there are. */
export const GRACE_MS = 10_000
/** So long an order is known by its id. */
export const REPEATED_WITHIN_MS = 10 * MINUTE_MS
/** An order that is further ahead of all before it than this is one with a wrong clock. */
export const MAX_ADVANCE_MS = 30 * 24 * 60 * MINUTE_MS

const createdAt = ({ created_at }: Order): number => created_at.getTime()

/** Keys are the order's id. */
export const orders = topic('orders', { key: text, value: avro(orderSchema), time: createdAt })

/** The same, each once. */
export const uniqueOrders = topic('unique_orders', { key: text, value: avro(orderSchema), time: createdAt })

/** Those that came too late to count. */
export const lateOrders = topic('late_orders', { key: text, value: avro(orderSchema) })

/** Keys are what is added up together: a region, and one of its currencies. */
export const salesAggregates = topic('sales_aggregates', {
  key: text,
  value: avro(salesAggregateSchema, { longs: 'number' }),
})

export interface SalesRow {
  readonly region: string
  readonly minute: Date
  readonly currency: string
  readonly orders: number
  readonly total: string
  readonly largest: string | null
}

export const salesTable = table<SalesRow>('sales_aggregates', {
  columns: {
    region: 'text',
    minute: 'timestamptz',
    currency: 'text',
    orders: 'bigint',
    total: 'numeric',
    largest: 'numeric',
  },
  key: ['region', 'minute', 'currency'],
})

export const deadLetterTopic = 'orders_dlq'
