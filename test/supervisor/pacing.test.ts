/** Rates, throttles and adaptive concurrency in a running engine, on the fake broker with a clock of its own. */
import { afterEach, describe, expect, test } from 'vitest'
import { defineHandler, done, type HandlerContext, type Outcome } from '../../src/actors/handlers/handler.ts'
import type { ActorDefinition } from '../../src/app.ts'
import { sleep } from '../../src/clock.ts'
import { ThrottledError } from '../../src/errors.ts'
import { silentLog } from '../../src/log.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import { resolveOptions } from '../../src/options/resolve.ts'
import { text } from '../../src/streams/flows/codec.ts'
import { topic } from '../../src/streams/flows/flow.ts'
import { Engine } from '../../src/supervisor/engine.ts'
import { FakeBroker } from '../../src/testing/broker/fake-broker.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'

const PARTITIONS = 3
const HOUR_MS = 3_600_000
const clock = new ManualClock()
const running = new Set<Engine>()

afterEach(async () => {
  for (const engine of running) await settled(engine.kill())
  running.clear()
  expect(clock.pendingTimers).toBe(0)
})

async function settled<Value>(promise: Promise<Value>): Promise<Value> {
  const state = { isOver: false }
  const note = (): void => {
    state.isOver = true
  }
  promise.then(note, note)
  for (let step = 0; !state.isOver && step < 1_000; step += 1) await clock.advance(100)
  return await promise
}

interface Call {
  readonly value: string
  readonly attempt: number
  readonly atMs: number
}

type Handle = (value: string, context: HandlerContext<unknown>, afterMs: number) => Outcome | Promise<Outcome>

/** An engine with one actor; records are numbered, one key each. Times are since the start. */
async function world(actor: Partial<ActorDefinition>, handle: Handle = () => done()) {
  const broker = new FakeBroker({ clock })
  broker.createTopic('clicks', PARTITIONS)
  broker.createTopic('dead', 1)
  const calls: Call[] = []
  const warnings: string[] = []
  const startMs = clock.now()
  const handler = defineHandler({
    input: topic('clicks', { value: text }),
    handle(value, context) {
      const atMs = clock.now() - startMs
      calls.push({ value, attempt: context.attempt, atMs })
      return handle(value, context, atMs)
    },
  })
  const stats = new EngineStats(clock)
  const app = resolveOptions({
    kafka: { brokers: 'fake:9092', groupId: 'group' },
    actors: [
      { name: 'call', handler, deadLetter: 'dead', retry: { attempts: 3, backoffMs: 100, jitter: 0 }, ...actor },
    ],
  })
  const log = { ...silentLog, warn: (_: object, message: string) => warnings.push(message) }
  const engine = await settled(
    Engine.start({ app, broker: broker.client('member'), clock, random: () => 0, log, stats }),
  )
  running.add(engine)
  const append = (from: number, to: number): void => {
    for (let at = from; at < to; at += 1) {
      broker.append('clicks', { key: `key ${at}`, value: `${at}`, partition: at % PARTITIONS })
    }
  }
  const status = () => engine.status().actors[0]!
  return { append, broker, calls, engine, stats: stats.actor('call'), status, warnings }
}

describe('a rate', () => {
  test('is named as what binds, and a wait for its next attempt is no stall', async () => {
    const { append, calls, engine, stats, status } = await world({
      rate: { perSecond: 0.002, burst: 1 },
      handlerTimeoutMs: 1_000,
    })
    append(0, 30)
    await clock.advance(499_000)
    expect(calls.length).toBe(1)
    expect(status().constraint).toMatchObject({ by: 'rate', subject: 'rate.perSecond' })
    expect(status().constraint?.why).toMatch(/^held back by rate: 0.002\/s, 29 records ready/)
    expect(stats.constraint).toBe('rate')
    expect(engine.health()).toMatchObject({ healthy: true, status: 'ok' })
    await clock.advance(2_000)
    expect(calls.length).toBe(2)
    expect(engine.health().healthy).toBe(true)
  })

  test('does not hold up a stop', async () => {
    const { append, calls, engine } = await world({ rate: { perSecond: 0.001, burst: 1 } })
    append(0, 30)
    await clock.advance(5_000)
    const before = clock.now()
    await settled(engine.stop())
    expect(clock.now() - before).toBeLessThan(10_000)
    expect(calls.length).toBe(1)
  })
})

