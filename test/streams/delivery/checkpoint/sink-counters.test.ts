/** What metrics and /status say of Kafka as a sink where outputs go in checkpoints: the same as anywhere else. */
import { expect, test } from 'vitest'
import { ExactlyOnceWorld } from './exactly-once-world.ts'

test('outputs and dead letters are counted once, as durable, when their checkpoint stands', async () => {
  const world = new ExactlyOnceWorld()
  const engine = await world.start()
  world.append('v0', 'fail', 'v1', 'none')
  await world.clock.advance(3_000)
  expect(world.stats.sink('kafka')).toMatchObject({ durable: 2, refused: 0, purged: 0, queued: 0, isAvailable: true })
  expect(world.stats.sink('dead-letters')).toMatchObject({ durable: 1, refused: 0, purged: 0, queued: 0 })
  const { batchOutputs, writeSeconds, written } = world.stats.sink('kafka')
  expect([batchOutputs.count, writeSeconds.count]).toEqual([written, written])
  expect(batchOutputs.sum).toBe(2)
  await world.settled(engine.stop())
})

test('while no checkpoint goes through they are queued, the sink is unavailable, and each try is one that was not', async () => {
  const world = new ExactlyOnceWorld()
  const engine = await world.start()
  world.fault('commit', 'unavailable', 8)
  world.append('v0', 'v1', 'fail')
  await world.clock.advance(2_000)
  expect(world.stats.sink('kafka')).toMatchObject({ durable: 0, queued: 2, isAvailable: false })
  expect(world.stats.sink('dead-letters')).toMatchObject({ durable: 0, queued: 1, isAvailable: false })
  await world.clock.advance(60_000)
  expect(world.stats.sink('kafka')).toMatchObject({ durable: 2, queued: 0, isAvailable: true, unavailable: 8 })
  await world.settled(engine.stop())
})

test('one that is refused is counted as that, and those that begin again with it as dropped, until they are durable', async () => {
  const world = new ExactlyOnceWorld()
  const engine = await world.start()
  world.broker.faults.refuseRecord = ({ topic, value }) =>
    topic === 'out' && Buffer.from(value ?? []).toString() === 'v1' ? 'of no use' : null
  world.append('v0', 'v1', 'v2')
  await world.clock.advance(10_000)
  expect(world.stats.checkpoints.rewinds).toBe(1)
  expect(world.stats.sink('kafka')).toMatchObject({ durable: 2, refused: 1, purged: 2, queued: 0 })
  expect(world.stats.sink('dead-letters')).toMatchObject({ durable: 1, refused: 0, purged: 0, queued: 0 })
  await world.settled(engine.stop())
})

test('what is lost with its partition is dropped: nothing stays queued', async () => {
  const world = new ExactlyOnceWorld()
  const engine = await world.start()
  world.fault('commit', 'unavailable', Infinity)
  world.append('v0', 'v1')
  await world.clock.advance(2_000)
  world.broker.expelMember('a')
  await world.clock.runUntil(() => world.stats.rebalances.lost === 1)
  await world.clock.advance(200)
  expect(world.stats.sink('kafka')).toMatchObject({ durable: 0, purged: 2 })
  world.fault('commit', 'unavailable', 0)
  await world.clock.advance(60_000)
  expect(world.stats.sink('kafka')).toMatchObject({ durable: 2, queued: 0, isAvailable: true })
  await world.settled(engine.stop())
})
