/** Global tables: each process has all rows, whatever partitions it is given. */
import { expect, test } from 'vitest'
import { defineHandler, done } from '../../../src/actors/handlers/handler.ts'
import { partOnThreads } from '../../../src/actors/handlers/front-handler.ts'
import { globalTableOf, tableOf } from '../../../src/operators/tables/declared-tables.ts'
import { json, text } from '../../../src/streams/flows/codec.ts'
import { topic } from '../../../src/streams/flows/flow.ts'
import { customers, orders, out, TableWorld } from './table-world.ts'

const campaigns = topic('campaigns', { key: text, value: json<{ name: string }>(), tombstones: true })

/** Each order names its campaign. Three partitions of rows beside one of orders. */
class GlobalWorld extends TableWorld {
  readonly handler = defineHandler({
    input: orders,
    outputs: [out],
    tables: { campaigns: globalTableOf(campaigns) },
    handle: (id, { tables }) => done([out.record(`${id} ${tables.campaigns.get(id)?.name ?? 'none'}`)]),
  })

  constructor() {
    super()
    this.broker.createTopic('campaigns', 3)
  }

  campaign(id: string | null, value: string | null, partition: number): void {
    this.broker.append('campaigns', { key: id, value, timestamp: 1, partition })
  }

  named(id: string, name: string, partition: number): void {
    this.campaign(id, JSON.stringify({ name }), partition)
  }

  startGlobal(name = 'a', others: object = {}): ReturnType<TableWorld['start']> {
    return this.start(name, { actor: { handler: this.handler }, ...others })
  }
}

test('all partitions are read to their ends before the first record is handled, and followed from there', async () => {
  const world = new GlobalWorld()
  for (let at = 0; at < 3_000; at += 1) world.named(`c${at}`, `campaign ${at}`, at % 3)
  for (const id of ['c0', 'c1499', 'c2999', 'c3000']) world.order('k', id, 1)
  const engine = await world.startGlobal()
  await world.clock.advance(2_000)
  expect(world.read()).toEqual(['c0 campaign 0', 'c1499 campaign 1499', 'c2999 campaign 2999', 'c3000 none'])
  world.named('c3000', 'new', 1)
  world.named('c0', 'renamed', 0)
  await world.clock.advance(1_000)
  for (const id of ['c3000', 'c0']) world.order('k', id, 2)
  await world.clock.advance(1_000)
  expect(world.read().slice(4)).toEqual(['c3000 new', 'c0 renamed'])
  await world.settled(engine.stop())
})

test('a tombstone deletes the row, before the start and after it', async () => {
  const world = new GlobalWorld()
  world.named('gone', 'early', 0)
  world.campaign('gone', null, 0)
  world.named('here', 'still', 0)
  const engine = await world.startGlobal()
  for (const id of ['gone', 'here']) world.order('k', id, 1)
  await world.clock.advance(1_000)
  world.campaign('here', null, 0)
  await world.clock.advance(1_000)
  world.order('k', 'here', 2)
  await world.clock.advance(1_000)
  expect(world.read()).toEqual(['gone none', 'here still', 'here none'])
  await world.settled(engine.stop())
})

test('a row that cannot be read ends nothing: it is counted and told, and its key has no row', async () => {
  const world = new GlobalWorld()
  world.named('bad', 'before', 0)
  world.campaign('bad', 'no JSON', 0)
  world.campaign(null, '{"name":"nobody"}', 1)
  world.named('good', 'fine', 2)
  for (const id of ['bad', 'good']) world.order('k', id, 1)
  const engine = await world.startGlobal()
  await world.clock.advance(2_000)
  expect(world.read()).toEqual(['bad none', 'good fine'])
  expect(world.stats.unreadableRows).toEqual(new Map([['campaigns', 2]]))
  expect(world.lines).toContainEqual(expect.stringMatching(/^warn: .*campaigns\/0\/1 is no row/))
  expect(world.lines).toContainEqual(expect.stringMatching(/^warn: .*campaigns\/1\/0 is no row: it has no key/))
  await world.settled(engine.stop())
})

test('a topic that is not there is named at the start, with who needs it', async () => {
  const world = new TableWorld()
  const { handler } = new GlobalWorld()
  await expect(world.start('a', { actor: { handler } })).rejects.toMatchObject({
    code: 'TOPIC_MISSING',
    message: expect.stringContaining('campaigns') as string,
  })
})

test('what is in an open transaction at the start is waited for, and a start that waits says so', async () => {
  const world = new GlobalWorld()
  const transaction = world.broker.beginTransaction({ topic: 'campaigns', partition: 0 })
  transaction.append({ key: Buffer.from('c'), value: Buffer.from('{"name":"open"}'), headers: [], timestamp: 1 })
  world.order('k', 'c', 1)
  const starting = world.starting('a', { actor: { handler: world.handler } })
  await world.clock.advance(11_000)
  expect(world.read()).toEqual([])
  expect(world.lines).toContainEqual(expect.stringContaining('not yet to their end: campaigns/0'))
  transaction.commit()
  const engine = await world.settled(starting)
  await world.clock.advance(1_000)
  expect(world.read()).toEqual(['c open'])
  await world.settled(engine.stop())
})

test('an app that keeps nothing is not exactly-once for a global table, and one handler may have tables of both kinds', async () => {
  const world = new GlobalWorld()
  world.named('c1', 'spring', 2)
  world.customer('ann', 'gold', 1)
  world.order('ann', 'c1', 2)
  const handler = defineHandler({
    input: orders,
    outputs: [out],
    tables: { campaigns: globalTableOf(campaigns), customers: tableOf(customers) },
    handle: (id, { tables }) =>
      done([out.record(`${tables.campaigns.get(id)?.name ?? '-'} ${tables.customers.get()?.tier ?? '-'}`)]),
  })
  const engine = await world.start('a', { actor: { handler } })
  await world.clock.advance(2_000)
  expect(world.read()).toEqual(['spring gold'])
  await world.settled(engine.stop())
})

test('on threads a global table is refused, with what to do', () => {
  const { handler } = new GlobalWorld()
  const settings = { actor: 'price', groupId: 'group', order: 'key', idHeader: false } as const
  expect(() => partOnThreads(handler as never, settings)).toThrow(/price runs on threads.*campaigns.*runOn: 'main'/)
})
