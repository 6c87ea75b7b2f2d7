/** An app whose schemas a registry keeps, from its start on: on the fake broker, with a clock of its own. */
import { describe, expect, test } from 'vitest'
import { defineHandler, done } from '../../src/actors/handlers/handler.ts'
import { silentLog, type Log } from '../../src/log.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import { resolveOptions } from '../../src/options/resolve.ts'
import type { Codec } from '../../src/streams/flows/codec.ts'
import { topic } from '../../src/streams/flows/flow.ts'
import type { KeptSchema, KeptVersion, Registry } from '../../src/streams/registry/registry-client.ts'
import { RegistryError } from '../../src/streams/registry/registry-error.ts'
import { SchemaBook } from '../../src/streams/registry/schema-book.ts'
import { Engine, type EngineParts } from '../../src/supervisor/engine.ts'
import { FakeBroker } from '../../src/testing/broker/fake-broker.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { headed, withId, type Headed } from '../support/header-codec.ts'
import { settled } from '../support/settled.ts'

const cause = 'connect ECONNREFUSED 127.0.0.1:8081'

/** Has the schemas 1 to 9, unless it is away. */
class NineSchemas implements Registry {
  readonly name = 'schema registry http://nine'
  readonly asked: string[] = []
  isAway = false
  isClosed = false

  byId(id: number): Promise<KeptSchema | null> {
    return this.#answer(`id ${id}`, id < 10 ? { type: 'JSON', text: `schema ${id}`, references: [] } : null)
  }

  version(subject: string): Promise<KeptVersion | null> {
    return this.#answer(`latest ${subject}`, version(subject, 1))
  }

  find(subject: string): Promise<KeptVersion> {
    return this.#answer(`find ${subject}`, version(subject, 2))
  }

  register(): Promise<number> {
    throw new Error('nobody is to register')
  }

  compatibility(): Promise<null> {
    return Promise.resolve(null)
  }

  close(): void {
    this.isClosed = true
  }

  #answer<Answer>(question: string, answer: Answer): Promise<Answer> {
    this.asked.push(question)
    if (this.isAway) return Promise.reject(new RegistryError('SCHEMA_REGISTRY_UNREACHABLE', cause, null))
    return Promise.resolve(answer)
  }
}

function version(subject: string, id: number): KeptVersion {
  return { type: 'JSON', text: `schema ${id}`, references: [], subject, version: 1, id }
}

class World {
  readonly clock = new ManualClock()
  readonly broker = new FakeBroker({ clock: this.clock })
  readonly registry = new NineSchemas()
  readonly stats = new EngineStats(this.clock)
  readonly seen: unknown[] = []
  readonly lines: string[] = []
  engine: Engine | null = null
  readonly #written: Codec<Headed>

  constructor(written: Codec<Headed> = headed()) {
    this.#written = written
    for (const name of ['clicks', 'out', 'dead']) this.broker.createTopic(name, 1)
  }

