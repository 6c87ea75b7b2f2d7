/** What /status says of records that are handled and not durable yet. */
import { expect, test } from 'vitest'
import { ExactlyOnceWorld } from '../../streams/delivery/checkpoint/exactly-once-world.ts'

test('while the brokers refuse checkpoints, /status says that handled records wait for them, and which record is really unfinished', async () => {
  const world = new ExactlyOnceWorld()
  const engine = await world.start()
  world.fault('commit', 'unavailable', Infinity)
  world.append('a', 'hold', 'b')
  await world.clock.advance(12_000)
  const status = engine.status()
  expect(status.actors[0]?.constraint).toMatchObject({ by: 'checkpoint', subject: 'brokers' })
  expect(status.actors[0]?.constraint?.why).toContain('the checkpoint of 2 handled records waits for the brokers: ')
  // The first record held is handled already: the position waits for the one at its handler.
  expect(status.partitions[0]).toMatchObject({ inFlight: 3, waitsFor: { id: 'in/0/1', stage: 'at-handler' } })
  expect(status.troubles).toMatchObject([{ kind: 'sink', about: 'kafka', severity: 'degraded' }])
  world.broker.faults.answerTransaction = () => null
  world.letGo()
  await world.clock.advance(30_000)
  expect(engine.status()).toMatchObject({ troubles: [], recordsInFlight: 0 })
  expect(world.read().toSorted()).toEqual(['a', 'b', 'hold'])
  await world.settled(engine.stop())
})
