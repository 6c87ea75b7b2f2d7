/** A partition that begins again where its last checkpoint stands, because a destination refuses what it has made. */
import { expect, test } from 'vitest'
import { defineHandler, done } from '../../../../src/actors/handlers/handler.ts'
import { sleep } from '../../../../src/clock.ts'
import { text } from '../../../../src/streams/flows/codec.ts'
import { topic } from '../../../../src/streams/flows/flow.ts'
import { ExactlyOnceWorld } from './exactly-once-world.ts'

/** The topic takes none of these. */
function refuse(world: ExactlyOnceWorld, ...refused: string[]): void {
  world.broker.faults.refuseRecord = ({ topic, value }) =>
    topic === 'out' && refused.includes(Buffer.from(value ?? []).toString()) ? 'of no use' : null
}

const endsWith7 = (value: string): boolean => value.endsWith('7')

/** Of what the topic is sent in turn it takes all but each tenth. */
function refuseSevens(world: ExactlyOnceWorld): void {
  world.broker.faults.refuseRecord = ({ topic: name, value }) =>
    name === 'out' && endsWith7(Buffer.from(value ?? []).toString()) ? 'of no use' : null
}

/** 500 records a second, for so many tenths. */
async function appendSteadily(world: ExactlyOnceWorld, tenths: number): Promise<string[]> {
  const values = Array.from({ length: 50 * tenths }, (_, at) => `v${at}`)
  for (let tenth = 0; tenth < tenths; tenth += 1) {
    world.append(...values.slice(50 * tenth, 50 * (tenth + 1)))
    await world.clock.advance(100)
  }
  return values
}

test('what was finished out of order before a rewind is in the next map: no owner handles it again', async () => {
  const world = new ExactlyOnceWorld()
  await world.start('a')
  refuse(world, 'bad')
  world.append('hold1', 'early', 'hold2')
  await world.clock.advance(1_000)
  expect(world.read()).toEqual(['early'])
  world.append('bad')
  await world.clock.advance(2_000)
  expect(world.stats.checkpoints.rewinds).toBe(1)
  world.append('late')
  // What was held at the rewind is still at its handler: then nothing more comes for a while.
  await world.clock.advance(12_000)
  expect(world.read()).toEqual(['early', 'late'])
  world.broker.crash('a')
  await world.clock.advance(20_000)
  const other = await world.start('b')
  await world.clock.advance(2_000)
  world.letGo()
  await world.clock.advance(2_000)
  expect(world.handled.filter((value) => value === 'early')).toHaveLength(1)
  expect(world.read().toSorted()).toEqual(['early', 'hold1', 'hold2', 'late'])
  await world.settled(other.stop())
})

test('a partition that is being given back is not begun again: its next owner begins at the last checkpoint', async () => {
  const world = new ExactlyOnceWorld({ partitions: 2 })
  const engine = await world.start('a')
  for (const partition of [0, 1]) world.appendTo(partition, `first${partition}`)
  await world.clock.advance(1_000)
  world.broker.faults.transactionDelayMs = (step) => (step === 'write' ? 600 : 0)
  refuse(world, 'bad0', 'bad1')
  for (const partition of [0, 1]) world.appendTo(partition, `bad${partition}`, `good${partition}`)
  await world.clock.advance(150)
  const other = await world.start('b')
  await world.clock.advance(20_000)
  expect(world.read().toSorted()).toEqual(['first0', 'first1', 'good0', 'good1'])
  expect(world.read('dlq').toSorted()).toEqual(['bad0', 'bad1'])
  for (const partition of [0, 1]) world.appendTo(partition, `last${partition}`)
  await world.clock.advance(2_000)
  expect(world.handled.filter((value) => value.startsWith('last'))).toHaveLength(2)
  expect([engine, other].map((each) => each.status().partitions.length)).toEqual([1, 1])
  await world.settled(Promise.all([engine.stop(), other.stop()]))
  expect(world.log.filter((line) => line.includes('given back without what it has handled last'))).toHaveLength(1)
})

