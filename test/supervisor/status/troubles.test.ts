/** Nothing gets done, and somebody has to hear of it: outages of minutes in a running engine, on the fake broker with a clock of its own. */
import { Registry } from 'prom-client'
import { afterEach, describe, expect, test } from 'vitest'
import { defineHandler, done } from '../../../src/actors/handlers/handler.ts'
import type { ActorDefinition } from '../../../src/app.ts'
import { sleep } from '../../../src/clock.ts'
import type { Log } from '../../../src/log.ts'
import { registerMetrics } from '../../../src/metrics/metrics.ts'
import { EngineStats } from '../../../src/metrics/stats.ts'
import { resolveOptions } from '../../../src/options/resolve.ts'
import { text } from '../../../src/streams/flows/codec.ts'
import { topic } from '../../../src/streams/flows/flow.ts'
import { Engine } from '../../../src/supervisor/engine.ts'
import { FakeBroker } from '../../../src/testing/broker/fake-broker.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { settled } from '../../support/settled.ts'

const PARTITIONS = 4
const MINUTE_MS = 60_000

interface Line {
  readonly level: 'info' | 'warn'
  readonly atMs: number
  readonly fields: object
  readonly message: string
}

/** A service that handlers call, one member or several, and what the first of them logs. */
class World {
  readonly clock = new ManualClock()
  readonly broker = new FakeBroker({ clock: this.clock, sessionTimeoutMs: 45_000 })
  readonly stats = new EngineStats(this.clock)
  readonly lines: Line[] = []
  readonly engines: Engine[] = []
  isServiceUp = true
  readonly #registry = new Registry()
  readonly #beganAtMs = this.clock.now()

