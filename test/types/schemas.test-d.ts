/** What `troupe schemas generate` writes is what the codec reads and writes: `Infer` says the same of the schemas. */
import { expectTypeOf, test } from 'vitest'
import { clickSchema, type Click } from '../../schemas/click.ts'
import { enrichedOrderSchema, type EnrichedOrder } from '../../schemas/enriched-order.ts'
import { orderSchema, type Order } from '../../schemas/order.ts'
import { salesAggregateSchema, type SalesAggregate } from '../../schemas/sales-aggregate.ts'
import { sensorReadingSchema, type SensorReading } from '../../schemas/sensor-reading.ts'
import type { Infer } from '../../src/streams/avro/infer.ts'
import { everythingSchema, type Everything } from '../schemas/fixtures/everything.ts'

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
