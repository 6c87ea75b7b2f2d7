/** What the compiler knows of the values of an Avro schema. */
import { expectTypeOf, test } from 'vitest'
import { topic, type Topic } from '../../src/index.ts'
import { avro, type AvroCodec, type AvroDuration, type Infer } from '../../src/streams/avro/avro.ts'

const order = {
  type: 'record',
  name: 'Order',
  namespace: 'com.acme',
  fields: [
    { name: 'id', type: 'long' },
    { name: 'count', type: 'int' },
    { name: 'note', type: ['null', 'string'], default: null },
    { name: 'weight', type: ['double', 'null'] },
    { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
    { name: 'exactly', type: { type: 'long', logicalType: 'timestamp-micros' } },
    { name: 'day', type: { type: 'int', logicalType: 'date' } },
    { name: 'price', type: { type: 'bytes', logicalType: 'decimal', precision: 10, scale: 2 } },
    { name: 'state', type: { type: 'enum', name: 'State', symbols: ['OPEN', 'SHIPPED'] } },
    { name: 'before', type: ['null', 'State'] },
    { name: 'hash', type: { type: 'fixed', name: 'Hash', size: 4 } },
    { name: 'span', type: { type: 'fixed', name: 'Span', size: 12, logicalType: 'duration' } },
    { name: 'known', type: { type: 'int', logicalType: 'nobody-knows' } },
    { name: 'misplaced', type: { type: 'string', logicalType: 'date' } },
    { name: 'tags', type: { type: 'array', items: 'string' } },
    { name: 'labels', type: { type: 'map', values: 'long' } },
    {
      name: 'items',
      type: {
        type: 'array',
        items: {
          type: 'record',
          name: 'Item',
          fields: [
            { name: 'sku', type: 'string' },
            { name: 'hash', type: 'Hash' },
          ],
        },
      },
    },
    {
      name: 'payment',
      type: ['null', 'string', { type: 'record', name: 'Card', fields: [{ name: 'last4', type: 'string' }] }],
    },
  ],
} as const

test('a record is an object of its fields', () => {
  expectTypeOf<Infer<typeof order>>().toEqualTypeOf<{
    id: bigint
    count: number
    note: string | null
    weight: number | null
    at: Date
    exactly: bigint
    day: string
    price: string
    state: 'OPEN' | 'SHIPPED'
    before: 'OPEN' | 'SHIPPED' | null
    hash: Uint8Array
    span: AvroDuration
    known: number
    misplaced: string
    tags: string[]
    labels: Record<string, bigint>
    items: { sku: string; hash: Uint8Array }[]
    payment: null | { string: string } | { 'com.acme.Card': { last4: string } }
  }>()
})

test('longs are numbers where the codec is told so, those of logical types too', () => {
  expectTypeOf<Infer<typeof order, readonly [], number>['id']>().toEqualTypeOf<number>()
  expectTypeOf<Infer<typeof order, readonly [], number>['exactly']>().toEqualTypeOf<number>()
})

test('names are found in the references, and a schema may hold itself', () => {
  const list = {
    type: 'record',
    name: 'com.acme.List',
    fields: [
      { name: 'order', type: 'Order' },
      { name: 'card', type: 'com.acme.Card' },
      { name: 'next', type: ['null', 'List'] },
    ],
  } as const
  type List = Infer<typeof list, readonly [typeof order]>
  expectTypeOf<List['order']['state']>().toEqualTypeOf<'OPEN' | 'SHIPPED'>()
  expectTypeOf<List['card']>().toEqualTypeOf<{ last4: string }>()
  expectTypeOf<NonNullable<NonNullable<List['next']>['next']>['card']['last4']>().toEqualTypeOf<string>()
})

test('a codec has the type of its schema, of the fields it reads, and of its longs', () => {
  expectTypeOf(avro(order)).toEqualTypeOf<AvroCodec<Infer<typeof order>>>()
  expectTypeOf(avro(order, { fields: ['id', 'state'] }).decode(new Uint8Array())).toEqualTypeOf<{
    id: bigint
    state: 'OPEN' | 'SHIPPED'
  }>()
  expectTypeOf(avro(order, { longs: 'number' }).decode(new Uint8Array()).id).toEqualTypeOf<number>()
  expectTypeOf(avro('string')).toEqualTypeOf<AvroCodec<string>>()
  // @ts-expect-error -- there is no such field
  avro(order, { fields: ['ids'] })
})

test('a schema in a file, or whose parts the compiler does not know, is given its type', () => {
  interface Order {
    readonly id: bigint
    readonly state: string
  }
  const file = new URL('order.avsc', import.meta.url)
  expectTypeOf(avro<Order>(file)).toEqualTypeOf<AvroCodec<Order>>()
  expectTypeOf(avro<Order>('{}', { fields: ['id'] })).toEqualTypeOf<AvroCodec<Order>>()
  // @ts-expect-error -- there is no such field
  avro<Order>(file, { fields: ['ids'] })
  const loose = { type: 'record', name: 'Order', fields: [] as object[] }
  expectTypeOf(avro(loose)).toEqualTypeOf<AvroCodec<unknown>>()
})

test('a reference gives its types', () => {
  const customer = { type: 'record', name: 'com.acme.Customer', fields: [{ name: 'id', type: 'long' }] } as const
  const sale = { type: 'record', name: 'com.acme.Sale', fields: [{ name: 'by', type: 'com.acme.Customer' }] } as const
  expectTypeOf(avro(sale, { references: [customer] })).toEqualTypeOf<AvroCodec<{ by: { id: bigint } }>>()
})

test('a topic has the type of its codec', () => {
  const orders = topic('orders', { value: avro(order) })
  expectTypeOf(orders).toEqualTypeOf<Topic<Infer<typeof order>, 'orders'>>()
  const ids = topic('orders', { value: avro(order, { fields: ['id'] }) })
  expectTypeOf(ids).toEqualTypeOf<Topic<{ id: bigint }, 'orders'>>()
})