  constructor() {
    this.broker.createTopic('clicks', PARTITIONS)
    registerMetrics(this.#registry, this.stats)
  }

  async start(actor: Partial<ActorDefinition> = {}, name = 'member'): Promise<Engine> {
    const { clock } = this
    const handler = defineHandler({
      name: 'caller',
      input: topic('clicks', { value: text }),
      handle: async (value) => {
        await sleep(clock, 10)
        const cause = new Error('connect ECONNREFUSED 10.0.0.1:80')
        if (!this.isServiceUp || value === 'bad') throw new TypeError('fetch failed', { cause })
        return done()
      },
    })
    const app = resolveOptions({
      kafka: { brokers: 'fake:9092', groupId: 'group' },
      actors: [{ name: 'call', handler, retry: { attempts: 10_000 }, ...actor }],
    })
    const client = this.broker.client(name)
    const note = (level: Line['level']) => (fields: object, message: string) => {
      this.lines.push({ level, atMs: clock.now() - this.#beganAtMs, fields, message })
    }
    const silent = (): void => undefined
    const log: Log = { debug: silent, error: silent, info: note('info'), warn: note('warn') }
    const parts = { app, broker: client, clock: client.clock, random: () => 0, log, stats: this.stats }
    const engine = await settled(clock, Engine.start(parts))
    this.engines.push(engine)
    return engine
  }

  /** A record a partition. */
  append(value = 'click', partitions = PARTITIONS): void {
    for (let partition = 0; partition < partitions; partition += 1) {
      this.broker.append('clicks', {
        key: `key ${this.broker.log({ topic: 'clicks', partition }).end}`,
        value,
        partition,
      })
    }
  }

  /** What was logged and has this in its sentence. */
  said(words: string): Line[] {
    return this.lines.filter(({ message }) => message.includes(words))
  }

  async metric(series: string): Promise<number | undefined> {
    const line = (await this.#registry.metrics()).split('\n').find((each) => each.startsWith(`${series} `))
    return line === undefined ? undefined : Number(line.slice(series.length))
  }
}

const worlds: World[] = []
function newWorld(): World {
  const world = new World()
  worlds.push(world)
  return world
}

afterEach(async () => {
  for (const { clock, engines } of worlds.splice(0)) {
    for (const engine of engines) await settled(clock, engine.kill())
    expect(clock.pendingTimers).toBe(0)
  }
})

const reason = 'fetch failed: connect ECONNREFUSED 10.0.0.1:80'

describe('a service that is down for eight minutes with 1,000 records in flight', () => {
  test('is told of once, again ever more seldom, and once more when it is over', async () => {
    const world = newWorld()
    const engine = await world.start()
    await world.clock.advance(5_000)
    expect(engine.health()).toEqual({ healthy: true, status: 'ok', reasons: [] })
    world.isServiceUp = false
    for (let at = 0; at < 250; at += 1) world.append()
    const downAtMs = world.clock.now()
    await world.clock.advance(90_000)
    const [first, ...early] = world.said('actor call')
    expect(early).toEqual([])
    expect(first).toMatchObject({
      level: 'warn',
      fields: { actor: 'call', records: 1_000, keys: 1_000, error: reason },
    })
    expect(first?.message).toMatch(
      /^1000 of the 1000 records that actor call holds wait for another attempt \(1000 keys\)/,
    )
    expect(first?.message).toMatch(/the oldest for 3\d s: .*fetch failed: connect ECONNREFUSED 10\.0\.0\.1:80$/)
    expect(engine.health()).toMatchObject({
      healthy: true,
      status: 'degraded',
      reasons: [expect.stringContaining(reason)],
    })
    expect(await world.metric('troupe_retrying_records{actor="call"}')).toBe(1_000)
    expect(await world.metric('troupe_oldest_retry_age_seconds{actor="call"}')).toBeGreaterThan(85)
    expect(await world.metric('troupe_open_troubles{trouble="retries"}')).toBe(1)

    await world.clock.advance(8 * MINUTE_MS - 90_000)
    world.isServiceUp = true
    await world.clock.advance(2 * MINUTE_MS)
    expect(engine.health()).toEqual({ healthy: true, status: 'ok', reasons: [] })
    const told = world.said('actor call')
    expect(told.map(({ level }) => level)).toEqual(['warn', 'warn', 'warn', 'warn', 'info'])
    const times = told.map(({ atMs }) => Math.round(atMs / 1_000))
    expect([times[1]! - times[0]!, times[2]! - times[1]!, times[3]! - times[2]!]).toEqual([60, 120, 240])
    expect(told.at(-1)?.message).toMatch(/^over after (4[89]|5\d)\d s: /)
    expect(world.clock.now() - downAtMs).toBe(10 * MINUTE_MS)
    expect(await world.metric('troupe_retrying_records{actor="call"}')).toBe(0)
    expect(await world.metric('troupe_oldest_retry_age_seconds{actor="call"}')).toBe(0)
  })

  test('one record that is tried again for more than a minute is told of, beside others that get on', async () => {
    const world = newWorld()
    const engine = await world.start()
    world.append('bad', 1)
    for (let second = 0; second < 80; second += 1) {
      world.append()
      await world.clock.advance(1_000)
      if (second === 50) expect([engine.health().reasons, world.said('actor call')]).toEqual([[], []])
    }
    expect(engine.health()).toMatchObject({ healthy: true, status: 'degraded' })
    expect(world.said('actor call')).toMatchObject([
      { level: 'warn', fields: { records: 1, keys: 1, id: 'clicks/0/0' } },
    ])
    expect(world.said('actor call')[0]?.message).toContain('(1 key)')
  })
})

describe('one silent partition among busy ones', () => {
  /** Records come to all partitions for so long, a second apart. */
  async function busy(world: World, seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second += 1) {
      world.append()
      await world.clock.advance(1_000)
    }
  }

  test('is named, with what is left in its log, and told of when it goes on', async () => {
    const world = newWorld()
    const engine = await world.start()
    await busy(world, 10)
    world.broker.faults.silentPartitions.add('clicks/3')
    await busy(world, 50)
    expect(engine.health().reasons).toEqual([])
    await busy(world, 40)
    expect(engine.health()).toMatchObject({
      healthy: true,
      status: 'degraded',
      reasons: [
        expect.stringMatching(
          /^clicks\/3 has \d+ records left in its log and the broker has brought none for [89]\d s/,
        ),
      ],
    })
    expect(world.said('clicks/3 has')).toMatchObject([{ level: 'warn', fields: { partition: 'clicks/3' } }])
    world.broker.faults.silentPartitions.clear()
    await busy(world, 20)
    expect(engine.health()).toEqual({ healthy: true, status: 'ok', reasons: [] })
    expect(world.said('over after')).toHaveLength(1)
  })

  test('is not told of where the user has paused it, as /status says', async () => {
    const world = newWorld()
    const engine = await world.start()
    engine.pause('clicks', 3)
    await busy(world, 100)
    expect(engine.health()).toEqual({ healthy: true, status: 'ok', reasons: [] })
    expect(engine.status().partitions[3]).toMatchObject({ intakeStoppedBy: ['user'] })
  })

  test('that waits for an operator is named with that', async () => {
    const world = newWorld()
    const engine = await world.start({ order: 'partition', failedRecords: 'park', retry: { attempts: 1 } })
    world.append('bad', 1)
    for (let at = 0; at < 6_000; at += 1) world.append('click', 1)
    await busy(world, 100)
    expect(engine.health()).toMatchObject({
      status: 'degraded',
      reasons: [
        expect.stringMatching(/^clicks\/0 has \d+ records left in its log and takes in none for .* 1 is parked/),
      ],
    })
  })
})

test('a member that waits for a dead one says so after some seconds, on /status too, and when that is over', async () => {
  const world = newWorld()
  await world.start({}, 'first')
  await world.clock.advance(5_000)
  world.engines.splice(0)
  world.broker.crash('first')
  world.lines.splice(0)
  const engine = await world.start({}, 'second')
  await world.clock.advance(20_000)
  const [line, ...more] = world.said('group')
  expect(more).toEqual([])
  expect(line?.message).toMatch(/has waited for its group for 1\d s: .* up to its session time-out \(45 s\)/)
  expect(engine.health()).toMatchObject({ healthy: true, status: 'degraded' })
  expect(engine.status()).toMatchObject({ troubles: [{ kind: 'group', severity: 'degraded' }] })
  await world.clock.advance(60_000)
  expect(engine.health()).toEqual({ healthy: true, status: 'ok', reasons: [] })
  expect(world.said('over after')).toMatchObject([{ level: 'info' }])
})

test('who stood still for ten minutes tells of nothing that it did not see', async () => {
  const world = newWorld()
  const engine = await world.start()
  world.broker.faults.silentPartitions.add('clicks/3')
  world.append()
  await world.clock.advance(10_000)
  world.isServiceUp = false
  world.append()
  await world.clock.advance(10_000)
  await world.clock.standStill(10 * MINUTE_MS)
  world.isServiceUp = true
  await world.clock.advance(8_000)
  expect([engine.health().status, world.lines.filter(({ level }) => level === 'warn')]).toEqual(['ok', []])
})

test('each change of health is told of: a sink that is away, and an answer that is overdue', async () => {
  const world = newWorld()
  const engine = await world.start()
  const end = world.stats.waits.begin('sink-write', 'postgres')
  await world.clock.advance(122_000)
  expect(engine.health()).toMatchObject({ healthy: false, status: 'unhealthy' })
  expect(world.said('sink postgres has not answered')).toMatchObject([
    { level: 'warn', fields: { health: 'unhealthy' } },
  ])
  end()
  await world.clock.advance(10_000)
  expect(world.said('over after')).toMatchObject([{ level: 'info', fields: { health: 'ok' } }])
})
