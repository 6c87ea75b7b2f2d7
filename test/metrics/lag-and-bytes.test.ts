/** What a partition's numbers say of bytes and lag, against what a test counts itself. */
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
import { makeActor, oneOutput, sourceRecord } from '../actors/actor-fixture.ts'
import { settled } from '../support/settled.ts'

describe('bytes received', () => {
  test('are those of keys, values and headers, and nothing that we need around them', () => {
    const { actor, stats } = makeActor()
    const record = sourceRecord(0, 'key')
    const headers = [
      ['träce', Buffer.from('abc')],
      ['none', null],
    ] as const
    actor.admit([
      { ...record, value: Buffer.alloc(1_000), headers },
      { ...sourceRecord(1, null), value: null },
    ])
    // key 3, value 1,000, headers 6 + 3 and 4 + 0; then no key, no value, and the header trace=t.
    expect(stats.partition('enrich', 'clicks', 0).receivedBytes).toBe(3 + 1_000 + 9 + 4 + 6)
  })
})

describe('lag', () => {
  test('counts what was read since the end of the log was asked for', () => {
    const { actor, clock, delivery, stats, take } = makeActor({ position: 10 })
    const numbers = stats.partition('enrich', 'clicks', 0)
    numbers.noteLogEnd(10, clock.now())
    expect(numbers.lag).toBe(0)
    actor.admit([sourceRecord(10, 'a'), sourceRecord(11, 'b'), sourceRecord(12, 'c')])
    expect(numbers.lag).toBe(3)
    actor.settle(take(1), [oneOutput])
    delivery.makeDurable()
    expect(numbers.lag).toBe(2)
    numbers.noteLogEnd(20, clock.now())
    expect(numbers.lag).toBe(9)
  })

  test('is known from the first records on, before anything was committed, asked for or finished', () => {
    const { actor, stats } = makeActor({ position: null })
    const numbers = stats.partition('enrich', 'clicks', 0)
    expect(numbers.lag).toBeNull()
    actor.admit([sourceRecord(100, 'a'), sourceRecord(104, 'b')])
    expect(numbers).toMatchObject({ safePosition: 100, lag: 5 })
  })

  test('of the next owner begins anew', () => {
    const { actor, stats } = makeActor()
    actor.admit([sourceRecord(0), sourceRecord(1)])
    actor.fence()
    expect(stats.partition('enrich', 'clicks', 0).lag).toBeNull()
  })

  test('of an actor that starts at the end is none, whatever the log holds', async () => {
    const clock = new ManualClock()
    const broker = new FakeBroker({ clock })
    broker.createTopic('clicks', 1)
    for (let at = 0; at < 50; at += 1) broker.append('clicks', { value: 'old', partition: 0 })
    const handler = defineHandler({ input: topic('clicks', { value: text }), handle: () => done() })
    const app = resolveOptions({
      kafka: { brokers: 'fake:9092', groupId: 'group' },
      actors: [{ name: 'count', handler, startFrom: 'latest' }],
    })
    const client = broker.client('one')
    const parts = { app, broker: client, clock: client.clock, random: () => 0, log: silentLog }
    const engine = await settled(clock, Engine.start({ ...parts, stats: new EngineStats() }))
    await clock.advance(10_000)
    expect(engine.status().partitions).toMatchObject([{ lag: 0, inFlight: 0 }])
    await settled(clock, engine.stop())
  })
})

test('what is unread is what stands behind the last record read, however many are finished beyond a stuck one', () => {
  const { actor, clock, stats, take } = makeActor({ actor: { order: 'unordered' } })
  const numbers = stats.partition('enrich', 'clicks', 0)
  actor.admit([sourceRecord(0), sourceRecord(1), sourceRecord(2)])
  take(1)
  actor.settle(take(2), [{ type: 'skip' }, { type: 'skip' }])
  numbers.noteLogEnd(3, clock.now())
  expect([numbers.lag, numbers.unread]).toEqual([3, 0])
  numbers.noteLogEnd(8, clock.now())
  expect([numbers.lag, numbers.unread]).toEqual([8, 5])
})
