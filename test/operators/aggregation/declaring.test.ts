import { describe, expect, test } from 'vitest'
import { defineAggregation } from '../../../src/operators/aggregation/aggregation.ts'
import { average, count, first, max, reduce, sum } from '../../../src/operators/values/value.ts'
import { hopping, session, sliding, tumbling } from '../../../src/operators/windows/declared-window.ts'
import { text } from '../../../src/streams/flows/codec.ts'
import { topic } from '../../../src/streams/flows/flow.ts'
import { OperatorDriver } from '../../support/operator-driver.ts'

interface Order {
  readonly total: unknown
}

const orders = topic<Order, 'orders', string>('orders', { key: text })
const totals = topic<unknown>('totals')
const fine = {
  input: orders,
  window: tumbling({ sizeMs: 10 }),
  values: { orders: count() },
  result: () => [],
}
const addition = { initial: () => 0, add: (whole: number) => whole + 1 }

describe('a window', () => {
  test.for([
    [() => tumbling(null as never), /tumbling\(\): the options are null, which is no object/],
    [() => tumbling({} as never), /sizeMs: undefined is no whole number of milliseconds, 1 or more/],
    [
      () => tumbling({ sizeMs: 0, graceMs: -1 }),
      /sizeMs: 0 is no .*; graceMs: -1 is no whole number of milliseconds, 0 or more/,
    ],
    [() => tumbling({ sizeMs: 1, grace: 1 } as never), /grace: unknown, did you mean graceMs\?/],
    [
      () => hopping({ sizeMs: 10, advanceMs: 11 }),
      /advanceMs: 11 is more than sizeMs, 10: records between two windows would be in none/,
    ],
    [() => hopping({ sizeMs: 86_400_000, advanceMs: 1_000 }), /each record would be in 86400 windows/],
    [() => sliding({ sizeMs: 1.5 }), /sizeMs: 1.5 is no whole number/],
    [() => session({ gapMs: 0 }), /session\(\): gapMs: 0 is no whole number of milliseconds, 1 or more/],
  ] as const)('is refused with what is wrong with it: %#', ([make, message]) => {
    expect(make).toThrow(message)
    expect(make).toThrow(expect.objectContaining({ code: 'OPTIONS_INVALID' }))
  })
})

describe('an aggregation', () => {
  test.for([
    [null, /the definition is null, which is no object/],
    [{ ...fine, input: 'orders' }, /input: 'orders' is no topic; make one with topic\(\)/],
    [{ ...fine, window: tumbling }, /window: tumbling is a function: write tumbling\(\{ … \}\)/],
    [
      { ...fine, window: 5 },
      /window: 5 is no window; make one with tumbling\(\), hopping\(\), sliding\(\) or session\(\)/,
    ],
    [{ ...fine, values: {} }, /values: there is none in it: write \{ orders: count\(\) \}/],
    [{ ...fine, values: { 'a:b': count() } }, /values: 'a:b' is no name of a value/],
    [{ ...fine, values: { orders: count } }, /values\.orders: count is a function: write count\(…\)/],
    [{ ...fine, values: () => ({ orders: 5 }) }, /values\.orders: 5 is no value; make one with count\(\)/],
    [
      { ...fine, window: session({ gapMs: 5 }), values: { own: reduce(addition) } },
      /values\.own: reduce\(\) needs merge with session\(\)/,
    ],
    [{ ...fine, window: sliding({ sizeMs: 5 }), values: { own: reduce(addition) } }, /needs merge with sliding\(\)/],
    [{ ...fine, emit: 'last' }, /emit: 'last' is neither 'final' nor 'updates'/],
    [{ ...fine, window: undefined, emit: 'final' }, /emit: without windows nothing is ever final/],
    [{ ...fine, ttlMs: 5 }, /ttlMs: windows are gone when they are closed/],
    [{ ...fine, window: session({ gapMs: 5 }), emit: 'updates' }, /merged: sessions with emit 'updates' need it/],
    [{ ...fine, merged: () => [] }, /merged: only sessions with emit 'updates' call it/],
    [{ ...fine, result: undefined }, /result: undefined is no function/],
    [{ ...fine, farFuture: () => [] }, /farFuture: it means nothing without maxAdvanceMs/],
    [{ ...fine, setup: () => 5 }, /setup: it means nothing without prepare/],
    [{ ...fine, window: undefined, late: () => [] }, /late: it means nothing without window/],
    [
      { ...fine, outputs: [5], grace: 1, maxAdvanceMs: 0 },
      /maxAdvanceMs: 0 is no .*; outputs\[0\]: 5 is no topic and no table; grace: unknown/,
    ],
    [{ ...fine, handle: () => [] }, /handle: unknown/],
  ] as const)('is refused with everything that is wrong with it: %#', ([definition, message]) => {
    expect(() => defineAggregation(definition as never)).toThrow(message)
    expect(() => defineAggregation(definition as never)).toThrow(expect.objectContaining({ code: 'OPTIONS_INVALID' }))
  })

  test.for([
    [() => sum(5 as never), /sum\(\): 5 is no function that selects what counts: write \(value\) => …/],
    [
      () => reduce({ initial: 0, ad: 1 } as never),
      /initial: 0 is no function; add: undefined is no function; ad: unknown, did you mean add\?/,
    ],
  ] as const)('is made of values that say what is wrong with them: %#', ([make, message]) => {
    expect(make).toThrow(message)
  })

  test('is another one to its changelog where a stored window would mean something else, and only there', () => {
    const shapeOf = (changes: object) => defineAggregation({ ...fine, ...changes } as never).states[0]?.codec.name
    expect(shapeOf({})).toBe('tumbling 10 of orders:count')
    const others = [
      { window: tumbling({ sizeMs: 11 }) },
      { window: tumbling({ sizeMs: 10, offsetMs: 3 }) },
      { window: hopping({ sizeMs: 10, advanceMs: 5 }) },
      { window: sliding({ sizeMs: 10 }) },
      { window: session({ gapMs: 10 }) },
      { window: undefined },
      { values: { number: count() } },
      { values: { orders: sum(() => 1) } },
      { values: { orders: count(), total: sum(() => 1) } },
    ]
    expect(new Set(['tumbling 10 of orders:count', ...others.map(shapeOf)]).size).toBe(others.length + 1)
    expect(shapeOf({ window: tumbling({ sizeMs: 10, graceMs: 7, offsetMs: 20 }) })).toBe(shapeOf({}))
    const [a, b] = [count(), max(() => 1)]
    expect(shapeOf({ values: { a, b } })).toBe(shapeOf({ values: { b, a } }))
  })
})

