import { afterAll, beforeAll, expect, test } from 'vitest'
import { startEmbeddedSchemaRegistry, type EmbeddedSchemaRegistry } from 'troupe/embedded'
import { createFakeOrders, type FakeOrder } from './fake-orders.ts'
import { avroSales } from './formats.ts'
import type { ReadOrder } from './ledger.ts'
import { centsOf } from './money.ts'

const BEGIN_MS = Date.UTC(2026, 2, 1, 8)

let registry: EmbeddedSchemaRegistry
beforeAll(async () => {
  registry = await startEmbeddedSchemaRegistry()
  await avroSales.register(registry.url)
})
afterAll(() => registry.stop())

function make(count: number, seed = 1, beginMs = BEGIN_MS): readonly FakeOrder[] {
  let nowMs = beginMs
  const makeOrder = createFakeOrders({ seed, brokenShare: 0.02, now: () => (nowMs += 50) })
  return Array.from({ length: count }, makeOrder)
}

function read(order: FakeOrder): ReadOrder | undefined {
  try {
    return JSON.parse(avroSales.read(avroSales.write(order).value ?? Buffer.alloc(0))) as ReadOrder
  } catch {
    return undefined
  }
}

test('the same seed makes the same orders, another one others, another time others', () => {
  expect(make(500)).toEqual(make(500))
  expect(make(500, 2)).not.toEqual(make(500))
  const ids = new Set(make(500).map(({ key }) => key))
  expect(make(500, 1, BEGIN_MS + 3_600_000).filter(({ key }) => ids.has(key))).toEqual([])
})

test('exactly those with a flaw are broken, in every way: no Avro, or of a time that cannot be', () => {
  const orders = make(20_000)
  const isGood = (order: FakeOrder): boolean => (read(order)?.created_at ?? Infinity) <= order.timestamp
  expect(orders.filter((order) => isGood(order) !== (order.flaw === undefined))).toEqual([])
  const flaws = orders.flatMap(({ flaw }) => flaw ?? [])
  expect(flaws.length / 200).toBeCloseTo(2, 0)
  expect(new Set(flaws).size).toBe(10)
})

test('good orders are keyed by their id, add up, and are as late and as often repeated as they should be', () => {
  const orders = make(20_000).filter(({ flaw }) => flaw === undefined)
  const delays = orders.flatMap(({ key, timestamp, isRepeat, ...order }) => {
    const found = read({ ...order, key, timestamp, isRepeat })
    if (found?.order_id !== key || centsOf(found.total) <= 0) throw new Error(`not the order of ${key}`)
    return isRepeat ? [] : [timestamp - found.created_at]
  })
  const share = (count: number): number => (100 * count) / orders.length
  expect(share(delays.filter((delay) => delay > 0).length)).toBeCloseTo(2, 0)
  expect(Math.max(...delays)).toBeLessThanOrEqual(30_000)
  expect(Math.max(...delays)).toBeGreaterThan(29_000)
  const repeats = orders.filter(({ isRepeat }) => isRepeat)
  expect(share(repeats.length)).toBeCloseTo(0.1, 0)
  const first = new Map(orders.filter(({ isRepeat }) => !isRepeat).map((order) => [order.key, order]))
  for (const repeat of repeats) {
    expect(first.get(repeat.key)?.value).toEqual(repeat.value)
    expect(repeat.timestamp - (first.get(repeat.key)?.timestamp ?? 0)).toBeLessThanOrEqual(5 * 60_000)
  }
})
