import { describe, expect, test } from 'vitest'
import { defineAggregation } from '../../../src/operators/aggregation/aggregation.ts'
import { tumbling } from '../../../src/operators/windows/declared-window.ts'
import { text } from '../../../src/streams/flows/codec.ts'
import { table, topic } from '../../../src/streams/flows/flow.ts'
import { OperatorDriver } from '../../support/operator-driver.ts'

interface Order {
  readonly total: number
}

const orders = topic<Order, 'orders', string>('orders', { key: text, tombstones: true })
const totals = topic<number>('totals')
const asides = topic<unknown>('asides')
const rows = table<{ total: number }>('totals', { columns: { total: 'float8' }, key: ['total'] })
const order = (timeMs: number, key: string | null = 'a') => ({ key, timeMs, value: { total: 1 } })

const window = tumbling({ sizeMs: 100, graceMs: 20 })
const common = {
  input: orders,
  window,
  outputs: [totals, asides, rows],
} as const

const effectsOf = (driver: OperatorDriver) => driver.effects.map(({ effect }) => effect)

describe('what an aggregation sends', () => {
  test('T13 has the greatest time of its records, whenever they came, unless it has one of its own', () => {
    const aggregation = defineAggregation({
      ...common,
      values: ({ sum }) => ({ total: sum(({ total }) => total) }),
      result: ({ timeMs, values: { total } }) => [
        totals.record(timeMs),
        totals.record(timeMs, { key: 'x', timestamp: 7 }),
        rows.upsert({ total }),
      ],
    })
    const driver = new OperatorDriver(aggregation).play([order(50), order(90), order(60), order(103)]).advanceTo(120)
    expect(effectsOf(driver)).toEqual([
      totals.record(90, { timestamp: 90 }),
      totals.record(90, { key: 'x', timestamp: 7 }),
      rows.upsert({ total: 3 }),
    ])
  })

  test('comes in the order of windows over all keys, also when one record closes many', () => {
    const aggregation = defineAggregation({
      ...common,
      values: ({ count }) => ({ count: count() }),
      result: ({ key, window: { startMs } }) => [asides.record(`${key} ${startMs}`)],
    })
    const records = [order(0, 'b'), order(0, 'a'), order(110, 'a'), order(110, 'b'), order(9_000, 'c'), order(10_000)]
    const driver = new OperatorDriver(aggregation).play(records)
    const values = effectsOf(driver).map((effect) => (effect.type === 'record' ? (effect.value as unknown) : effect))
    expect(values).toEqual(['a 0', 'b 0', 'a 100', 'b 100', 'c 9000'])
  })

  test('says of each update what it follows: window, key, and which of several outputs it is', () => {
    const aggregation = defineAggregation({
      ...common,
      emit: 'updates',
      values: ({ count }) => ({ count: count() }),
      result: ({ values: { count } }) => [totals.record(count), totals.record(-count)],
    })
    const driver = new OperatorDriver(aggregation).play([order(1), order(2, 'b'), order(101), order(3)])
    const lasts = driver.effects.map(({ lastOf }) => lastOf)
    expect(new Set(lasts).size).toBe(6)
    expect(lasts.slice(6)).toEqual(lasts.slice(0, 2))
  })

  test('of records that do not count is what the definition says of them, with the time of each', () => {
    const aside = (record: { readonly reason: string }) => [asides.record(record)]
    const aggregation = defineAggregation({
      ...common,
      maxAdvanceMs: 1_000,
      values: ({ count }) => ({ count: count() }),
      result: () => [],
      late: aside,
      nullKey: aside,
      farFuture: aside,
    })
    const far = { ...order(5_000), isFarFuture: true }
    const driver = new OperatorDriver(aggregation).play([order(150), order(5), order(7, null), far])
    const told = effectsOf(driver).map((effect) =>
      effect.type === 'record' ? [effect.value as unknown, effect.options.timestamp] : effect,
    )
    const value = { total: 1 }
    expect(told).toMatchObject([
      [{ reason: 'late', key: 'a', value, timeMs: 5, window: { startMs: 0, endMs: 100 }, lateByMs: 30 }, 5],
      [{ reason: 'null-key', value, timeMs: 7 }, 7],
      [{ reason: 'far-future', key: 'a', value, timeMs: 5_000, aheadByMs: 4_850 }, 5_000],
    ])
    expect(driver.played.map((played) => played.aside)).toEqual([undefined, 'late', 'null-key', 'far-future'])
  })

  test('of records that do not count is nothing where nothing is said, but those far in the future are dead letters, and those without a time', () => {
    const aggregation = defineAggregation({ ...common, values: ({ count }) => ({ count: count() }), result: () => [] })
    const far = { ...order(5_000), isFarFuture: true }
    const driver = new OperatorDriver(aggregation).play([order(150), order(5), order(7, null), far, order(-1)])
    expect(driver.played).toMatchObject([
      { effects: [] },
      { effects: [], aside: 'late' },
      { effects: [], aside: 'null-key' },
      {
        effects: [],
        aside: 'far-future',
        deadLetter: expect.stringContaining('is 4850 ms ahead of stream time') as string,
      },
      { effects: [], deadLetter: 'the record has no time, so it belongs to no window' },
    ])
  })

  test('is refused where it is no list', () => {
    const aggregation = defineAggregation({
      ...common,
      emit: 'updates',
      values: ({ count }) => ({ count: count() }),
      result: () => totals.record(1) as never,
    })
    expect(() => new OperatorDriver(aggregation).play([order(1)])).toThrow('result() has to return a list of outputs')
  })

  test('a record is late by its own source, and no window opens twice where that was behind', () => {
    const aggregation = defineAggregation({ ...common, values: ({ count }) => ({ count: count() }), result: () => [] })
    const driver = new OperatorDriver(aggregation).play([
      { ...order(50), sourceTimeMs: 119 },
      { ...order(51), sourceTimeMs: 120 },
      { ...order(130), sourceTimeMs: 130 },
      { ...order(52), sourceTimeMs: 60 },
    ])
    expect(driver.played.filter(({ of }) => of === 'record').map(({ aside }) => aside)).toEqual([
      undefined,
      'late',
      undefined,
      'late',
    ])
  })
})
