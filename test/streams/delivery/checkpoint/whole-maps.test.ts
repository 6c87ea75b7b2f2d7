/** Outputs and state are of all that is finished: a position that goes with them tells of all of it, or does not go. */
import { expect, test } from 'vitest'
import { DRAIN_TIMEOUT_MS, ExactlyOnceWorld, INTERVAL_MS } from './exactly-once-world.ts'

/** Out of order in the worst way: every other record stays at its handler. */
function appendHoles(world: ExactlyOnceWorld, count: number, word = ''): string[] {
  const values = Array.from({ length: count }, (_, at) => [`hold-${word}${at}`, `early-${word}${at}`]).flat()
  world.append(...values)
  return values
}

test('however many partitions one process has, the map goes along: no owner handles again what is finished', async () => {
  const world = new ExactlyOnceWorld({ partitions: 1_800 })
  await world.start('a')
  const values = appendHoles(world, 100)
  await world.clock.advance(3_000)
  expect(world.read()).toHaveLength(100)
  world.broker.crash('a')
  await world.clock.advance(20_000)
  const other = await world.start('b')
  await world.clock.advance(3_000)
  world.letGo()
  await world.clock.advance(3_000)
  expect(world.read().toSorted()).toEqual(values.toSorted())
  await world.settled(other.kill())
})

for (const end of ['crash', 'stop'] as const) {
  test(`brokers that keep less text with a position never get one without its map: after a ${end} each output stands once`, async () => {
    const world = new ExactlyOnceWorld({ maxMetadataCharacters: 40, latencyMs: [1, 1] })
    const engine = await world.start('a')
    const values = appendHoles(world, 200)
    await world.clock.advance(60_000)
    expect(engine.readiness().reasons).toEqual([
      expect.stringMatching(/^sink kafka is unavailable: in\/0: .*offset\.metadata\.max\.bytes/),
    ])
    const endedAt = world.clock.now()
    if (end === 'stop') {
      // Its map becomes no shorter by waiting: but for the drain, nothing holds up the stop.
      await world.settled(engine.stop())
      expect(world.clock.now() - endedAt).toBeLessThan(DRAIN_TIMEOUT_MS + 1_000)
    } else world.broker.crash('a')
    await world.clock.advance(20_000)
    const other = await world.start('b')
    for (let turn = 0; turn < 60; turn += 1) {
      await world.clock.advance(1_000)
      world.letGo()
    }
    values.push(...appendHoles(world, 1, 'last'))
    await world.clock.advance(1_000)
    world.letGo()
    await world.clock.advance(3_000)
    expect(other.readiness().reasons).toEqual([])
    expect(world.read().toSorted()).toEqual(values.toSorted())
    await world.settled(other.stop())
  })
}

test('one that never fits is looked at once an interval, also where its beginning was to be committed at once', async () => {
  let freezes = 0
  const world = new ExactlyOnceWorld({ maxMetadataCharacters: 5 })
  const onCheckpoint = (point: string): void => void (freezes += point === 'before-freeze' ? 1 : 0)
  const engine = await world.start('a', { actor: { startFrom: 'latest' }, onCheckpoint })
  world.append('v')
  await world.clock.advance(60_000)
  freezes = 0
  await world.clock.advance(10_000)
  expect(freezes).toBeGreaterThan(0)
  expect(freezes).toBeLessThanOrEqual(10_000 / INTERVAL_MS + 1)
  await world.settled(engine.kill())
})
