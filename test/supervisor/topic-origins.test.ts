/** Partitions that are added and topics that are made anew, under a group that goes on: on the fake broker. */
import { describe, expect, test } from 'vitest'
import { defineHandler, done } from '../../src/actors/handlers/handler.ts'
import { silentLog } from '../../src/log.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import { resolveOptions } from '../../src/options/resolve.ts'
import { text } from '../../src/streams/flows/codec.ts'
import { topic } from '../../src/streams/flows/flow.ts'
import { Engine } from '../../src/supervisor/engine.ts'
import { FakeBroker } from '../../src/testing/broker/fake-broker.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { settled } from '../support/settled.ts'

class World {
  readonly clock = new ManualClock()
  readonly broker = new FakeBroker({ clock: this.clock })
  readonly seen: string[] = []
  readonly stats = new EngineStats()

  constructor() {
    this.broker.createTopic('clicks', 2)
  }

  async start(name: string, startFrom: 'earliest' | 'latest'): Promise<Engine> {
    const handler = defineHandler({
      input: topic('clicks', { value: text }),
      handle: (value) => {
        this.seen.push(value)
        return done()
      },
    })
    const app = resolveOptions({
      kafka: { brokers: 'fake:9092', groupId: 'group' },
      actors: [{ name: 'count', handler, startFrom }],
    })
    const { clock, stats } = this
    const parts = { app, broker: this.broker.client(name), clock, random: () => 0, log: silentLog, stats }
    const engine = await settled(clock, Engine.start(parts))
    await clock.advance(2_000)
    return engine
  }

  append(count: number, prefix: string, partition: number): void {
    for (let n = 0; n < count; n += 1) this.broker.append('clicks', { value: `${prefix}${n}`, partition })
  }

  countOf(prefix: string): number {
    return new Set(this.seen.filter((value) => value.startsWith(prefix))).size
  }
}

describe('startFrom: latest', () => {
  test('belongs to partitions that were there when the group began; of one that is added no record is skipped', async () => {
    const world = new World()
    world.append(3, 'old', 0)
    const engine = await world.start('one', 'latest')
    world.broker.addPartitions('clicks', 3)
    world.append(4, 'added', 2)
    await world.clock.advance(5_000)
    expect(world.countOf('added')).toBe(4)
    expect(world.countOf('old')).toBe(0)
    await settled(world.clock, engine.stop())
  })

  test('also while nobody is there, and on a member that was not when the group began', async () => {
    const world = new World()
    await settled(world.clock, (await world.start('one', 'latest')).stop())
    world.broker.addPartitions('clicks', 3)
    world.append(4, 'added', 2)
    const engine = await world.start('two', 'latest')
    expect(world.countOf('added')).toBe(4)
    await settled(world.clock, engine.stop())
  })

  test('holds from the start on: what comes before anything was handled is not skipped after a crash', async () => {
    const world = new World()
    world.append(3, 'old', 0)
    await world.start('one', 'latest')
    world.broker.crash('one')
    world.append(4, 'left', 0)
    world.append(4, 'right', 1)
    await world.clock.advance(10_000)
    const engine = await world.start('two', 'latest')
    expect([world.countOf('left'), world.countOf('right'), world.countOf('old')]).toEqual([4, 4, 0])
    await settled(world.clock, engine.stop())
  })
})

describe('a topic that was deleted and made again', () => {
  test.each([
    { startFrom: 'earliest', records: 150 },
    { startFrom: 'latest', records: 150 },
    // Fewer than before: the position is gone, which the client tells first.
    { startFrom: 'earliest', records: 50 },
    { startFrom: 'latest', records: 50 },
  ] as const)(
    'under a running member is read from its beginning ($startFrom, $records records)',
    async ({ startFrom, records }) => {
      const world = new World()
      const engine = await world.start('one', startFrom)
      world.append(100, 'old', 0)
      await world.clock.advance(2_000)
      expect(world.countOf('old')).toBe(100)
      world.broker.deleteTopic('clicks')
      world.broker.createTopic('clicks', 2)
      world.append(records, 'new', 0)
      await world.clock.advance(10_000)
      expect(world.countOf('new')).toBe(records)
      expect(world.broker.committed({ topic: 'clicks', partition: 0 })?.position).toBe(records)
      await settled(world.clock, engine.stop())
    },
  )

  test('while nobody was there: position and map of the old one are refused, which is counted', async () => {
    const world = new World()
    const engine = await world.start('one', 'earliest')
    world.append(100, 'old', 0)
    await world.clock.advance(2_000)
    await settled(world.clock, engine.stop())
    const { metadata } = world.broker.committed({ topic: 'clicks', partition: 0 })!
    world.broker.deleteTopic('clicks')
    world.broker.createTopic('clicks', 2)
    // As by a member that had not noticed.
    world.broker.group().setCommitted({ topic: 'clicks', partition: 0 }, 100, metadata)
    world.append(150, 'new', 0)
    const next = await world.start('two', 'earliest')
    expect(world.countOf('new')).toBe(150)
    expect(world.stats.partition('count', 'clicks', 0).topicReplaced).toBe(1)
    await settled(world.clock, next.stop())
  })
})
