/** Where a topic says how its values tell their time, stream time is theirs, in the order of the partition. */
import { describe, expect, test } from 'vitest'
import type { AnyHandler } from '../../src/actors/handlers/any-handler.ts'
import { defineHandler, done } from '../../src/actors/handlers/handler.ts'
import { state } from '../../src/state/declared-state.ts'
import { inherit, legacyOf } from '../../src/actors/legacy.ts'
import { CompletionMap } from '../../src/streams/positions/completion-map.ts'
import { json, text } from '../../src/streams/flows/codec.ts'
import { topic } from '../../src/streams/flows/flow.ts'
import { FakeSchemas } from '../support/fake-schemas.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { MapStore } from '../support/map-store.ts'
import { keyedWorld, type KeyedWorldOptions } from '../state/keyed-world.ts'

interface Order {
  readonly at: number
  /** Sets a timer for then. */
  readonly remindAt?: number
}

interface Watched {
  readonly handler: AnyHandler
  readonly calls: string[]
  decodes: number
  /** The next attempts fail, so many. */
  failures: number
}

function watchedHandler(): Watched {
  const watched: Watched = { handler: null as never, calls: [], decodes: 0, failures: 0 }
  const orders = topic('clicks', {
    key: text,
    value: json((parsed) => {
      watched.decodes += 1
      return parsed as Order
    }),
    time: (order) => order.at,
  })
  const handler = defineHandler({
    input: orders,
    state: { count: state<number>({ initial: () => 0 }) },
    timers: ['reminder'],
    handle({ at, remindAt }, { key, state: { count }, timer }) {
      watched.calls.push(`${key} ${at}`)
      if (watched.failures > 0) {
        watched.failures -= 1
        throw new Error('not now')
      }
      count.set(count.get() + 1)
      if (remindAt !== undefined) timer('reminder', remindAt)
      return done()
    },
    onTimer(name, { atMs, key }) {
      watched.calls.push(`${name} of ${key} at ${atMs}`)
      return done()
    },
  })
  return Object.assign(watched, { handler: handler as unknown as AnyHandler })
}

async function stampedWorld(options: KeyedWorldOptions = {}) {
  const watched = watchedHandler()
  const world = await keyedWorld(watched.handler, { ...options, actor: { order: 'partition', ...options.actor } })
  /** Each of key k; what is no object is no order either. The timestamp says nothing. */
  const giveOrders = async (...orders: readonly (Partial<Order> | string)[]): Promise<void> => {
    const records = orders.map((order) => ({
      ...world.record('k', 7_000_000),
      value: Buffer.from(typeof order === 'string' ? order : JSON.stringify(order)),
    }))
    world.actor.admit(records)
    world.pump()
    await world.settle()
  }
  return Object.assign(world, { watched, calls: watched.calls, giveOrders })
}

