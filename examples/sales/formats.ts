/** How orders and sales look in Kafka. */
import { orderSchema } from '../../schemas/order.ts'
import { salesAggregateSchema } from '../../schemas/sales-aggregate.ts'
import { avroFormat } from '../pipeline/formats.ts'
import { lateOrders, orders, salesAggregates, uniqueOrders } from './flows.ts'

export const avroSales = avroFormat(
  [
    { topic: orders.name, schema: orderSchema },
    { topic: uniqueOrders.name, schema: orderSchema },
    { topic: lateOrders.name, schema: orderSchema },
    { topic: salesAggregates.name, schema: salesAggregateSchema },
  ],
  async () => (await import('./sales.ts')).default,
)
