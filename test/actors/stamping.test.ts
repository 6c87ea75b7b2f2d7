/** Where a topic says how its values tell their time, stream time is theirs, in the order of the partition. */
import { describe, expect, test } from 'vitest'
import type { AnyHandler } from '../../src/actors/handlers/any-handler.ts'
import { defineHandler, done } from '../../src/actors/handlers/handler.ts'
import { state } from '../../src/state/declared-state.ts'
import { json, text } from '../../src/streams/flows/codec.ts'
import { topic } from '../../src/streams/flows/flow.ts'
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
})
