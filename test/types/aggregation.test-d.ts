/** What an aggregation infers is API: users write no type of their own. */
import { expectTypeOf, test } from 'vitest'
import {
  count,
  defineAggregation,
  hopping,
  session,
  sum,
  table,
  text,
  topic,
  tumbling,
  type Aggregation,
  type Window,
} from '../../src/index.ts'

interface Order {
  readonly region: string
  readonly total: number
  readonly cents: bigint
  readonly discount: number | null
  readonly coupon?: string
  readonly note: { readonly by: string }
}

interface Sales {
  readonly total: number
  readonly orders: number
}

const orders = topic<Order>('orders')
const sales = topic<Sales>('sales')
const lateOrders = topic<Order, 'late-orders'>('late-orders')
const rows = table<Sales>('sales', { columns: { total: 'float8', orders: 'bigint' }, key: ['total'] })

test('values have the types of what they select, and result those of the values', () => {
  const aggregation = defineAggregation({
    input: orders,
    by: (order) => order.region,
    window: tumbling({ sizeMs: 60_000, graceMs: 10_000 }),
    values: ({ average, collect, count, first, last, max, min, reduce, sum }) => ({
      orders: count(),
      coupons: count((order) => order.coupon),
      total: sum((order) => order.total),
      cents: sum((order) => order.cents),
      discount: sum((order) => order.discount),
      mean: average((order) => order.total),
      meanDiscount: average((order) => order.discount),
      largest: max((order) => order.total),
      firstRegion: min((order) => order.region),
      notes: collect((order) => order.note),
      coupon: first((order) => order.coupon),
      lastNote: last((order) => order.note),
      regions: reduce({ initial: () => new Set<string>(), add: (set, order) => set.add(order.region) }),
    }),
    outputs: [sales, rows, lateOrders],
    result: ({ key, timeMs, values, window }) => {
      expectTypeOf(key).toEqualTypeOf<string>()
      expectTypeOf(window).toEqualTypeOf<Window>()
      expectTypeOf(timeMs).toEqualTypeOf<number>()
      expectTypeOf(values).toEqualTypeOf<{
        readonly orders: number
        readonly coupons: number
        readonly total: number
        readonly cents: bigint
        readonly discount: number | null
        readonly mean: number
        readonly meanDiscount: number | null
        readonly largest: number
        readonly firstRegion: string
        readonly notes: { readonly by: string }[]
        readonly coupon: string | null
        readonly lastNote: { readonly by: string }
        readonly regions: Set<string>
      }>()
      return [sales.record(values, { key }), rows.upsert(values)]
    },
    late: ({ key, lateByMs, reason, value, window }) => {
      expectTypeOf(key).toEqualTypeOf<string>()
      expectTypeOf(value).toEqualTypeOf<Order>()
      expectTypeOf(reason).toEqualTypeOf<'late'>()
      expectTypeOf(lateByMs).toEqualTypeOf<number>()
      expectTypeOf(window).toEqualTypeOf<Window>()
      return [lateOrders.record(value)]
    },
    nullKey: ({ value }) => [lateOrders.record(value)],
  })
  expectTypeOf(aggregation).toEqualTypeOf<Aggregation>()
})

test('without `by` the key is that of the topic, and a tombstone counts nowhere', () => {
  const keyed = topic<Order, 'keyed', string>('keyed', { key: text, tombstones: true })
  defineAggregation({
    input: keyed,
    window: hopping({ sizeMs: 10, advanceMs: 5 }),
    values: ({ sum }) => ({ total: sum((order) => order.total) }),
    outputs: [sales],
    result: ({ key, values }) => {
      expectTypeOf(key).toEqualTypeOf<string>()
      return [sales.record({ ...values, orders: 1 }, { key })]
    },
  })
  defineAggregation({
    input: orders,
    values: ({ count }) => ({ orders: count() }),
    result: ({ key, window }) => {
      expectTypeOf(key).toEqualTypeOf<Uint8Array>()
      expectTypeOf(window).toEqualTypeOf<null>()
      return []
    },
  })
})

test('values written as an object say what they are of', () => {
  defineAggregation({
    input: orders,
    window: tumbling({ sizeMs: 10 }),
    values: { orders: count(), total: sum((order: Order) => order.total) },
    outputs: [sales],
    result: ({ values }) => {
      expectTypeOf(values).toEqualTypeOf<{ readonly orders: number; readonly total: number }>()
      return [sales.record(values)]
    },
  })
  defineAggregation({
    input: orders,
    // @ts-expect-error -- of something else
    values: { orders: count(), total: sum((click: { readonly user: number }) => click.user) },
    result: () => [],
  })
})

test('what `prepare` returns is what everything behind it gets', () => {
  defineAggregation({
    input: orders,
    setup: () => Promise.resolve({ model: 7 }),
    prepare: (order, { setup }) => {
      expectTypeOf(order).toEqualTypeOf<Order>()
      expectTypeOf(setup).toEqualTypeOf<{ model: number }>()
      return Promise.resolve({ score: order.total * setup.model, card: 5 })
    },
    by: (scored) => scored.card,
    window: session({ gapMs: 10 }),
    values: ({ max }) => ({ score: max((scored) => scored.score) }),
    emit: 'updates',
    outputs: [sales],
    result: ({ key, values }) => {
      expectTypeOf(key).toEqualTypeOf<number>()
      return [sales.record({ total: values.score, orders: 1 }, { key })]
    },
    merged: ({ key, window }) => {
      expectTypeOf(key).toEqualTypeOf<number>()
      return [sales.record({ total: window.startMs, orders: 0 }, { key })]
    },
  })
})

test('an output that is not listed does not compile', () => {
  defineAggregation({
    input: orders,
    window: tumbling({ sizeMs: 10 }),
    values: ({ count }) => ({ orders: count() }),
    outputs: [sales],
    result: ({ values }) => [sales.record({ ...values, total: 1 })],
    // @ts-expect-error -- not among the outputs
    late: ({ value }) => [lateOrders.record(value)],
  })
  defineAggregation({
    input: orders,
    values: ({ sum }) => ({
      // @ts-expect-error -- no number
      total: sum((order) => order.note),
    }),
    result: () => [],
  })
})
