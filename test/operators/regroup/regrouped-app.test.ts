/** An actor whose records are regrouped, as an app: two actors, with a topic of ours in between. */
import { TerminalError, deadLetter, skip } from 'troupe'
import { expect, test } from 'vitest'
import type { Operator } from '../../../src/operators/operator.ts'
import { json } from '../../../src/streams/flows/codec.ts'
import {
  MINUTE_MS,
  RegroupedWorld,
  byRegion,
  expectedFinals,
  perMinute,
  repartition,
  totals,
  type Order,
} from './regrouped-world.ts'

const at = (minute: number, region: string | null, cents = 1): Order => ({ region, cents, atMs: minute * MINUTE_MS })

test('records of all partitions meet under the key that they are regrouped by, and each minute is told once', async () => {
  const world = new RegroupedWorld()
  const engine = await world.count()
  const inputs = [0, 1, 2].map((partition) => [
    at(1, 'eu'),
    at(1.5, 'us', 10),
    at(2, 'eu', 100),
    at(4, `p${partition}`),
  ])
  for (const [partition, orders] of inputs.entries()) for (const order of orders) world.order(partition, order)
  await world.clock.advance(5_000)
  expect(world.finals()).toEqual({ eu: ['1 eu 3', '2 eu 300'], us: ['1 us 30'] })
  expect(world.finals()).toEqual(expectedFinals(inputs))
  expect(
    engine
      .status()
      .partitions.map(({ actor }) => actor)
      .sort(),
  ).toEqual([...Array<string>(3).fill('copy'), ...Array<string>(3).fill('copy-front')])
  expect(world.broker.partitions(repartition)).toHaveLength(3)
  await world.settled(engine.stop())
})

test('a partition without any record is not waited for once it is known to be empty', async () => {
  const world = new RegroupedWorld()
  const engine = await world.count()
  world.order(0, at(1, 'eu'))
  world.order(0, at(3, 'eu'))
  await world.clock.advance(5_000)
  expect(world.finals()).toEqual({ eu: ['1 eu 1'] })
  await world.settled(engine.stop())
})

test('what came to a partition while the app was down counts, though it was idle before', async () => {
  const world = new RegroupedWorld(2)
  const before = await world.count()
  world.order(1, at(1, 'eu'))
  await world.clock.advance(5_000)
  await world.settled(before.stop())
  const inputs = [4, 50, 99, 100].map((minute) => at(minute, 'eu', minute))
  for (const partition of [0, 1]) for (const order of inputs) world.order(partition, order)
  // The one that was idle is the last to speak.
  const waits: (() => void)[] = []
  const prepare = (order: Order, { record }: { record: { partition: number } }): unknown =>
    record.partition === 1 ? order : new Promise((resolve) => waits.push(() => resolve(order)))
  const engine = await world.count('a', perMinute({ ...byRegion, prepare: prepare as never }))
  await world.clock.advance(5_000)
  for (const end of waits) end()
  await world.clock.advance(5_000)
  expect(world.finals()).toEqual({ eu: ['1 eu 1', '4 eu 8', '50 eu 100'] })
  expect(world.read().filter((value) => value.startsWith('late'))).toEqual([])
  await world.settled(engine.stop())
})

test('a member that takes over a part of an app hears again which partitions are idle', async () => {
  const world = new RegroupedWorld(3)
  const first = await world.count('a')
  world.order(0, at(1, 'eu'))
  await world.clock.advance(5_000)
  const second = await world.count('b')
  await world.clock.advance(15_000)
  for (const region of ['eu', 'us', 'br', 'jp', 'in']) world.order(0, at(2, region))
  world.order(0, at(9, 'eu'))
  await world.clock.advance(15_000)
  const finals = world.finals()
  expect(finals).toEqual({ eu: ['1 eu 1', '2 eu 1'], us: ['2 us 1'], br: ['2 br 1'], jp: ['2 jp 1'], in: ['2 in 1'] })
  await world.settled(second.stop())
  await world.settled(first.stop())
})

test('a partition that is far behind holds up the others: what it still has to say counts', async () => {
  const world = new RegroupedWorld(2)
  const engine = await world.count()
  world.order(0, at(100, 'eu'))
  world.order(1, at(1, 'eu', 10))
  await world.clock.advance(5_000)
  world.order(1, at(1.5, 'eu', 10))
  world.order(1, at(101, 'us'))
  world.order(0, at(102, 'us'))
  await world.clock.advance(5_000)
  expect(world.finals()).toEqual({ eu: ['1 eu 20'] })
  world.order(1, at(102, 'us'))
  await world.clock.advance(5_000)
  expect(world.finals()).toEqual({ eu: ['1 eu 20', '100 eu 1'] })
  await world.settled(engine.stop())
})