describe('stream time', () => {
  test('is what values tell, and timers fire by it, before the first record that is as late', async () => {
    const { calls, giveOrders, state } = await stampedWorld()
    await giveOrders({ at: 1_000, remindAt: 2_000 }, { at: 1_999 }, { at: 500 }, { at: 2_000 }, { at: 2_001 })

    expect(calls).toEqual(['k 1000', 'k 1999', 'k 500', 'reminder of k at 2000', 'k 2000', 'k 2001'])
    expect(state.streamTime).toBe(2_001)
  })

  test('fires a timer that no record waits for as soon as it has come to it', async () => {
    const { calls, giveOrders } = await stampedWorld()
    await giveOrders({ at: 1_000, remindAt: 900 })
    expect(calls).toEqual(['k 1000', 'reminder of k at 900'])
  })

  test('of a checkpoint is that of its position, whatever was read ahead', async () => {
    const store = new MapStore()
    const world = await stampedWorld({ store })
    const { giveOrders, watched } = world
    await giveOrders({ at: 1_000 })
    watched.failures = 1
    await giveOrders({ at: 5_000 }, { at: 9_000 })
    await world.checkpoint()

    expect(store.mark?.streamTime).toBe(1_000)
  })

  test('goes on after a restart where it was at the position', async () => {
    const store = new MapStore()
    const before = await stampedWorld({ store })
    await before.giveOrders({ at: 1_000, remindAt: 2_000 }, { at: 1_500 })
    await before.checkpoint()
    const { calls, giveOrders, state } = await stampedWorld({ store, position: 2 })

    expect(state.streamTime).toBe(1_500)
    await giveOrders({ at: 1_200 }, { at: 2_000 })
    expect(calls).toEqual(['k 1200', 'reminder of k at 2000', 'k 2000'])
  })

  test('is that of the records below the position, those that the map shows as finished included', async () => {
    const map = new CompletionMap({ position: 0, frontier: 3, unfinished: Float64Array.from([0, 2]) })
    const world = await stampedWorld({ map })
    const { calls, giveOrders, store } = world
    await giveOrders({ at: 1_000, remindAt: 4_000 }, { at: 2_000 }, { at: 5_000 }, { at: 3_000 })
    // The third is finished: what is before it is not as late, and what comes behind it is.
    expect(calls).toEqual(['k 1000', 'k 2000', 'reminder of k at 4000', 'k 3000'])
    await world.checkpoint(1)
    expect(store.mark?.streamTime).toBe(5_000)
  })

  test('is moved once by a record, however often it is tried, and by one that is given up', async () => {
    const world = await stampedWorld({
      actor: { retry: { attempts: 2, backoffMs: 100, maxBackoffMs: 100, jitter: 0 } },
    })
    const { calls, delivery, giveOrders, store, watched } = world
    await giveOrders({ at: 1_000, remindAt: 2_000 })
    watched.failures = 2
    await giveOrders({ at: 3_000 }, { at: 2_500 })
    await world.advance(100)

    expect(calls).toEqual(['k 1000', 'reminder of k at 2000', 'k 3000', 'k 3000', 'k 2500'])
    expect(delivery.deadLetters.map(({ id }) => id)).toEqual(['clicks/0/1'])
    expect(watched.decodes).toBe(3)
    await world.checkpoint(1)
    expect(store.mark?.streamTime).toBe(3_000)
  })

  test.each([
    ['no document', 'no JSON', 'DECODE_FAILED'],
    ['a time that is missing', '{}', 'TIME_INVALID'],
    ['a time that is no number', '{"at":"2026-01-01"}', 'TIME_INVALID'],
    ['a time before the epoch', '{"at":-5}', 'TIME_INVALID'],
    ['a time that no calendar has', '{"at":1e300}', 'TIME_INVALID'],
    ['a value that has no fields', 'null', 'TIME_INVALID'],
  ])('is not moved by %s, which is a dead letter', async (_, value, code) => {
    const world = await stampedWorld()
    const { calls, delivery, giveOrders, store } = world
    await giveOrders({ at: 1_000, remindAt: 2_000 }, value, { at: 1_500 })

    expect(calls).toEqual(['k 1000', 'k 1500'])
    const codes = delivery.deadLetters.map(({ letter }) => String(new Map(letter.headers).get('troupe.code')))
    expect([delivery.deadLetters.map(({ id }) => id), codes]).toEqual([['clicks/0/1'], [code]])
    await world.checkpoint(1)
    expect(store.mark?.streamTime).toBe(1_500)
  })

  test('begins with the first record that has a time', async () => {
    const { calls, giveOrders, state } = await stampedWorld({ maxAdvanceMs: 10 })
    await giveOrders('no JSON')
    expect(state.streamTime).toBeNull()
    await giveOrders({ at: 5_000_000 }, { at: 9_000_000 }, { at: 5_000_010 })
    // Who handles one that is far ahead is told so, and time is not moved by it.
    expect(calls).toEqual(['k 5000000', 'k 9000000', 'k 5000010'])
    expect(state.streamTime).toBe(5_000_010)
  })
})

