/** Waiting for a service however long it takes, in order: attempts without limit. On the fake broker. */
import { describe, expect, test } from 'vitest'
import { defineHandler, done, retry, type ErrorDecision, type Outcome } from '../../src/actors/handlers/handler.ts'
import type { ActorDefinition } from '../../src/app.ts'
import { silentLog } from '../../src/log.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import { resolveOptions } from '../../src/options/resolve.ts'
import { text } from '../../src/streams/flows/codec.ts'
import { topic } from '../../src/streams/flows/flow.ts'
import { Engine } from '../../src/supervisor/engine.ts'
import { FakeBroker } from '../../src/testing/broker/fake-broker.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { settled } from '../support/settled.ts'

const OUTAGE_MS = 60 * 60 * 1000
const out = topic('out', { value: text })

class ServiceDown extends Error {}

interface Settings {
  readonly actor?: Partial<ActorDefinition>
  readonly onError?: (error: unknown) => ErrorDecision | undefined
  readonly intake?: { readonly maxRecords: number }
}

const waits = (error: unknown): ErrorDecision | undefined =>
  error instanceof ServiceDown ? { retry: 'unlimited' } : undefined

class World {
  readonly clock = new ManualClock()
  readonly broker = new FakeBroker({ clock: this.clock, heartbeatIntervalMs: 10_000, sessionTimeoutMs: 45_000 })
  readonly stats = new EngineStats()
  readonly attempts = new Map<string, number[]>()
  /** What becomes of an attempt; done, unless the test says otherwise. */
  answer: (value: string, attempt: number) => Outcome | null = () => null

  constructor() {
    for (const name of ['in', 'out', 'dead']) this.broker.createTopic(name, 1)
  }

  append(...values: readonly string[]): void {
    for (const value of values) this.broker.append('in', { key: value.slice(0, 1), value, partition: 0 })
  }

  async start({ actor, intake, onError }: Settings): Promise<Engine> {
    const handler = defineHandler({
      name: 'caller',
      input: topic('in', { value: text }),
      outputs: [out],
      handle: (value, { attempt }) => {
        this.attempts.set(value, [...(this.attempts.get(value) ?? []), this.clock.now()])
        return this.answer(value, attempt) ?? done([out.record(value)])
      },
      ...(onError === undefined ? {} : { onError }),
    })
    const app = resolveOptions({
      kafka: { brokers: 'fake:9092', groupId: 'group' },
      actors: [{ name: 'call', handler, deadLetter: 'dead', ...actor }],
      ...(intake === undefined ? {} : { intake }),
    })
    const broker = this.broker.client('member')
    const { clock, stats } = this
    const parts = { app, broker, clock, random: () => 0, log: silentLog, stats }
    return await settled(clock, Engine.start(parts))
  }

  written(topicName = 'out'): string[] {
    return this.broker.records(topicName).map(({ value }) => String(value))
  }
}

const throwDown = (): never => {
  throw new ServiceDown('connect ECONNREFUSED 10.0.0.1:443')
}