test('what has no key to be regrouped by, or is late by its own partition, goes aside with the operator', async () => {
  const world = new RegroupedWorld(1)
  const engine = await world.count()
  for (const order of [at(1, null), at(5, 'eu'), at(1, 'us', 7), at(7, 'eu')]) world.order(0, order)
  await world.clock.advance(5_000)
  expect(world.read().toSorted()).toEqual(['5 eu 1', 'aside null-key', 'late us 7'])
  await world.settled(engine.stop())
})

test('what by() throws is a failed attempt of the front, and its dead letter comes in its place', async () => {
  const world = new RegroupedWorld(1)
  const operator = perMinute({
    by: (order: Order) => {
      if (order.cents === 13) throw new Error('no luck')
      return order.region
    },
  })
  const engine = await world.count('a', operator)
  for (const order of [at(1, 'eu'), at(1, 'eu', 13), at(1, 'eu', 5)]) world.order(0, order)
  world.broker.append('in', { value: '{', partition: 0 })
  world.order(0, at(4, 'eu'))
  await world.clock.advance(10_000)
  expect(world.finals()).toEqual({ eu: ['1 eu 6'] })
  const letters = world.broker.committedRecords('dlq')
  expect(letters.map(({ value }) => Buffer.from(value ?? []).toString())).toEqual([
    JSON.stringify(at(1, 'eu', 13)),
    '{',
  ])
  await world.settled(engine.stop())
})

test('the time of a record passes also where prepare skips it, or gives it up', async () => {
  for (const drop of [
    skip,
    () => deadLetter('a bot'),
    () => {
      throw new TerminalError('a bot')
    },
  ]) {
    const world = new RegroupedWorld(2)
    const prepare = (order: Order): unknown => (order.region === 'bot' ? drop() : order)
    const engine = await world.count('a', perMinute({ ...byRegion, prepare: prepare as never }))
    for (const minute of [1, 2, 5, 9]) {
      world.order(0, at(minute, 'eu'))
      world.order(1, at(minute, minute === 1 ? 'us' : 'bot'))
    }
    await world.clock.advance(5_000)
    expect(world.finals()).toEqual({ eu: ['1 eu 1', '2 eu 1', '5 eu 1'], us: ['1 us 1'] })
    await world.settled(engine.stop())
  }
})

/** Says with each record the how manieth of its key it is. */
const counting = (ttlMs: number): Operator => ({
  ...perMinute(byRegion),
  states: [{ name: 'count', codec: json<unknown>(), ttlMs }],
  take({ key, keyText }, kept) {
    const count = ((kept.get(0, keyText!) ?? 0) as number) + 1
    kept.set(0, keyText!, count)
    return { effects: [{ effect: totals.record(`${String(key)} ${count}`) }] }
  },
})

test('what is kept for a time only is as old as its record, however far other partitions are behind', async () => {
  const world = new RegroupedWorld(2)
  const engine = await world.count('a', counting(60 * MINUTE_MS))
  const now = 28_000_000
  for (const minute of [0, 1, 2]) world.order(0, at(now + minute, 'eu'))
  await world.clock.advance(2_000)
  // The other has been behind by hours, and comes on until it has caught up.
  world.order(1, at(now - 500, 'eu'))
  await world.clock.advance(2_000)
  world.order(1, at(now + 3, 'us'))
  await world.clock.advance(2_000)
  world.order(0, at(now + 4, 'eu'))
  await world.clock.advance(2_000)
  // Longer than it is kept.
  for (const partition of [0, 1]) world.order(partition, at(now + 100, 'us'))
  await world.clock.advance(2_000)
  world.order(0, at(now + 101, 'eu'))
  await world.clock.advance(2_000)
  expect(world.read().filter((value) => value.startsWith('eu'))).toEqual([
    'eu 1',
    'eu 2',
    'eu 3',
    'eu 4',
    'eu 5',
    'eu 1',
  ])
  await world.settled(engine.stop())
})

