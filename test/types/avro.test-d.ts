/** What the compiler knows of the values of an Avro schema. */
import { expectTypeOf, test } from 'vitest'
import type { AvroDuration } from '../../src/streams/avro/type-mapping.ts'
import type { Infer } from '../../src/streams/avro/infer.ts'

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