test('a timer by the wall clock finds the stream time of the records before it', async () => {
  const found: number[] = []
  const handler = defineHandler({
    input: topic('clicks', { key: text, value: json<Order>(), time: (order) => order.at }),
    state: { recent: state<number>({ initial: () => 0, ttlMs: 1_000 }) },
    timers: ['soon'],
    // One by one, since it is waited for.
    async handle({ at }, { state: { recent }, timer }) {
      await Promise.resolve()
      if (at === 1_000) recent.set(7)
      if (at === 1_000) timer('soon', 0, { clock: 'wall' })
      return done()
    },
    onTimer(_, { state: { recent } }) {
      found.push(recent.get())
      return done()
    },
  })
  const world = await keyedWorld(handler as unknown as AnyHandler, { actor: { order: 'partition' } })
  const order = (at: number) => ({ ...world.record('k', 1), value: Buffer.from(JSON.stringify({ at })) })
  // It comes up when the first is handled, so it stands behind the others.
  world.actor.admit([order(1_000), order(1_500), order(3_000)])
  world.pump()
  await world.advance(1)

  // What was kept for a second is too old by then.
  expect(found).toEqual([0])
})

test('a record that waits for its schema is stamped when that is known, and nothing of its partition before', async () => {
  const clock = new ManualClock()
  const schemas = new FakeSchemas(clock)
  const calls: string[] = []
  const parsed = json<Order & { readonly schema?: number }>()
  const value = {
    ...parsed,
    decode(bytes: Uint8Array) {
      const order = parsed.decode(bytes)
      if (order.schema !== undefined) schemas.writerOf(order.schema)
      return order
    },
  }
  const handler = defineHandler({
    input: topic('clicks', { key: text, value, time: (order) => order.at }),
    timers: ['reminder'],
    handle({ at, remindAt }, { timer }) {
      calls.push(`record ${at}`)
      if (remindAt !== undefined) timer('reminder', remindAt)
      return done()
    },
    onTimer(_, { atMs }) {
      calls.push(`timer ${atMs}`)
      return done()
    },
  })
  const options = { actor: { order: 'partition' as const }, clock, schemas }
  const world = await keyedWorld(handler as unknown as AnyHandler, options)
  const order = (given: object) => ({ ...world.record('k', 1), value: Buffer.from(JSON.stringify(given)) })
  world.actor.admit([order({ at: 1_000, remindAt: 2_000 }), order({ at: 2_000, schema: 17 }), order({ at: 9_000 })])
  world.pump()
  await world.settle()
  expect([calls, world.state.streamTime]).toEqual([['record 1000'], 1_000])

  schemas.register(17)
  await world.settle()
  expect(calls).toEqual(['record 1000', 'timer 2000', 'record 2000', 'record 9000'])
})

describe('set back to its last checkpoint', () => {
  test('a partition sees the same stream times again, of what it skipped at once too', async () => {
    const store = new MapStore()
    const before = await stampedWorld({ store })
    await before.giveOrders({ at: 1_000, remindAt: 2_000 })
    await before.checkpoint(1)
    await before.giveOrders({ at: 1_500 }, { at: 2_000 }, { at: 1_800 })
    expect(before.calls).toEqual(['k 1000', 'k 1500', 'reminder of k at 2000', 'k 2000', 'k 1800'])

    const [input] = before.actor.inputs
    const legacy = legacyOf(before.actor, input!)
    before.actor.fence()
    const again = await stampedWorld({ state: before.state.rewound(), position: 1 })
    again.calls.length = 0
    inherit(again.actor, [legacy])
    again.pump()
    await again.settle()
    expect(again.calls).toEqual(['k 1500', 'reminder of k at 2000', 'k 2000', 'k 1800'])
    await again.checkpoint(2)
    expect(store.mark?.streamTime).toBe(2_000)
  })
})
