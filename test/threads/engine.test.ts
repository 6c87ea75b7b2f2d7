/** The engine on threads, with a broker without Kafka. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { describeError } from '../../src/errors.ts'
import { silentLog } from '../../src/log.ts'
import { resolveOptions } from '../../src/options/resolve.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import { Engine } from '../../src/supervisor/engine.ts'
import { FakeBroker } from '../../src/testing/broker/fake-broker.ts'
import { fixtureUrl } from './pool-fixture.ts'

const SOON = { interval: 20 }
const directory = mkdtempSync(join(tmpdir(), 'troupe-threads-'))

afterAll(() => {
  rmSync(directory, { recursive: true })
})

test('threads that cannot be replaced end the engine with the cause, not with a wait', async () => {
  const broker = new FakeBroker({ clock: systemClock })
  broker.createTopic('scripts', 1)
  const url = fixtureUrl('dies-again.js', { marker: join(directory, 'marker'), then: 'throw' })
  const engine = await Engine.start({
    app: resolveOptions({
      kafka: { brokers: 'fake:9092', groupId: 'group' },
      actors: [{ name: 'count', handler: new URL(url), runOn: 'threads', failedRecords: 'stop' }],
      threads: { count: 2 },
    }),
    broker: broker.client('member'),
    clock: systemClock,
    random: () => 0,
    log: silentLog,
    stats: new EngineStats(),
  })
  broker.append('scripts', { value: JSON.stringify({ do: 'exit' }), key: 'k', partition: 0 })
  const end = await engine.finished
  expect(end.reason === 'failed' && describeError(end.error)).toContain('the database went away')
  expect(engine.state).toBe('ended')
})

// Case 46: the loop has its thread, not ours: who drains polls, and who waits for the partition gets it.
test('a handler in an endless loop holds up no rebalance: its partition goes to the next owner within the drain time', async () => {
  // Longer than the test may take: whoever was held up would keep its partition.
  const broker = new FakeBroker({ clock: systemClock, sessionTimeoutMs: 300_000, maxPollIntervalMs: 300_000 })
  broker.createTopic('scripts', 2)
  broker.createTopic('results', 1)
  const start = (name: string): Promise<Engine> =>
    Engine.start({
      app: resolveOptions({
        kafka: { brokers: 'fake:9092', groupId: 'group' },
        actors: [
          { name: 'count', handler: new URL(fixtureUrl('scripted.js')), runOn: 'threads', handlerTimeoutMs: 600_000 },
        ],
        drainTimeoutMs: 500,
        threads: { count: 1 },
      }),
      broker: broker.client(name),
      clock: systemClock,
      random: () => 0,
      log: silentLog,
      stats: new EngineStats(),
    })
  const append = (script: object, partition: number): void => {
    broker.append('scripts', { value: JSON.stringify(script), key: 'k', partition })
  }
  const members = [await start('one')]
  try {
    for (const partition of [0, 1]) append({ do: 'loop' }, partition)
    await expect.poll(() => members[0]!.status().recordsInFlight, SOON).toBe(2)
    members.push(await start('two'))
    const owned = (): number[] => members.map((member) => member.status().partitions.length)
    await expect.poll(owned, SOON).toEqual([1, 1])
    expect(broker.group().memberNames).toHaveLength(2)
  } finally {
    await Promise.all(members.map((member) => member.kill()))
  }
})

test('threads that have more to do than they can are named as what binds, and as the right place for it', async () => {
  const broker = new FakeBroker({ clock: systemClock })
  broker.createTopic('scripts', 2)
  broker.createTopic('results', 1)
  const engine = await Engine.start({
    app: resolveOptions({
      kafka: { brokers: 'fake:9092', groupId: 'group' },
      actors: [{ name: 'count', handler: new URL(fixtureUrl('scripted.js')), runOn: 'threads', failedRecords: 'stop' }],
      threads: { count: 2 },
    }),
    broker: broker.client('member'),
    clock: systemClock,
    random: () => 0,
    log: silentLog,
    stats: new EngineStats(),
  })
  // Some minutes of work.
  for (let at = 0; at < 10_000; at += 1) {
    broker.append('scripts', { value: JSON.stringify({ do: 'work', ms: 20 }), key: `k${at}`, partition: at % 2 })
  }
  const count = () => engine.status().actors[0]
  await expect.poll(() => count()?.constraint?.by).toBe('threads')
  await expect.poll(() => count()?.advice.runOn).toBe('threads')
  expect(count()?.cost.crossing?.micros).toBeGreaterThan(0)
  expect(count()?.cost).toMatchObject({ waits: 0 })
  expect(count()?.cost.handlerMicros).toBeGreaterThan(18_000)
  // More than a thousand ready ones and a poll of 500 would only wait; four batches of 16 are at the threads at most.
  expect(engine.status().recordsInFlight).toBeLessThan(1_000 + 500 + 64)
  await engine.kill()
})

test('what is prepared in front of an operator runs on threads, and is folded on main in the order in which it was read', async () => {
  const broker = new FakeBroker({ clock: systemClock })
  for (const [name, count] of [
    ['clicks', 1],
    ['results', 1],
  ] as const)
    broker.createTopic(name, count)
  const engine = await Engine.start({
    app: resolveOptions({
      kafka: { brokers: 'fake:9092', groupId: 'group', transactionalId: 'one' },
      actors: [{ name: 'tell', handler: new URL(fixtureUrl('regrouped.js')), runOn: 'threads', idHeader: true }],
      threads: { count: 2 },
      checkpointIntervalMs: 20,
    }),
    broker: broker.client('one'),
    clock: systemClock,
    random: () => 0,
    log: silentLog,
    stats: new EngineStats(),
  })
  const clicks = Array.from({ length: 60 }, (_, n) => ({ n, page: `page ${n % 2}`, atMs: 1_000 + n }))
  for (const click of clicks) broker.append('clicks', { value: JSON.stringify(click), key: 'k', partition: 0 })
  const results = (): unknown[] =>
    broker.committedRecords('results').map(({ value }) => JSON.parse(Buffer.from(value ?? []).toString()) as unknown)
  await expect.poll(() => results().length, SOON).toBe(60)
  expect(results()).toEqual(
    clicks.map((click) => ({
      ...click,
      isOnMain: false,
      key: click.page,
      count: Math.floor(click.n / 2) + 1,
      timeMs: click.atMs,
      isFoldedOnMain: true,
    })),
  )
  await engine.stop()
})