describe('a service that refuses for an hour', () => {
  const busy: Handle = (value, _, atMs) => {
    if (atMs < HOUR_MS) throw new ThrottledError('429 Too Many Requests', { retryAfterMs: 30_000 })
    return done()
  }

  test('costs no record its attempts: none is dead-lettered, and all are handled then', async () => {
    const { append, broker, calls, stats } = await world({}, busy)
    append(0, 20)
    await clock.advance(HOUR_MS + 60_000)
    expect(broker.records('dead')).toEqual([])
    const last = new Map(calls.map((call) => [call.value, call]))
    expect(last.size).toBe(20)
    for (const { atMs } of last.values()) {
      expect(atMs).toBeGreaterThanOrEqual(HOUR_MS)
    }
    expect(stats.isThrottled).toBe(false)
    expect([...stats.failures.entries()].map(([code]) => code)).toEqual(['THROTTLED'])
  })

  test('is asked no more often than it says, by the whole actor; /status says so, and no restart is asked for', async () => {
    const { append, calls, engine, stats, status, warnings } = await world({ handlerTimeoutMs: 1_000 }, busy)
    append(0, 1)
    await clock.advance(1_000)
    // All that come later wait as well, though nobody has refused them.
    append(1, 20)
    await clock.advance(200_000)
    const [first] = calls
    const times = [...new Set(calls.map(({ atMs }) => atMs - first!.atMs))]
    expect(times.every((atMs) => atMs % 30_000 === 0)).toBe(true)
    expect(stats.throttles).toBe(calls.length)
    expect(stats.isThrottled).toBe(true)
    expect(status().throttled).toMatchObject({ by: expect.stringMatching(/^clicks\/\d\/\d+$/) as unknown })
    expect(status().throttled!.forMs).toBeLessThanOrEqual(30_000)
    expect(status().constraint).toMatchObject({ by: 'throttled' })
    expect(stats.constraint).toBe('throttled')
    expect(engine.health()).toMatchObject({ healthy: true, status: 'degraded' })
    // Once a minute at most.
    expect(warnings.filter((message) => message.includes('throttled')).length).toBeLessThanOrEqual(4)
  })
})

test('context.throttle says the same of a record that went well', async () => {
  const { append, calls, stats } = await world({}, (value, { throttle }) => {
    if (value === '0') throttle(60_000)
    return done()
  })
  append(0, 1)
  await clock.advance(1_000)
  append(1, 10)
  await clock.advance(50_000)
  expect(calls.map(({ value }) => value)).toEqual(['0'])
  await clock.advance(20_000)
  expect([calls.length, stats.throttles]).toEqual([10, 1])
})

test.each([NaN, -1, undefined as unknown as number])(
  'context.throttle(%o) is a mistake of the handler, and says so',
  async (forMs) => {
    const { append, broker } = await world({ retry: { attempts: 1 } }, (_, { throttle }) => {
      throttle(forMs)
      return done()
    })
    append(0, 1)
    await clock.advance(1_000)
    const [letter] = broker.records('dead')
    const message = letter?.headers.find(([name]) => name === 'troupe.error-message')?.[1]
    expect(String(message)).toContain(`throttle(forMs) takes milliseconds, 0 or more, and got ${String(forMs)}`)
  },
)

test('a ThrottledError whose delay is no number takes the back-off for it', async () => {
  const { append, calls } = await world({}, (_, { attempt: _attempt }, atMs) => {
    if (atMs < 1_000) throw new ThrottledError('429', { retryAfterMs: Number('Wed, 21 Oct 2026') })
    return done()
  })
  append(0, 1)
  await clock.advance(5_000)
  const gaps = calls.slice(1).map(({ atMs }, at) => atMs - calls[at]!.atMs)
  expect(gaps).toEqual([100, 200, 400, 800])
})

test('a throttled actor stops at once', async () => {
  const { append, engine } = await world({}, () => {
    throw new ThrottledError('429', { retryAfterMs: HOUR_MS })
  })
  append(0, 10)
  await clock.advance(5_000)
  const before = clock.now()
  await settled(engine.stop())
  expect(clock.now() - before).toBeLessThan(10_000)
})

test('adaptive concurrency stands on /status and follows a service that can do 8 at once', async () => {
  let inside = 0
  const { append, stats, status } = await world(
    { concurrency: { min: 2, max: 500, target: 'latency' }, order: 'unordered' },
    async () => {
      inside += 1
      // Beyond 8 they share it.
      await sleep(clock, 20 * Math.max(1, inside / 8))
      inside -= 1
      return done()
    },
  )
  append(0, 20_000)
  await clock.advance(1_000)
  expect(status().concurrency).toMatchObject({ limit: stats.concurrencyLimit, adaptive: { min: 2, max: 500 } })
  await clock.advance(9_000)
  expect(stats.concurrencyLimit).toBeGreaterThanOrEqual(7)
  expect(stats.concurrencyLimit).toBeLessThanOrEqual(18)
  const { adaptive } = status().concurrency
  expect(adaptive?.idealLatencyMs).toBe(20)
  expect(adaptive?.why).toContain('20 ms without load')
  expect(status().constraint).toMatchObject({ by: 'limit', subject: 'concurrency' })
  expect(status().constraint?.why).toContain('without load')
})

test('a call that hangs for ever takes no place of an adaptive limit: the others go on', async () => {
  const { append, calls, stats } = await world(
    {
      concurrency: { min: 1, max: 100, target: 'latency' },
      order: 'unordered',
      handlerTimeoutMs: 1_000,
      retry: { attempts: 1 },
    },
    async (value) => {
      if (value === '3') await new Promise(() => undefined)
      await sleep(clock, 10)
      return done()
    },
  )
  append(0, 300)
  await clock.advance(60_000)
  expect(stats.leftOverCalls).toBe(1)
  expect(new Set(calls.map(({ value }) => value)).size).toBe(300)
})
