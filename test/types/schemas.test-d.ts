/** What `troupe schemas generate` writes is what the codec reads and writes: `Infer` says the same of the schemas. */
import { expectTypeOf, test } from 'vitest'
import type { clickSchema, Click } from '../../schemas/click.ts'
import type { enrichedOrderSchema, EnrichedOrder } from '../../schemas/enriched-order.ts'
import type { orderSchema, Order } from '../../schemas/order.ts'
import type { salesAggregateSchema, SalesAggregate } from '../../schemas/sales-aggregate.ts'
import type { sensorReadingSchema, SensorReading } from '../../schemas/sensor-reading.ts'
import type { Infer } from '../../src/streams/avro/infer.ts'
import type { everythingSchema, Everything } from '../schemas/fixtures/everything.ts'

test('generated types are those that are inferred', () => {
  expectTypeOf<Infer<typeof clickSchema>>().toEqualTypeOf<Click>()
  expectTypeOf<Infer<typeof orderSchema>>().toEqualTypeOf<Order>()
  expectTypeOf<Infer<typeof enrichedOrderSchema>>().toEqualTypeOf<EnrichedOrder>()
  expectTypeOf<Infer<typeof salesAggregateSchema>>().toEqualTypeOf<SalesAggregate>()
  expectTypeOf<Infer<typeof sensorReadingSchema>>().toEqualTypeOf<SensorReading>()
})

test('so they are of every kind of type', () => {
  expectTypeOf<Infer<typeof everythingSchema>>().toEqualTypeOf<Everything>()
})
