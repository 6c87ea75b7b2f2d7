/** Tables with the partitions of the input: what is looked up, in which order, and after whatever has happened. */
import { expect, test } from 'vitest'
import { defineHandler, done } from '../../../src/actors/handlers/handler.ts'
import { tableOf } from '../../../src/operators/tables/declared-tables.ts'
import { json } from '../../../src/streams/flows/codec.ts'
import { topic } from '../../../src/streams/flows/flow.ts'
import { CHANGELOG, out, TableWorld } from './table-world.ts'

test('rows and records are taken by their times, whatever was written first: each record finds the row of its time', async () => {
  const world = new TableWorld()
  for (const [time, tier] of [
    [100, 'silver'],
    [300, 'gold'],
    [500, null],
  ] as const)
    world.customer('ann', tier, time)
  for (const time of [50, 100, 350, 550]) world.order('ann', `order@${time}`, time)
  const engine = await world.start()
  await world.clock.advance(2_000)
  // A row counts for the records of its own time.
  expect(world.read()).toEqual(['order@50 none', 'order@100 silver', 'order@350 gold', 'order@550 none'])
  await world.settled(engine.stop())
})

test('rows are taken by the times that their values tell, by a handler that takes its records in the order of the partition', async () => {
  const world = new TableWorld()
  const timed = json<{ at: number; is: string }>()
  const handler = defineHandler({
    input: topic('orders', { value: timed, time: ({ at }) => at }),
    outputs: [out],
    tables: { customers: tableOf(topic('customers', { value: timed, time: ({ at }) => at, tombstones: true })) },
    handle: ({ is }, { tables }) => done([out.record(`${is} ${tables.customers.get()?.is ?? 'none'}`)]),
  })
  const row = (name: string, at: number, is: string, timestamp: number): void => {
    world.broker.append(name, { key: 'ann', value: JSON.stringify({ at, is }), timestamp, partition: 0 })
  }
  for (const [at, tier] of [
    [100, 'silver'],
    [300, 'gold'],
  ] as const)
    row('customers', at, tier, 1)
  for (const at of [50, 100, 350]) row('orders', at, `order@${at}`, 2)
  const engine = await world.start('a', { actor: { handler, order: 'partition' } })
  await world.clock.advance(2_000)
  expect(world.read()).toEqual(['order@50 none', 'order@100 silver', 'order@350 gold'])
  await world.settled(engine.stop())
})

test('an input that has nothing on the brokers holds up no other: records go on live, and rows count from when they come', async () => {
  const world = new TableWorld()
  const engine = await world.start()
  world.order('ann', 'first', 1_000)
  await world.clock.advance(1_000)
  expect(world.read()).toEqual(['first none'])
  world.customer('ann', 'gold', 900)
  await world.clock.advance(1_000)
  world.order('ann', 'second', 1_100)
  await world.clock.advance(1_000)
  expect(world.read()).toEqual(['first none', 'second gold'])
  await world.settled(engine.stop())
})

test('one that is far ahead waits within its limits: all rows of before the first record are taken, and none of after it', async () => {
  const world = new TableWorld()
  for (let at = 0; at < 1_200; at += 1) world.customer('ann', `tier ${at}`, at + 1)
  world.order('ann', 'early', 101)
  world.order('ann', 'late', 1_101)
  const engine = await world.start('a', { intake: { maxPartitionRecords: 50 } })
  await world.clock.advance(20_000)
  expect(world.read()).toEqual(['early tier 100', 'late tier 1100'])
  await world.settled(engine.stop())
})

test('a transaction that is open on the table is waited for: what it commits may be of before', async () => {
  const world = new TableWorld()
  const transaction = world.broker.beginTransaction({ topic: 'customers', partition: 0 })
  transaction.append({ key: Buffer.from('ann'), value: Buffer.from('{"tier":"gold"}'), headers: [], timestamp: 100 })
  world.order('ann', 'order', 200)
  const engine = await world.start()
  await world.clock.advance(2_000)
  expect(world.read()).toEqual([])
  transaction.commit()
  await world.clock.advance(2_000)
  expect(world.read()).toEqual(['order gold'])
  await world.settled(engine.stop())
})

