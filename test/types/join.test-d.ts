/** What the compiler says of joins and dedups. */
import { describe, expectTypeOf, test } from 'vitest'
import { defineDedup } from '../../src/operators/dedup/dedup.ts'
import { defineJoin } from '../../src/operators/join/join.ts'
import { json, text } from '../../src/streams/flows/codec.ts'
import { topic } from '../../src/streams/flows/flow.ts'

interface Order {
  readonly total: number
}
interface Click {
  readonly page: string
}

const orders = topic('orders', { key: text, value: json<Order>() })
const clicks = topic('clicks', { key: text, value: json<Click>() })
const plainClicks = topic('plain-clicks', { value: json<Click>() })
const pairs = topic('pairs', { value: json<string>() })
const numbers = topic('numbers', { value: json<number>() })

const within = { beforeMs: 1, afterMs: 1 }

describe('a join', () => {
  test('gives both values of their own types, and the key', () => {
    defineJoin({
      ...{ left: orders, right: clicks, kind: 'inner', within, graceMs: 0, outputs: [pairs] },
      result: ({ key, left, right }) => {
        expectTypeOf(key).toEqualTypeOf<string>()
        expectTypeOf(left).toEqualTypeOf<Order>()
        expectTypeOf(right).toEqualTypeOf<Click>()
        return [pairs.record(right.page)]
      },
      late: (aside) => {
        if (aside.side === 'left') expectTypeOf(aside.value).toEqualTypeOf<Order>()
        else expectTypeOf(aside.value).toEqualTypeOf<Click>()
        expectTypeOf(aside.lateByMs).toEqualTypeOf<number>()
        return []
      },
    })
  })

  test('may lack a right one where it is a left join, and a key', () => {
    defineJoin({
      ...{ left: orders, right: clicks, kind: 'left', within, graceMs: 0 },
      result: ({ key, left, right }) => {
        expectTypeOf(key).toEqualTypeOf<string | null>()
        expectTypeOf(left).toEqualTypeOf<Order>()
        expectTypeOf(right).toEqualTypeOf<Click | undefined>()
        return []
      },
    })
  })

  test('lacks one of both at most where it is an outer join', () => {
    defineJoin({
      ...{ left: orders, right: clicks, kind: 'outer', within, graceMs: 0 },
      result: (joined) => {
        if (joined.left === undefined) expectTypeOf(joined.right).toEqualTypeOf<Click>()
        else expectTypeOf(joined.right).toEqualTypeOf<Click | undefined>()
        return []
      },
    })
  })

  test('is of topics with keys of one type', () => {
    defineJoin({
      left: orders,
      // @ts-expect-error -- its keys are bytes, and those of the left one text
      right: plainClicks,
      ...{ kind: 'inner', within, graceMs: 0 },
      result: () => [],
    })
  })

  test('sends only to what it lists', () => {
    defineJoin({
      ...{ left: orders, right: clicks, kind: 'inner', within, graceMs: 0, outputs: [pairs] },
      // @ts-expect-error -- it is not in outputs
      result: ({ left }) => [numbers.record(left.total)],
    })
  })
})

describe('a dedup', () => {
  test('has a topic of the same keys and values for what passes', () => {
    const unique = topic('unique', { key: text, value: json<Order>() })
    defineDedup({ input: orders, output: unique, id: ({ total }) => total, withinMs: 1 })
    // @ts-expect-error -- other values
    defineDedup({ input: orders, output: clicks, id: () => 'id', withinMs: 1 })
  })

  test('or makes something else of it', () => {
    defineDedup({
      ...{ input: orders, outputs: [numbers], id: ({ total }: Order) => total, withinMs: 1 },
      result: ({ key, value }) => {
        expectTypeOf(key).toEqualTypeOf<string | null>()
        return [numbers.record(value.total)]
      },
      duplicate: ({ reason, timeMs }) => {
        expectTypeOf(reason).toEqualTypeOf<'duplicate'>()
        return [numbers.record(timeMs)]
      },
    })
  })
})