describe.each<[string, Settings]>([
  ['by the option', { actor: { retry: { attempts: 'unlimited' } } }],
  ['by onError', { onError: waits }],
])('attempts without limit, %s', (_how, settings) => {
  test('outlast a service that is down for an hour: each record is handled once, in the order of its key', async () => {
    const world = new World()
    const engine = await world.start(settings)
    const values = Array.from({ length: 60 }, (_, at) => `${'abc'[at % 3]!}${at}`)
    world.append(...values.slice(0, 40))
    const backAtMs = world.clock.now() + OUTAGE_MS
    world.answer = () => (world.clock.now() < backAtMs ? throwDown() : null)
    await world.clock.advance(OUTAGE_MS - 1)
    expect([world.written(), world.written('dead')]).toEqual([[], []])
    // A restart would not help; that the service is away is told.
    expect(engine.health()).toMatchObject({ healthy: true, status: 'degraded' })
    world.append(...values.slice(40))
    await world.clock.advance(40_000)
    const ofKey = (written: readonly string[], key: string): string[] => written.filter((each) => each.startsWith(key))
    for (const key of 'abc') expect(ofKey(world.written(), key)).toEqual(ofKey(values, key))
    expect(world.written()).toHaveLength(values.length)
    expect(world.written('dead')).toEqual([])
    await settled(world.clock, engine.stop())
    expect(world.broker.committed({ topic: 'in', partition: 0 })).toMatchObject({ position: values.length })
  }, 60_000)

  test('wait for maxBackoffMs at most, however many they are', async () => {
    const world = new World()
    const actor = { ...settings.actor, retry: { ...settings.actor?.retry, backoffMs: 1, maxBackoffMs: 2, jitter: 0 } }
    await world.start({ ...settings, actor })
    world.answer = throwDown
    world.append('a0')
    await world.clock.advance(5_000)
    const atMs = world.attempts.get('a0')!
    expect(atMs.length).toBeGreaterThan(2_000)
    expect(atMs.slice(1).map((at, before) => at - atMs[before]!)).toEqual([1, ...atMs.slice(2).map(() => 2)])
  })

  test('of one key let the others go on, and a partition whose intake they have stopped goes on when they end', async () => {
    const world = new World()
    const engine = await world.start({ ...settings, intake: { maxRecords: 20 } })
    const service = { isDown: true }
    world.answer = (value) => (value.startsWith('a') && service.isDown ? throwDown() : null)
    const values = Array.from({ length: 60 }, (_, at) => `${'ab'[at % 2]!}${at}`)
    world.append(...values)
    await world.clock.advance(60_000)
    expect(engine.status().partitions[0]!.intakeStoppedBy).toEqual(['waiting-keys'])
    // All of the other key that were read before.
    expect(world.written()).toEqual(values.filter((value) => value.startsWith('b')).slice(0, world.written().length))
    expect(world.written().length).toBeGreaterThanOrEqual(9)
    service.isDown = false
    await world.clock.advance(60_000)
    expect([...world.written()].sort()).toEqual([...values].sort())
    expect(world.written().filter((value) => value.startsWith('a'))).toEqual(
      values.filter((value) => value.startsWith('a')),
    )
  })
})

test('retry() is an attempt like any other: without limit by the option', async () => {
  const world = new World()
  await world.start({ actor: { retry: { attempts: 'unlimited', backoffMs: 1, maxBackoffMs: 10 } } })
  world.answer = (_value, attempt) => (attempt < 50 ? retry() : null)
  world.append('a0')
  await world.clock.advance(2_000)
  expect([world.written(), world.written('dead')]).toEqual([['a0'], []])
})

test('attempts without limit are none of the limited ones: after an outage an error of another kind has all of its own', async () => {
  const world = new World()
  await world.start({ onError: waits, actor: { retry: { attempts: 3, backoffMs: 1, maxBackoffMs: 10 } } })
  world.answer = (_value, attempt) => {
    if (attempt <= 20) throwDown()
    if (attempt <= 22) throw new Error('a hiccup')
    return null
  }
  world.append('a0')
  await world.clock.advance(2_000)
  expect([world.written(), world.written('dead')]).toEqual([['a0'], []])
  world.answer = (_value, attempt) => {
    if (attempt % 2 === 0) throwDown()
    throw new Error('it stays broken')
  }
  world.append('a1')
  await world.clock.advance(2_000)
  expect(world.written('dead')).toEqual(['a1'])
  // Three that count, and two between them that do not.
  expect(world.attempts.get('a1')).toHaveLength(5)
})

test('a decision may name its delay; one that is none leaves it to the back-off', async () => {
  const world = new World()
  const decisions: ErrorDecision[] = [
    { retry: 'unlimited', afterMs: 7_000 },
    { retry: 'unlimited', afterMs: Number.NaN },
    { retry: 'limited', afterMs: 3_000 },
  ]
  await world.start({
    onError: () => decisions.shift(),
    actor: { retry: { attempts: 3, backoffMs: 1, maxBackoffMs: 1, jitter: 0 } },
  })
  world.answer = (_value, attempt) => (attempt <= 3 ? throwDown() : null)
  world.append('a0')
  await world.clock.advance(20_000)
  const atMs = world.attempts.get('a0')!
  expect(atMs.slice(1).map((at, before) => at - atMs[before]!)).toEqual([7_000, 1, 3_000])
})
