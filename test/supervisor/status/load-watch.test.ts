/** /status says what binds an actor: each provoked in a running engine, on the fake broker with a clock of its own. */
import { afterEach, expect, test } from 'vitest'
import { defineHandler, done } from '../../../src/actors/handlers/handler.ts'
import { sleep } from '../../../src/clock.ts'
import { RetryableError } from '../../../src/errors.ts'
import { silentLog } from '../../../src/log.ts'
import type { ActorDefinition } from '../../../src/app.ts'
import { resolveOptions } from '../../../src/options/resolve.ts'
import { text } from '../../../src/streams/flows/codec.ts'
import { topic } from '../../../src/streams/flows/flow.ts'
import { EngineStats } from '../../../src/metrics/stats.ts'
import { Engine } from '../../../src/supervisor/engine.ts'
import type { ActorStatus } from '../../../src/supervisor/status/load-watch.ts'
import { FakeBroker } from '../../../src/testing/broker/fake-broker.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'

const PARTITIONS = 4
const clock = new ManualClock()
const running = new Set<Engine>()

afterEach(async () => {
  for (const engine of running) await settled(engine.kill())
  running.clear()
  expect(clock.pendingTimers).toBe(0)
})

/** The clock moves on until the promise has settled. */
async function settled<Value>(promise: Promise<Value>): Promise<Value> {
  const state = { isOver: false }
  const note = (): void => {
    state.isOver = true
  }
  promise.then(note, note)
  for (let step = 0; !state.isOver && step < 1_000; step += 1) await clock.advance(100)
  return await promise
}

/** An engine at a backlog of 5,000 records, whose handler waits for 10 ms, after some seconds. */
async function statusOf(
  actor: Partial<ActorDefinition>,
  { keys = 1_000, records = 5_000, fails = false, hangs = false, before }: Backlog = {},
): Promise<{ actor: ActorStatus; stats: EngineStats; broker: FakeBroker; engine: Engine }> {
  const broker = new FakeBroker({ clock })
  broker.createTopic('clicks', PARTITIONS)
  broker.createTopic('copies', 1)
  for (let at = 0; at < records; at += 1) {
    const key = at % keys
    broker.append('clicks', { value: `${at}`, key: `user ${key}`, partition: key % PARTITIONS })
  }
  before?.(broker)
  const copies = topic('copies', { value: text })
  const handler = defineHandler({
    input: topic('clicks', { value: text }),
    outputs: [copies],
    async handle(value) {
      await (hangs ? new Promise(() => undefined) : sleep(clock, 10))
      if (fails) throw new RetryableError('busy')
      return done([copies.record(value)])
    },
  })
  const stats = new EngineStats()
  const starting = Engine.start({
    app: resolveOptions({
      kafka: { brokers: 'fake:9092', groupId: 'group' },
      actors: [{ name: 'copy', handler, retry: { attempts: 100, backoffMs: 5_000 }, ...actor }],
    }),
    broker: broker.client('member'),
    clock,
    random: () => 0,
    log: silentLog,
    stats,
  })
  const engine = await settled(starting)
  running.add(engine)
  await clock.advance(hangs ? 12_000 : 6_000)
  return { actor: engine.status().actors[0]!, stats, broker, engine }
}

interface Backlog {
  readonly keys?: number
  readonly records?: number
  readonly fails?: boolean
  readonly hangs?: boolean
  readonly before?: (broker: FakeBroker) => void
}

test('the concurrency of the actor, with what to do about it', async () => {
  const { actor, stats } = await statusOf({ concurrency: 4 })
  expect(actor.constraint).toMatchObject({ by: 'limit', subject: 'concurrency' })
  expect(actor.constraint?.why).toMatch(/^4 records are in progress, .* raise it/)
  expect(stats.actor('copy').constraint).toBe('limit')
})

test('calls that were given up and hold the places of concurrency, and that raising it is no help', async () => {
  const { actor } = await statusOf({ concurrency: 4, handlerTimeoutMs: 1_000 }, { hangs: true })
  expect(actor.constraint).toMatchObject({ by: 'limit', subject: 'concurrency' })
  expect(actor.constraint?.why).toMatch(/^4 calls that were given up hold 4 of the 4 places of concurrency/)
  expect(actor.constraint?.why).not.toContain('raise it')
})

test('one hot key', async () => {
  const { actor } = await statusOf({}, { keys: 1 })
  expect(actor.constraint).toMatchObject({ by: 'key-skew', subject: 'sha256:1d4a30d78de6be5f' })
})

test('one hot partition', async () => {
  const { actor } = await statusOf({ order: 'partition' }, { keys: 1 })
  expect(actor.constraint).toMatchObject({ by: 'hot-partition', subject: 'clicks/0' })
})

test('a sink that is away', async () => {
  const { actor } = await statusOf({}, { before: (broker) => (broker.faults.isProducingUnavailable = true) })
  expect(actor.constraint).toMatchObject({ by: 'sink', subject: 'kafka' })
})

test('records that fail and are tried again', async () => {
  const { actor } = await statusOf({}, { fails: true })
  expect(actor.constraint).toMatchObject({ by: 'retries' })
})

test('nothing: what there was is done, and the handler is known as one that waits', async () => {
  const { actor, engine } = await statusOf({}, { records: 20 })
  expect(actor).toMatchObject({ name: 'copy', runOn: 'main', constraint: { by: 'input' } })
  expect(actor.cost).toMatchObject({ waits: 1, crossing: null })
  expect(actor.advice).toMatchObject({ runOn: 'main' })
  engine.pause()
  await clock.advance(11_000)
  expect(engine.status().actors[0]?.constraint).toMatchObject({ by: 'stopped' })
  // What records have cost is not forgotten in a quiet time.
  expect(engine.status().actors[0]?.cost.waits).toBe(1)
})