test('what is prepared in parallel goes on in the order in which it was read', async () => {
  const world = new RegroupedWorld(1)
  const waits: (() => void)[] = []
  const operator = perMinute({
    prepare: (order: Order) =>
      new Promise((resolve) => waits.push(() => resolve({ ...order, cents: order.cents * 2 }))),
    by: ({ region }: Order) => region,
  })
  const engine = await world.count('a', operator)
  const cents = [1, 2, 3, 4, 5, 6]
  for (const each of cents) world.order(0, at(1, 'eu', each))
  await world.clock.advance(1_000)
  expect(waits).toHaveLength(6)
  for (const end of waits.splice(1).reverse()) end()
  await world.clock.advance(1_000)
  // Nothing goes past the first.
  expect(world.read(repartition).filter((value) => value !== '')).toEqual([])
  expect(world.position).toBe(0)
  waits[0]?.()
  await world.clock.advance(1_000)
  const went = world.read(repartition).filter((value) => value !== '')
  expect(went.map((value) => (JSON.parse(value) as Order).cents)).toEqual(cents.map((each) => each * 2))
  expect(world.position).toBe(6)
  await world.settled(engine.stop())
})

test('what waits behind a record on which the front stops is left to the next owner', async () => {
  const world = new RegroupedWorld(1)
  const waits: (() => void)[] = []
  // What it has made of the second is too large for the topic.
  const prepare = (order: Order): Promise<object> =>
    new Promise((resolve) => {
      waits.push(() => resolve(order.cents === 2 ? { ...order, pad: 'x'.repeat(5_000_000) } : order))
    })
  const handler = perMinute({ ...byRegion, prepare: prepare as never })
  const engine = await world.start('a', { actor: { handler, failedRecords: 'stop' } })
  for (const cents of [1, 2, 3, 4]) world.order(0, at(cents, 'eu', cents))
  await world.clock.advance(1_000)
  const [first, second, third, fourth] = waits
  third?.()
  second?.()
  await world.clock.advance(1_000)
  first?.()
  await world.clock.advance(1_000)
  fourth?.()
  await world.clock.advance(1_000)
  const went = world.read(repartition).filter((value) => value !== '')
  expect(went.map((value) => (JSON.parse(value) as Order).cents)).toEqual([1])
  expect(world.position).toBe(1)
  await world.settled(engine.stop())
})

test('a record that is tried again holds up those behind it, and none of them is prepared twice for that', async () => {
  const world = new RegroupedWorld(1)
  const tried: number[] = []
  const operator = perMinute({
    prepare: (order: Order) => {
      tried.push(order.cents)
      if (order.cents === 2 && tried.filter((cents) => cents === 2).length < 3) throw new Error('not yet')
      return order
    },
    by: ({ region }: Order) => region,
  })
  const engine = await world.count('a', operator)
  for (const cents of [1, 2, 3]) world.order(0, at(1, 'eu', cents))
  await world.clock.advance(10_000)
  expect(tried.toSorted()).toEqual([1, 2, 2, 2, 3])
  const went = world.read(repartition).filter((value) => value !== '')
  expect(went.map((value) => (JSON.parse(value) as Order).cents)).toEqual([1, 2, 3])
  await world.settled(engine.stop())
})

test('an actor may not park what fails where its records are regrouped', async () => {
  const world = new RegroupedWorld(1)
  const actor = { handler: perMinute(byRegion), failedRecords: 'park' }
  await expect(world.start('a', { actor })).rejects.toThrow(/failedRecords of copy/)
})

test('a partition with nothing but records of an open transaction is not empty, and is waited for', async () => {
  const world = new RegroupedWorld(2)
  const other = world.broker
    .client('other')
    .transactionalProducer({ transactionalId: 'other', transactionTimeoutMs: 60_000 })
  await world.settled(other.connect())
  other.begin()
  const record = {
    topic: 'in',
    partition: 1,
    key: Buffer.from('o'),
    value: Buffer.from(JSON.stringify(at(1, 'eu', 10))),
  }
  await world.settled(other.send([record]))
  const engine = await world.count()
  world.order(0, at(1, 'eu'))
  world.order(0, at(3, 'eu'))
  await world.clock.advance(5_000)
  expect(world.finals()).toEqual({})
  await world.settled(other.commit())
  world.order(1, at(3, 'eu'))
  await world.clock.advance(5_000)
  expect(world.finals()).toEqual({ eu: ['1 eu 11'] })
  await world.settled(engine.stop())
  await other.disconnect()
})
