/** Handlers that ignore their abort signal: what the engine does beside a call that it cannot end. On the fake broker. */
import { expect, test } from 'vitest'
import { defineHandler, done, type Outcome } from '../../src/actors/handlers/handler.ts'
import { silentLog } from '../../src/log.ts'
import { resolveOptions } from '../../src/options/resolve.ts'
import { text } from '../../src/streams/flows/codec.ts'
import { topic } from '../../src/streams/flows/flow.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import { Engine } from '../../src/supervisor/engine.ts'
import { FakeBroker } from '../../src/testing/broker/fake-broker.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'

const HANDLER_TIMEOUT_MS = 1_000
const DRAIN_TIMEOUT_MS = 500
const clicks = topic('clicks', { value: text })
const out = topic('out', { value: text })

/** The first call with a value that begins with `hang` ends when the test says so, whatever its signal says. */
class World {
  readonly clock = new ManualClock()
  readonly broker = new FakeBroker({ clock: this.clock, strategy: 'eager' })
  readonly begun: { readonly value: string; readonly call: number; readonly atMs: number }[] = []
  readonly warnings: string[] = []
  readonly #ends = new Map<string, () => void>()

  constructor() {
    this.broker.createTopic('clicks', 1)
    this.broker.createTopic('out', 1)
  }

  append(...values: readonly string[]): void {
    for (const value of values) this.broker.append('clicks', { key: value.slice(0, 6), value })
  }

  async start(concurrency: number): Promise<Engine> {
    const handler = defineHandler({
      name: 'caller',
      input: clicks,
      outputs: [out],
      handle: (value) => {
        const call = 1 + this.begun.filter((before) => before.value === value).length
        this.begun.push({ value, call, atMs: this.clock.now() })
        const outcome = done([out.record(`${value} by call ${call}`)])
        if (!value.startsWith('hang') || call > 1) return Promise.resolve(outcome)
        return new Promise<Outcome>((resolve) => {
          this.#ends.set(value, () => {
            resolve(outcome)
          })
        })
      },
    })
    const app = resolveOptions({
      kafka: { brokers: 'fake:9092', groupId: 'group' },
      actors: [
        {
          name: 'call',
          handler,
          concurrency,
          handlerTimeoutMs: HANDLER_TIMEOUT_MS,
          retry: { attempts: 5, backoffMs: 10, jitter: 0 },
        },
      ],
      commitIntervalMs: 100,
      drainTimeoutMs: DRAIN_TIMEOUT_MS,
    })
    const broker = this.broker.client('member')
    const { clock } = this
    const log = { ...silentLog, warn: (_fields: object, message: string) => this.warnings.push(message) }
    const starting = Engine.start({ app, broker, clock, random: () => 0, log, stats: new EngineStats() })
    return await this.settled(starting)
  }

  end(value: string): void {
    this.#ends.get(value)?.()
  }

  async settled<Value>(promise: Promise<Value>): Promise<Value> {
    const state = { isOver: false }
    const note = (): void => {
      state.isOver = true
    }
    promise.then(note, note)
    for (let step = 0; !state.isOver && step < 1_000; step += 1) await this.clock.advance(10)
    return await promise
  }

  get begunValues(): string[] {
    return this.begun.map(({ value, call }) => `${value} ${call}`)
  }

  get written(): string[] {
    return this.broker.records('out').map(({ value }) => Buffer.from(value ?? []).toString())
  }
}

test('a retry begins when the attempt before it was given up, and no sooner; what that brings is discarded', async () => {
  const world = new World()
  const engine = await world.start(10)
  world.append('hang a')
  await world.clock.advance(10_000)
  expect(world.begunValues).toEqual(['hang a 1', 'hang a 2'])
  const [first, second] = world.begun
  expect(second!.atMs - first!.atMs).toBeGreaterThanOrEqual(2 * HANDLER_TIMEOUT_MS)
  world.end('hang a')
  await world.settled(engine.stop())
  expect(world.written).toEqual(['hang a by call 2'])
})

test('calls that were given up keep their slots, also over the end of their epoch, until they end', async () => {
  const world = new World()
  const engine = await world.start(2)
  world.append('hang a', 'hang b', 'click')
  await world.clock.advance(5_000)
  expect(world.begunValues).toEqual(['hang a 1', 'hang b 1'])
  world.broker.group().rebalance()
  await world.clock.advance(5_000)
  expect(world.begunValues).toEqual(['hang a 1', 'hang b 1'])
  world.end('hang b')
  await world.clock.advance(1_000)
  expect(world.written.sort()).toEqual(['click by call 1', 'hang a by call 2', 'hang b by call 2'])
  await world.settled(engine.stop())
})

test('calls that were given up are counted and warned of; at all places the actor is unhealthy, until one ends', async () => {
  const world = new World()
  const engine = await world.start(2)
  const counts = (): number[] => engine.status().actors.flatMap((actor) => [actor.attemptsGivenUp, actor.leftOverCalls])
  world.append('hang a', 'hang b')
  await world.clock.advance(1_500)
  expect([counts(), engine.health()]).toEqual([[0, 0], { healthy: true, status: 'ok', reasons: [] }])
  await world.clock.advance(1_000)
  expect(counts()).toEqual([2, 2])
  expect(engine.health()).toEqual({
    healthy: false,
    status: 'unhealthy',
    reasons: [
      'actor call can do nothing: 2 calls of handler caller that were given up and do not end take all its places (concurrency 2)',
    ],
  })
  expect(world.warnings.filter((line) => line.includes('handler caller has ignored its abort signal'))).toHaveLength(1)
  world.end('hang a')
  await world.clock.settle()
  expect([counts(), engine.health().healthy]).toEqual([[2, 1], true])
  await world.settled(engine.stop())
})

test('for how long they take all places counts from when it was told first', async () => {
  const world = new World()
  const engine = await world.start(2)
  world.append('hang a', 'hang b')
  await world.clock.advance(5_000)
  const lastsMs = (): number =>
    engine.status().troubles.find(({ kind }) => kind === 'left-over-calls')?.forMs ?? Number.NaN
  const first = lastsMs()
  await world.clock.advance(30_000)
  expect(lastsMs() - first).toBe(30_000)
  await world.settled(engine.kill())
})

test('that the last place is taken is told of, though a call was given up within the minute before', async () => {
  const world = new World()
  const engine = await world.start(2)
  world.append('hang a')
  await world.clock.advance(5_000)
  world.append('hang b')
  await world.clock.advance(5_000)
  expect(engine.health().healthy).toBe(false)
  expect(world.warnings.filter((line) => line.startsWith('actor call can do nothing: 2 calls'))).toHaveLength(1)
  await world.settled(engine.kill())
})

test('a stop does not wait for them', async () => {
  const world = new World()
  const engine = await world.start(2)
  world.append('hang a')
  await world.clock.advance(5_000)
  const stoppedAtMs = world.clock.now()
  await world.settled(engine.stop())
  expect(world.clock.now() - stoppedAtMs).toBeLessThan(DRAIN_TIMEOUT_MS)
  expect(world.clock.pendingTimers).toBe(0)
})