  async start(hasRegistry = true): Promise<void> {
    const { clock, registry, stats } = this
    const out = topic('out', { value: this.#written })
    const handler = defineHandler({
      input: topic('clicks', { value: headed() }),
      outputs: [out],
      handle: (value) => {
        this.seen.push(value)
        return done([out.record(value)])
      },
    })
    const app = resolveOptions({
      kafka: { brokers: 'fake:9092', groupId: 'group' },
      actors: [{ name: 'copy', handler, deadLetter: 'dead' }],
    })
    const note = (_: object, line: string): unknown => this.lines.push(line)
    const log: Log = { ...silentLog, warn: note, info: note }
    const schemas = new SchemaBook({
      registry,
      registerSchemas: 'never',
      clock,
      random: () => 0,
      log,
      stats: stats.registry,
    })
    const parts: EngineParts = { app, broker: this.broker.client('one'), clock, random: () => 0, log, stats }
    this.engine = await settled(clock, Engine.start(hasRegistry ? { ...parts, schemas } : parts))
    await clock.advance(2_000)
  }

  async append(key: string, id: number): Promise<void> {
    this.broker.append('clicks', { key, value: withId(id, key), partition: 0 })
    await this.clock.advance(1_000)
  }

  written(name: string): number {
    return this.broker.log({ topic: name, partition: 0 }).end
  }
}

describe('a start', () => {
  test('finds what is written with, and the latest of what is read, before the first record', async () => {
    const world = new World()
    await world.append('a', 1)
    await world.start()
    expect(world.registry.asked).toEqual(['find out-value', 'latest clicks-value'])
    expect(world.seen).toEqual([{ body: 'a', schema: 'schema 1' }])
    const [copy] = world.broker.log({ topic: 'out', partition: 0 }).records
    expect(copy?.value).toEqual(withId(2, 'a'))
    await settled(world.clock, world.engine!.stop())
    expect(world.registry.isClosed).toBe(true)
    expect(world.clock.pendingTimers).toBe(0)
  })

  test('with a registry that is away is one error with its cause, and everything is closed again', async () => {
    const world = new World()
    world.registry.isAway = true
    await expect(world.start()).rejects.toMatchObject({ code: 'SCHEMA_REGISTRY_UNREACHABLE', message: cause })
    expect(world.registry.isClosed).toBe(true)
    expect(world.clock.pendingTimers).toBe(0)
  })

  test('without a registry names all that needs one, before any server is asked', async () => {
    const world = new World()
    world.broker.faults.areBrokersAway = true
    await expect(world.start(false)).rejects.toMatchObject({
      code: 'SCHEMA_REGISTRY_MISSING',
      message: expect.stringContaining(
        'the values of topic clicks (headed), the values of topic out (headed)',
      ) as string,
    })
  })

  test('refuses to write with what can only be read', async () => {
    const whole = headed()
    const contract = { ...whole.contract!, cannotWrite: 'it lacks the field total' }
    await expect(new World({ ...whole, contract }).start()).rejects.toMatchObject({
      code: 'OPTIONS_INVALID',
      message: 'actor copy writes values of topic out: it lacks the field total',
    })
  })
})

test('a registry that is away later: what is known goes on, the rest waits, it is said once, and once that it is over', async () => {
  const world = new World()
  await world.start()
  world.registry.isAway = true
  await world.append('known', 1)
  await world.append('unknown', 7)
  await world.append('known', 1)
  await world.clock.advance(60_000)
  expect(world.seen).toHaveLength(2)
  expect(world.written('dead')).toBe(0)
  const health = world.engine!.health()
  expect(health).toMatchObject({ healthy: true, status: 'degraded' })
  expect(health.reasons).toEqual([expect.stringMatching(`^1 schema is waited for, for 6[0-9] s; .*: ${cause}$`)])
  expect(world.engine!.status().troubles).toMatchObject([{ kind: 'schemas', severity: 'degraded' }])
  expect(world.stats.openTroubles.get('schemas')).toBe(1)
  expect(world.stats.registry.waiting()).toBe(1)
  expect(world.engine!.readiness().ready).toBe(true)
  world.registry.isAway = false
  await world.clock.advance(60_000)
  expect(world.seen).toContainEqual({ body: 'unknown', schema: 'schema 7' })
  expect(world.engine!.health().status).toBe('ok')
  const told = world.lines.filter((line) => line.includes('waited for'))
  expect(told).toHaveLength(3)
  expect(told.at(-1)).toMatch(/^over after \d+ s: schemas were waited for$/)
  await settled(world.clock, world.engine!.stop())
})

test('an id that the registry does not have is a dead letter, and no trouble', async () => {
  const world = new World()
  await world.start()
  await world.append('a', 77)
  await world.append('b', 77)
  expect(world.written('dead')).toBe(2)
  expect(world.registry.asked.filter((question) => question === 'id 77')).toHaveLength(1)
  expect(world.engine!.health().status).toBe('ok')
  await settled(world.clock, world.engine!.stop())
})
