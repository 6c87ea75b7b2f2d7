/** What a failed record does to the whole engine: on the fake broker, with a clock of its own. */
import { expect, test } from 'vitest'
import { defineHandler, done, type FailedRecords } from '../../src/actors/handlers/handler.ts'
import { TerminalError } from '../../src/errors.ts'
import { silentLog } from '../../src/log.ts'
import { resolveOptions } from '../../src/options/resolve.ts'
import { text } from '../../src/streams/flows/codec.ts'
import { topic } from '../../src/streams/flows/flow.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import { Engine, type EngineEnd } from '../../src/supervisor/engine.ts'
import { FakeBroker } from '../../src/testing/broker/fake-broker.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { settled } from '../support/settled.ts'

function makeWorld(failedRecords: FailedRecords, partitions = 1, actor: { deadLetter?: string } = {}) {
  const clock = new ManualClock()
  const broker = new FakeBroker({ clock })
  broker.createTopic('clicks', partitions)
  const seen: string[] = []
  const bad = new Set<string>()
  const handler = defineHandler({
    input: topic('clicks', { value: text }),
    handle: (value) => {
      seen.push(value)
      if (bad.has(value)) throw new TerminalError(`${value} is bad`)
      return done()
    },
  })
  const app = resolveOptions({
    kafka: { brokers: 'fake:9092', groupId: 'group' },
    actors: [{ name: 'count', handler, failedRecords, ...actor }],
    intake: { maxPartitionRecords: 20 },
  })
  const start = (name: string): Promise<Engine> =>
    settled(
      clock,
      Engine.start({
        app,
        broker: broker.client(name),
        clock: broker.client(name).clock,
        random: () => 0,
        log: silentLog,
        stats: new EngineStats(),
      }),
    )
  const append = (value: string, key: string, partition = 0): void => {
    broker.append('clicks', { value, key, partition })
  }
  return { append, bad, broker, clock, seen, start }
}

const failureOf = (end: EngineEnd): unknown => (end.reason === 'failed' ? end.error : end.reason)

test('escalate: the supervisor drains, leaves the group and ends with the error', async () => {
  const { append, bad, broker, clock, start } = makeWorld('escalate', 2)
  bad.add('b')
  append('a', 'k0', 0)
  append('c', 'k1', 1)
  const engine = await start('one')
  await clock.advance(1_000)
  append('b', 'k0', 0)
  const end = await settled(clock, engine.finished)
  expect(failureOf(end)).toMatchObject({ code: 'ESCALATED', message: expect.stringContaining('clicks/0/1') as unknown })
  expect(engine.state).toBe('ended')
  const positions = [0, 1].map((partition) => broker.committed({ topic: 'clicks', partition })?.position)
  expect(positions).toEqual([1, 1])
})

test('park: others go on, a decision lets the key go on, and the position passes it', async () => {
  const { append, bad, broker, clock, seen, start } = makeWorld('park')
  bad.add('a')
  append('a', 'bad')
  append('a2', 'bad')
  append('b', 'good')
  const engine = await start('one')
  await clock.advance(2_000)
  expect(seen).toEqual(['a', 'b'])
  expect(engine.parked()).toMatchObject([
    { id: 'clicks/0/0', actor: 'count', key: 'sha256:2f05d4b689d270ca', waitingBehind: 1 },
  ])
  expect(engine.status().partitions[0]?.waitsFor).toMatchObject({ id: 'clicks/0/0', stage: 'parked' })
  expect(engine.health()).toEqual({ healthy: true, status: 'ok', reasons: [] })
  expect(() => {
    engine.decide('clicks/0/1', 'skip')
  }).toThrow(/not parked/)
  bad.delete('a')
  engine.decide('clicks/0/0', 'retry')
  await clock.advance(2_000)
  expect(seen).toEqual(['a', 'b', 'a', 'a2'])
  expect(broker.committed({ topic: 'clicks', partition: 0 })?.position).toBe(3)
  await settled(clock, engine.stop())
})

// Case 58.
test('park: a stop does not wait for it; after a restart it is handled again, and what was finished behind it is not', async () => {
  const { append, bad, clock, seen, start } = makeWorld('park')
  bad.add('a')
  append('a', 'bad')
  append('b', 'good')
  const one = await start('one')
  await clock.advance(2_000)
  const stopsAtMs = clock.now()
  await settled(clock, one.stop())
  expect(clock.now() - stopsAtMs).toBeLessThan(2_000)
  const two = await start('two')
  await clock.advance(2_000)
  expect(seen).toEqual(['a', 'b', 'a'])
  expect(two.parked()).toHaveLength(1)
  await settled(clock, two.stop())
})

test('park: a hot key that waits stops its partition at half of the limit; the others keep theirs', async () => {
  const { append, bad, clock, seen, start } = makeWorld('park', 2)
  bad.add('bad')
  append('bad', 'hot')
  for (let count = 0; count < 200; count += 1) append(`h${count}`, 'hot')
  const engine = await start('one')
  await clock.advance(2_000)
  expect(engine.status().partitions[0]).toMatchObject({ isPaused: true, intakeStoppedBy: ['waiting-keys'] })
  for (let count = 0; count < 200; count += 1) append(`g${count}`, `k${count}`, 1)
  await clock.advance(5_000)
  expect(seen.filter((value) => value.startsWith('g'))).toHaveLength(200)
  engine.decide('clicks/0/0', 'skip')
  await clock.advance(5_000)
  expect(seen.filter((value) => value.startsWith('h'))).toHaveLength(200)
  expect(engine.status().recordsInFlight).toBe(0)
  await settled(clock, engine.stop())
})

// Case 39.
test('dead-letter: a crash between the letter and its commit repeats the letter and loses nothing', async () => {
  const { append, bad, broker, clock, seen, start } = makeWorld('dead-letter', 1, { deadLetter: 'dead' })
  broker.createTopic('dead', 1)
  bad.add('a')
  await start('one')
  await clock.advance(1_000)
  broker.client('one').crashAt('written')
  append('a', 'k')
  append('b', 'k')
  await clock.advance(1_000)
  expect(broker.records('dead')).toHaveLength(1)
  expect(broker.committed({ topic: 'clicks', partition: 0 })?.position ?? 0).toBe(0)
  const two = await start('two')
  await clock.advance(20_000)
  const letters = broker.records('dead').map(({ value }) => Buffer.from(value ?? []).toString())
  expect(letters).toEqual(['a', 'a'])
  expect([seen.slice(-2), broker.committed({ topic: 'clicks', partition: 0 })?.position]).toEqual([['a', 'b'], 2])
  await settled(clock, two.stop())
})

// Case 51.
test("the user's pause holds over a rebalance, and resume brings what has piled up", async () => {
  const { append, clock, seen, start } = makeWorld('dead-letter', 2)
  const engine = await start('one')
  await clock.advance(1_000)
  engine.pause('clicks', 1)
  const other = await start('two')
  await clock.advance(5_000)
  await settled(clock, other.stop())
  await clock.advance(5_000)
  append('a', 'k', 0)
  append('b', 'k', 1)
  await clock.advance(2_000)
  expect(seen).toEqual(['a'])
  expect(engine.status().partitions.map(({ intakeStoppedBy }) => intakeStoppedBy)).toContainEqual(['user'])
  engine.resume()
  await clock.advance(2_000)
  expect(seen).toEqual(['a', 'b'])
  await settled(clock, engine.stop())
})