const playedWith = (values: object, totals: readonly unknown[]) => {
  const aggregation = defineAggregation({ ...fine, values } as never)
  return new OperatorDriver(aggregation).play(totals.map((total) => ({ key: 'a', timeMs: 1, value: { total } })))
}
const select = ({ total }: Order) => total as number

describe('a value', () => {
  test.for([
    [{ total: sum(select) }, [NaN], 'values.total (sum): NaN is no finite number'],
    [{ total: sum(select) }, ['5'], "values.total (sum): '5' is neither number nor bigint"],
    [{ total: sum(select) }, [1n, 0.5], 'values.total (sum): 0.5 is no whole number, and the others are bigint'],
    [{ total: sum(select) }, [1.7e308, 1.7e308], 'values.total (sum): Infinity is what the sum has grown to'],
    [{ a: count(), mean: average(select) }, [Infinity], 'values.mean (average): Infinity is no finite number'],
    [{ top: max(select) }, [{}], 'values.top (max): {} is neither number, bigint nor text'],
    [{ top: max(select) }, [5, '5'], "values.top (max): '5' cannot be compared with 5, which came before it"],
    [{ one: first(() => () => 5) }, [1], 'values.one (first): [Function (anonymous)] cannot be kept: it is no data'],
  ] as const)('that cannot take what it is given fails the record for good: %#', ([values, given, message]) => {
    const before = given.slice(0, -1)
    expect(() => playedWith(values, before)).not.toThrow()
    expect(() => playedWith(values, given)).toThrow(expect.objectContaining({ name: 'TerminalError', message }))
  })

  test('of null and undefined counts nothing', () => {
    const results: unknown[] = []
    const aggregation = defineAggregation({
      ...fine,
      values: ({ average, collect, count, first, max, sum }) => ({
        all: count(),
        some: count(select),
        sum: sum(select),
        mean: average(select),
        top: max(select),
        first: first(select),
        list: collect(select),
      }),
      outputs: [totals],
      result: ({ key, values }) => {
        results.push({ key, ...values })
        return []
      },
    })
    const record = (key: string, total: unknown) => ({ key, timeMs: 1, value: { total } })
    const driver = new OperatorDriver(aggregation).play([
      record('a', null),
      record('a', undefined),
      record('b', 7),
      record('b', null),
    ])
    driver.restart().advanceTo(10)
    const nothing = { all: 2, some: 0, sum: null, mean: null, top: null, first: null, list: [] }
    expect(results).toEqual([
      { key: 'a', ...nothing },
      { key: 'b', all: 2, some: 1, sum: 7, mean: 7, top: 7, first: 7, list: [7] },
    ])
  })

  test('adds bigint to bigint, and whole numbers to them', () => {
    const results: unknown[] = []
    const values = { total: sum(select), top: max(select) }
    const aggregation = defineAggregation({
      ...fine,
      values: values as never,
      result: (aggregate: { values: unknown }) => {
        results.push(aggregate.values)
        return []
      },
    } as never)
    const amounts = [1n, 2 ** 53 - 1, 9_007_199_254_740_993n]
    new OperatorDriver(aggregation)
      .play(amounts.map((total) => ({ key: 'a', timeMs: 1, value: { total } })))
      .restart()
      .advanceTo(10)
    expect(results).toEqual([{ total: 18_014_398_509_481_985n, top: 9_007_199_254_740_993n }])
  })

  test('of the user is kept as what it was, and nobody changes it from outside', () => {
    const results: unknown[] = []
    const given = {
      at: new Date(5),
      bytes: new Uint8Array([1, 2]),
      map: new Map([['a', 1n]]),
      nothing: undefined,
      list: [1, { a: -0 }],
    }
    const aggregation = defineAggregation({
      ...fine,
      values: ({ last, reduce }) => ({
        last: last(() => given),
        plain: last(() => ({ deep: [1, 'two', { three: null }] })),
        own: reduce({
          initial: () => ({ list: [] as unknown[] }),
          add: (own, { total }) => {
            own.list.push(total)
            return own
          },
        }),
      }),
      outputs: [totals],
      emit: 'updates',
      result: ({ values }) => {
        results.push(structuredClone(values))
        values.own.list.push('from outside')
        return []
      },
    })
    const record = (total: number) => ({ key: 'a', timeMs: 1, value: { total } })
    new OperatorDriver(aggregation)
      .play([record(1)])
      .restart()
      .play([record(2)])
    const plain = { deep: [1, 'two', { three: null }] }
    expect(results).toEqual([
      { last: given, plain, own: { list: [1] } },
      { last: given, plain, own: { list: [1, 2] } },
    ])
  })
})
