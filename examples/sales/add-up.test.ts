import { createHarness } from 'troupe/testing'
import { expect, test } from 'vitest'
import type { Order } from '../../schemas/order.ts'
import addUp from './add-up.ts'
import { lateOrders, orders, salesAggregates, salesTable, uniqueOrders } from './flows.ts'
import removeRepeats from './remove-repeats.ts'

const BEGIN_MS = Date.UTC(2026, 2, 1, 8)
const key = 'north EUR'

function order(number: number, seconds: number, total = '10.00'): Order {
  return {
    order_id: `00000000-0000-7000-a000-00000000000${String(number)}`,
    ...{ customer_id: 1n, region: 'north', items: [], total, currency: 'EUR', coupon: null },
    created_at: new Date(BEGIN_MS + seconds * 1000),
  }
}

test('a minute comes out once, exact, ten seconds after its end; what comes after that is told as late', async () => {
  const harness = createHarness(addUp)
  const late = order(4, 59)
  for (const [number, seconds, total] of [
    [0, 3, '0.10'],
    [1, 61, '7.00'],
    [2, 50, '0.20'],
  ] as const) {
    expect((await harness.send(order(number, seconds, total), { key })).outputs).toEqual([])
  }
  const sales = {
    region: 'north',
    currency: 'EUR',
    minute: new Date(BEGIN_MS),
    orders: 2,
    total: '0.30',
    largest: '0.20',
  }
  expect((await harness.send(order(3, 70), { key })).outputs).toMatchObject([
    salesAggregates.record({ ...sales, orders_by_tier: {} }, { key }),
    salesTable.upsert(sales),
  ])
  expect(await harness.send(late, { key })).toMatchObject({
    aside: 'late',
    outputs: [lateOrders.record(late, { key: late.order_id, headers: { 'late-by-ms': '0' } })],
  })
})

test('an order passes once within ten minutes; one of a time that cannot be is a dead letter, and is none of the others’ time', async () => {
  const harness = createHarness(removeRepeats)
  const first = order(0, 0)
  const send = async (value: Order): ReturnType<typeof harness.send> =>
    await harness.send(value, { key: value.order_id })
  expect((await send(first)).outputs).toMatchObject([uniqueOrders.record(first, { key: first.order_id })])
  expect((await send(order(1, 3e9))).deadLetter).toMatch(/ahead/)
  expect(await send(first)).toMatchObject({ aside: 'duplicate', outputs: [] })
  expect((await send(order(2, 1))).outputs).toHaveLength(1)
  expect(removeRepeats.inputs).toEqual([orders])
})