test('what is admitted again takes the room that it had: no more is in flight than may be', async () => {
  const world = new ExactlyOnceWorld({ partitions: 2 })
  const engine = await world.start('a', {
    intake: { maxRecords: 4, maxPartitionRecords: 4 },
    checkpointIntervalMs: 1_000,
  })
  refuse(world, 'bad')
  world.append('first')
  await world.clock.advance(500)
  world.append('hold0', 'bad')
  await world.clock.advance(50)
  world.appendTo(1, ...Array.from({ length: 20 }, (_, at) => `hold-v${at}`))
  let most = 0
  for (let ms = 0; ms < 2_000; ms += 1) {
    await world.clock.advance(1)
    most = Math.max(most, engine.status().recordsInFlight)
  }
  expect(world.stats.checkpoints.rewinds).toBe(1)
  expect(most).toBe(4)
  await world.settled(engine.kill())
})

test('the end of the log is known after a rewind as before: the position passes the markers there', async () => {
  const world = new ExactlyOnceWorld()
  const engine = await world.start('a', { checkpointIntervalMs: 1_000 })
  refuse(world, 'bad')
  world.append('first')
  await world.clock.advance(500)
  world.append('hold', 'bad')
  world.broker.appendMarkers({ topic: 'in', partition: 0 }, 3)
  await world.clock.advance(2_000)
  expect(world.stats.checkpoints.rewinds).toBe(1)
  world.letGo()
  await world.clock.advance(2_000)
  expect(world.read('dlq')).toEqual(['bad'])
  expect(world.position).toBe(6)
  await world.settled(engine.stop())
})

test('a partition that has halted stays so: what it has dropped is not passed, and its next owner handles it', async () => {
  const world = new ExactlyOnceWorld()
  const engine = await world.start('a', { actor: { deadLetter: undefined, order: 'partition' } })
  refuse(world, 'bad')
  world.append('first')
  await world.clock.advance(1_000)
  world.append('bad', 'fail', 'v')
  await world.clock.advance(5_000)
  world.append('later')
  await world.clock.advance(5_000)
  expect(engine.health().reasons.join()).toMatch(/in\/0\/2/)
  expect([world.read(), world.position]).toEqual([['first'], 1])
  expect(engine.status().recordsInFlight).toBe(0)
  await world.settled(engine.stop())
  const next = await world.start('b')
  await world.clock.advance(5_000)
  expect(world.read()).toEqual(['first', 'v', 'later'])
  expect(world.read('dlq').toSorted()).toEqual(['bad', 'fail'])
  await world.settled(next.stop())
})

test('where a topic refuses a few of very many for good, the others go on: no rewind follows another without end', async () => {
  const world = new ExactlyOnceWorld()
  const engine = await world.start('a')
  refuseSevens(world)
  const values = await appendSteadily(world, 100)
  // All of it is handled twice, and what is given up not even that, give or take what was under way.
  expect(world.handled.length).toBeLessThan(3 * values.length)
  expect(world.position).toBeGreaterThan(4_000)
  await world.clock.advance(5_000)
  expect(world.read().toSorted()).toEqual(values.filter((value) => !endsWith7(value)).toSorted())
  expect(world.read('dlq').toSorted()).toEqual(values.filter(endsWith7).toSorted())
  await world.settled(engine.stop())
})

test('however many are refused at once, each is given up', async () => {
  const world = new ExactlyOnceWorld()
  const engine = await world.start('a', { checkpointIntervalMs: 1_000 })
  world.broker.faults.refuseRecord = ({ topic }) => (topic === 'out' ? 'of no use' : null)
  const values = Array.from({ length: 9_500 }, (_, at) => `v${at}`)
  world.append(...values)
  await world.clock.advance(20_000)
  expect(world.read('dlq')).toHaveLength(values.length)
  expect([engine.state, world.position]).toEqual(['running', values.length])
  await world.settled(engine.stop())
})

test('and where its handler takes its time as well: a checkpoint of nothing does not let in more', async () => {
  const world = new ExactlyOnceWorld()
  const out = topic('out', { value: text })
  let handled = 0
  const handler = defineHandler({
    name: 'copy',
    input: topic('in', { value: text }),
    outputs: [out],
    handle: async (value) => {
      handled += 1
      await sleep(world.clock, 150)
      return done([out.record(value)])
    },
  })
  const engine = await world.start('a', { actor: { name: 'copy', handler, concurrency: 1_000 } })
  refuseSevens(world)
  const values = await appendSteadily(world, 60)
  await world.clock.advance(20_000)
  expect(handled).toBeLessThan(4 * values.length)
  expect(world.read().toSorted()).toEqual(values.filter((value) => !endsWith7(value)).toSorted())
  expect(world.read('dlq').toSorted()).toEqual(values.filter(endsWith7).toSorted())
  await world.settled(engine.stop())
})
