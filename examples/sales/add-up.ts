/** The second: what each region sells in each minute, by currency. */
import { defineAggregation, tumbling } from 'troupe'
import { GRACE_MS, MINUTE_MS, lateOrders, salesAggregates, salesTable, uniqueOrders } from './flows.ts'
import { amountOf, centsOf } from './money.ts'

export default defineAggregation({
  input: uniqueOrders,
  by: ({ currency, region }) => `${region} ${currency}`, // not the record's key: through a topic of its own
  window: tumbling({ sizeMs: MINUTE_MS, graceMs: GRACE_MS }),
  markEveryMs: 5_000, // time goes much faster than the clock here: told every second, it would be more than the orders
  values: ({ count, first, max, sum }) => ({
    market: first(({ currency, region }) => ({ currency, region })),
    orders: count(),
    cents: sum(({ total }) => centsOf(total)),
    largestCents: max(({ total }) => centsOf(total)),
  }),
  outputs: [salesAggregates, salesTable, lateOrders],
  result({ key, values: { cents, largestCents, market, orders }, window }) {
    const sales = {
      ...market,
      minute: new Date(window.startMs),
      orders,
      total: amountOf(cents),
      largest: amountOf(largestCents),
    }
    return [salesAggregates.record({ ...sales, orders_by_tier: {} }, { key }), salesTable.upsert(sales)]
  },
  late: ({ lateByMs, value }) => [
    lateOrders.record(value, { key: value.order_id, headers: { 'late-by-ms': String(lateByMs) } }),
  ],
})
