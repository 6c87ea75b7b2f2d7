/** Stores that outlive their process: whoever comes back to one has what is committed, whoever has gone on meanwhile. */
import { describe, expect, test } from 'vitest'
import { questionOf } from '../../src/state/state-question.ts'
import type { Engine } from '../../src/supervisor/engine.ts'
import { CHANGELOG, StateApp } from '../support/state-app.ts'
import { MapStores } from '../support/map-store.ts'

class DiskWorld extends StateApp {
  readonly disk = new MapStores()

  constructor() {
    super(1)
    this.disk.kind = 'disk'
  }

  /** With what was left on this disk. */
  startHere(): Promise<Engine> {
    return this.start('here', this.stats, { openStores: () => Promise.resolve(this.disk), drainTimeoutMs: 1_000 })
  }

  async count(engine: Engine, ...keys: string[]): Promise<void> {
    for (const key of keys) this.append(0, key)
    await this.clock.advance(2_000)
    expect(engine.state).toBe('running')
  }
}

/** What is committed for this key. */
function totalOf(engine: Engine, key: string): unknown {
  return engine.report(questionOf('count', { key, name: 'total' })).entries.map(({ value }) => value)[0]
}

test('a checkpoint that outlasts its hand-over is not lost to a store that comes back after others have gone on', async () => {
  const world = new DiskWorld()
  const first = await world.startHere()
  await world.count(first, 'x')
  world.broker.faults.transactionDelayMs = (step) => (step === 'commit' ? 6_000 : 0)
  world.append(0, 'x')
  await world.clock.advance(150)
  await world.settled(first.stop())
  world.broker.faults.transactionDelayMs = () => 0
  const other = await world.start('there')
  await world.clock.advance(20_000)
  await world.count(other, 'y')
  await world.settled(other.stop())
  const again = await world.startHere()
  await world.clock.advance(20_000)
  expect(totalOf(again, 'x')).toBe(2)
  await world.count(again, 'x')
  expect(totalOf(again, 'x')).toBe(3)
  await world.settled(again.stop())
})

describe('the mark that an epoch leaves', () => {
  test('stands below what another has open in the changelog: it may be about to commit', async () => {
    const world = new DiskWorld()
    const engine = await world.startHere()
    await world.count(engine, 'x')
    const { end } = world.broker.log({ topic: CHANGELOG, partition: 0 })
    const another = world.broker
      .client('there')
      .transactionalProducer({ transactionalId: 'another', transactionTimeoutMs: 60_000 })
    await world.settled(another.connect())
    another.begin()
    await world.settled(another.send([{ topic: CHANGELOG, partition: 0, key: Buffer.from('k'), value: null }]))
    await world.settled(engine.stop())
    expect(world.disk.of(0).mark?.changelogPosition).toBe(end)
  })

  test('stands at the end of the changelog otherwise, so that the next start reads nothing', async () => {
    const world = new DiskWorld()
    const engine = await world.startHere()
    await world.count(engine, 'x', 'y')
    await world.settled(engine.stop())
    expect(world.disk.of(0).mark?.changelogPosition).toBe(world.broker.log({ topic: CHANGELOG, partition: 0 }).end)
  })
})