test('after a restart rows are as the last checkpoint has left them, though the table has gone on, and no changelog has any', async () => {
  const world = new TableWorld()
  world.customer('ann', 'silver', 100)
  world.order('ann', 'before', 150)
  const first = await world.start('a')
  await world.clock.advance(2_000)
  await world.settled(first.stop())
  world.order('ann', 'between', 200)
  world.customer('ann', 'gold', 300)
  world.order('ann', 'after', 400)
  const second = await world.start('b')
  await world.clock.advance(5_000)
  expect(world.read()).toEqual(['before silver', 'between silver', 'after gold'])
  expect(
    world.broker.committedRecords(CHANGELOG).map(({ value }) => String(Buffer.from(value ?? []))),
  ).not.toContainEqual(expect.stringContaining('gold'))
  await world.settled(second.stop())
})

test('after a crash each record finds what it would have found, and each is said once', async () => {
  const world = new TableWorld()
  const expected: string[] = []
  for (let at = 0; at < 300; at += 1) {
    world.customer(`c${at % 7}`, `t${at}`, at * 10 + 1)
    world.order(`c${at % 7}`, `o${at}`, at * 10 + 5)
    expected.push(`o${at} t${at}`)
  }
  await world.start('a')
  for (let crashes = 0; crashes < 4; crashes += 1) {
    await world.clock.advance(137)
    world.broker.crash('abcde'[crashes]!)
    await world.clock.advance(20_000)
    await world.start('abcde'[crashes + 1])
  }
  await world.clock.advance(30_000)
  // Each key in its order; across keys there is none.
  expect(world.read().toSorted()).toEqual(expected.toSorted())
})

test('rows go along with their partition to another member, and back', async () => {
  const world = new TableWorld(2)
  const step = (name: string, time: number): void => {
    for (const partition of [0, 1]) {
      world.order(`c${partition}`, `${name}${partition}`, time, partition)
    }
  }
  for (const partition of [0, 1]) world.customer(`c${partition}`, `tier${partition}`, 10, partition)
  const first = await world.start('a')
  step('x', 100)
  await world.clock.advance(2_000)
  const second = await world.start('b')
  await world.clock.advance(10_000)
  step('y', 200)
  await world.clock.advance(5_000)
  await world.settled(second.stop())
  await world.clock.advance(10_000)
  step('z', 300)
  await world.clock.advance(5_000)
  const said = (partition: number): string[] => world.read().filter((line) => line.endsWith(`tier${partition}`))
  expect([said(0), said(1)]).toEqual([0, 1].map((at) => ['x', 'y', 'z'].map((name) => `${name}${at} tier${at}`)))
  await world.settled(first.stop())
})

test('a table with another number of partitions than its input is refused at the start, both by name', async () => {
  const world = new TableWorld(2)
  world.broker.addPartitions('customers', 3)
  await expect(world.start()).rejects.toMatchObject({
    code: 'PARTITIONS_DIFFER',
    message: expect.stringMatching(/price.* orders has 2 .*customers.* has 3/) as string,
  })
})

test('a row that does not decode is a dead letter and no row, also after a restart', async () => {
  const world = new TableWorld()
  world.customer('ann', 'gold', 100)
  world.broker.append('customers', { key: 'ann', value: 'no json', timestamp: 200, partition: 0 })
  world.order('ann', 'first', 300)
  const first = await world.start('a')
  await world.clock.advance(2_000)
  expect([world.read(), world.read('dlq')]).toEqual([['first none'], ['no json']])
  await world.settled(first.stop())
  world.order('ann', 'second', 400)
  const second = await world.start('b')
  await world.clock.advance(5_000)
  expect([world.read(), world.read('dlq')]).toEqual([['first none', 'second none'], ['no json']])
  await world.settled(second.stop())
})

test('a table that is deleted and made again begins anew: no row of the old one is left', async () => {
  const world = new TableWorld()
  world.customer('ann', 'old', 100)
  world.order('ann', 'first', 200)
  const first = await world.start('a')
  await world.clock.advance(2_000)
  await world.settled(first.stop())
  world.broker.deleteTopic('customers')
  world.broker.createTopic('customers', 1)
  world.customer('bob', 'new', 300)
  world.order('ann', 'second', 400)
  world.order('bob', 'third', 500)
  const second = await world.start('b')
  await world.clock.advance(5_000)
  expect(world.read()).toEqual(['first old', 'second none', 'third new'])
  await world.settled(second.stop())
})
