/** How a running engine ends, gives up its place or gets it back: on the fake broker, with a clock of its own. */
import { Registry } from 'prom-client'
import { describe, expect, test } from 'vitest'
import { defineHandler, done, type Outcome } from '../../src/actors/handlers/handler.ts'
import { silentLog } from '../../src/log.ts'
import { registerMetrics } from '../../src/metrics/metrics.ts'
import { resolveOptions } from '../../src/options/resolve.ts'
import type { Broker } from '../../src/streams/broker.ts'
import type { BrokerConsumer, BrokerProducer } from '../../src/streams/broker-port.ts'
import { text } from '../../src/streams/flows/codec.ts'
import { table, topic } from '../../src/streams/flows/flow.ts'
import type { Sink } from '../../src/streams/delivery/sink.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import { Engine } from '../../src/supervisor/engine.ts'
import { FakeBroker, type FakeBrokerOptions } from '../../src/testing/broker/fake-broker.ts'
import type { FakeClient } from '../../src/testing/broker/fake-client.ts'
import { FakeSink } from '../../src/testing/fake-sink.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'

const DRAIN_TIMEOUT_MS = 2_000
const out = topic('out', { value: text })
const rows = table<{ id: string }>('rows', { sink: 'table', columns: { id: 'text' }, key: ['id'] })

/** Values that begin with `hold` stay at their handler until they are let go; `fail` always fails; others go to topic and table. */
class World {
  readonly clock = new ManualClock()
  readonly broker: FakeBroker
  readonly said: string[] = []
  readonly seen: string[] = []
  /** Of the member that was started last. */
  stats = new EngineStats()
  readonly #held: (() => void)[] = []

  constructor(partitions = 1, options: Partial<FakeBrokerOptions> = {}) {
    this.broker = new FakeBroker({ clock: this.clock, ...options })
    this.broker.createTopic('clicks', partitions)
    this.broker.createTopic('out', 1)
  }

  append(value: string, partition = 0): void {
    this.broker.append('clicks', { value, key: value, partition })
  }

  async start(name: string, breaks: { readonly [step: string]: 'fails' | 'never ends' } = {}): Promise<Engine> {
    return await this.settled(this.starting(this.broker.client(name), breaks))
  }

  starting(client: FakeClient, breaks: { readonly [step: string]: 'fails' | 'never ends' } = {}): Promise<Engine> {
    const note = (step: string): Promise<void> => {
      this.said.push(step)
      if (breaks[step] === 'never ends') return new Promise(() => undefined)
      return breaks[step] === 'fails' ? Promise.reject(new Error(`${step} is broken`)) : Promise.resolve()
    }
    const handler = defineHandler({
      name: 'copy',
      input: topic('clicks', { value: text }),
      outputs: [out, rows],
      setup: () => undefined,
      handle: (value) => {
        this.seen.push(value)
        if (value.startsWith('fail')) throw new Error('as planned')
        const outcome = done([out.record(value), rows.upsert({ id: value })])
        if (!value.startsWith('hold')) return outcome
        return new Promise<Outcome>((resolve) => {
          this.#held.push(() => {
            resolve(outcome)
          })
        })
      },
      teardown: () => note('handlers'),
    })
    const app = resolveOptions({
      kafka: { brokers: 'fake:9092', groupId: 'group' },
      actors: [{ name: 'copy', handler, handlerTimeoutMs: 600_000, retry: { attempts: 100, backoffMs: 30_000 } }],
      sinks: { table: noting(new FakeSink({ clock: client.clock }), note) },
      commitIntervalMs: 100,
      drainTimeoutMs: DRAIN_TIMEOUT_MS,
    })
    const broker: Broker = {
      consumer: () => notingConsumer(client.consumer(), this.said, note),
      producer: (name) => notingProducer(client.producer(name), name, this.said, note),
      reader: (name) => client.reader(name),
      transactionalProducer: (options) => client.transactionalProducer(options),
      admin: () => client.admin(),
    }
    const { clock } = client
    this.stats = new EngineStats(clock)
    return Engine.start({ app, broker, clock, random: () => 0, log: silentLog, stats: this.stats })
  }

  letGo(): void {
    for (const end of this.#held.splice(0)) end()
  }

  /** The clock moves on until the promise has settled. */
  async settled<Value>(promise: Promise<Value>): Promise<Value> {
    const state = { isOver: false }
    const note = (): void => {
      state.isOver = true
    }
    promise.then(note, note)
    for (let step = 0; !state.isOver && step < 2_000; step += 1) await this.clock.advance(50)
    return await promise
  }

  get positions(): (number | undefined)[] {
    return this.broker.partitions('clicks').map((partition) => this.broker.committed(partition)?.position)
  }

  get written(): string[] {
    return this.broker.records('out').map(({ value }) => Buffer.from(value ?? []).toString())
  }
}

type Note = (step: string) => Promise<void>

function noting(sink: Sink, note: Note): Sink {
  return {
    maxBatch: sink.maxBatch,
    open: (context) => sink.open(context),
    prepare: (destinations) => sink.prepare(destinations),
    write: (batch) => sink.write(batch),
    close: async () => {
      await sink.close()
      await note('sink')
    },
  }
}

function notingConsumer(consumer: BrokerConsumer, said: string[], note: Note): BrokerConsumer {
  return overlaid(consumer, {
    storePositions: (positions) => {
      said.push(`store ${positions.map(({ position }) => position).join(' ')}`)
      return consumer.storePositions(positions)
    },
    disconnect: async () => {
      await consumer.disconnect()
      await note('leave')
    },
  })
}

function notingProducer(producer: BrokerProducer, name: string, said: string[], note: Note): BrokerProducer {
  return overlaid(producer, {
    write: async (records) => {
      const results = await producer.write(records)
      said.push(`${records.length} durable`)
      return results
    },
    disconnect: async () => {
      await producer.disconnect()
      await note(name)
    },
  })
}

function overlaid<Part extends object>(part: Part, overlay: Partial<Part>): Part {
  return new Proxy(part, {
    get(target, name) {
      const value: unknown = Reflect.get(overlay, name) ?? Reflect.get(target, name)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

/** A client of which one poll fails. */
function failingClient(client: FakeClient): { client: FakeClient; failNextPoll: () => void } {
  let fails = false
  const failing = overlaid(client, {
    consumer: () => {
      const consumer = client.consumer()
      return overlaid(consumer, {
        poll: (maxRecords, timeoutMs) => {
          if (!fails) return consumer.poll(maxRecords, timeoutMs)
          fails = false
          return Promise.reject(new Error('the client is gone'))
        },
      })
    },
  })
  const failNextPoll = (): void => {
    fails = true
  }
  return { client: failing, failNextPoll }
}

const END = ['leave', 'sink', 'outputs', 'dead-letters', 'handlers']

test('an engine that stood still takes no answer for overdue', async () => {
  const world = new World()
  const engine = await world.start('a')
  const { waits } = world.stats
  waits.begin('commit')
  await world.clock.standStill(600_000)
  expect(waits.overdue('commit')).toBe(0)
  await world.settled(engine.kill())
})

describe('a stop', () => {
  // Case 57.
  test('finishes what is in flight, stores it, leaves, and then closes sinks, producers and handlers, in this order', async () => {
    const world = new World()
    const engine = await world.start('one')
    world.append('hold')
    await world.clock.advance(1_000)
    world.said.length = 0
    const stopping = engine.stop()
    await world.clock.advance(500)
    expect(world.said).toEqual([])
    world.letGo()
    await world.settled(stopping)
    expect(world.said.filter((step) => step !== 'store 0')).toEqual(['1 durable', 'store 1', ...END])
    expect([world.positions, world.written, engine.state]).toEqual([[1], ['hold'], 'ended'])
    expect(world.clock.pendingTimers).toBe(0)
  })

  // Case 57.
  test.each(END)('goes on when "%s" fails', async (step) => {
    const world = new World()
    const engine = await world.start('one', { [step]: 'fails' })
    world.append('a')
    await world.clock.advance(1_000)
    world.said.length = 0
    await world.settled(engine.stop())
    expect(world.said.filter((each) => END.includes(each))).toEqual(END)
    expect([world.positions, await engine.finished]).toEqual([[1], { reason: 'stopped' }])
  })

  // Case 57, F3.
  test.each(END)('goes on when "%s" never ends', async (step) => {
    const world = new World()
    const engine = await world.start('one', { [step]: 'never ends' })
    world.append('a')
    await world.clock.advance(1_000)
    world.said.length = 0
    await world.settled(engine.stop())
    expect(world.said.filter((each) => END.includes(each))).toEqual(END)
    expect([world.positions, await engine.finished]).toEqual([[1], { reason: 'stopped' }])
    expect(world.clock.pendingTimers).toBe(0)
  })

  // Case 58.
  test('asked for twice is one, and after the end nothing happens any more', async () => {
    const world = new World()
    const engine = await world.start('one')
    expect(engine.stop()).toBe(engine.stop())
    await world.settled(engine.stop())
    const { length } = world.said
    await world.settled(engine.stop())
    await world.settled(engine.kill())
    expect(world.said).toHaveLength(length)
    expect(await engine.finished).toEqual({ reason: 'stopped' })
  })

  // Case 58.
  test('does not wait for a record in its back-off, which is left to the next owner', async () => {
    const world = new World()
    const engine = await world.start('one')
    world.append('fail')
    world.append('a')
    await world.clock.advance(1_000)
    const stopsAtMs = world.clock.now()
    await world.settled(engine.stop())
    expect(world.clock.now() - stopsAtMs).toBeLessThan(DRAIN_TIMEOUT_MS)
    expect([world.positions, world.written, world.clock.pendingTimers]).toEqual([[0], ['a'], 0])
  })

  // Case 58.
  test('waits for a handler that never ends no longer than the drain may take, and what it does later counts for nothing', async () => {
    const world = new World()
    const engine = await world.start('one')
    world.append('hold')
    await world.clock.advance(1_000)
    const stopping = engine.stop()
    await world.clock.advance(DRAIN_TIMEOUT_MS - 100)
    expect(engine.state).toBe('stopping')
    await world.clock.advance(600)
    expect(engine.state).toBe('ended')
    await stopping
    world.letGo()
    await world.clock.advance(10_000)
    expect([world.positions, world.written]).toEqual([[0], []])
  })

  // Case 58.
  test('during a rebalance ends, and the other member has everything', async () => {
    const world = new World(2)
    const engine = await world.start('one')
    world.append('hold-0', 0)
    world.append('hold-1', 1)
    await world.clock.advance(1_000)
    const other = world.starting(world.broker.client('two'))
    // One partition is being drained for the other member, which waits for it.
    await world.clock.runUntil(() => world.broker.group().isRebalancing)
    await world.clock.advance(500)
    const stopping = engine.stop()
    await world.clock.advance(100)
    world.letGo()
    await world.settled(stopping)
    const two = await world.settled(other)
    await world.clock.advance(5_000)
    world.append('c', 0)
    world.append('d', 1)
    await world.clock.advance(5_000)
    expect(two.status().partitions).toHaveLength(2)
    expect(world.positions).toEqual([2, 2])
    expect(world.written.toSorted()).toEqual(['c', 'd', 'hold-0', 'hold-1'])
    await world.settled(two.stop())
  })

  // Case 58: close during connect.
  test('while a failed membership is being replaced, and its brokers are away, ends', async () => {
    const world = new World()
    const { client, failNextPoll } = failingClient(world.broker.client('one'))
    const engine = await world.settled(world.starting(client))
    await world.clock.advance(1_000)
    world.broker.faults.areBrokersAway = true
    failNextPoll()
    await world.clock.advance(30_000)
    expect(engine.status().state).toBe('restarting')
    await world.settled(engine.stop())
    expect([engine.state, await engine.finished]).toEqual(['ended', { reason: 'stopped' }])
    world.broker.faults.areBrokersAway = false
    await world.clock.advance(60_000)
    expect([world.broker.group().memberNames, world.clock.pendingTimers]).toEqual([[], 0])
  })
})

// Case 58.
test('a start that fails closes what it has opened', async () => {
  const world = new World()
  world.broker.faults.areBrokersAway = true
  await expect(world.start('one')).rejects.toThrow()
  expect(world.said).toEqual(['outputs', 'sink', 'handlers'])
  expect(world.clock.pendingTimers).toBe(0)
})

describe('a member', () => {
  // Case 17: a drain may take longer than the group waits for somebody who does not poll.
  test('that drains keeps its place in the group, and hands over what it finished meanwhile', async () => {
    const world = new World(2, { maxPollIntervalMs: 1_000 })
    const one = await world.start('one')
    world.append('hold-0', 0)
    world.append('hold-1', 1)
    await world.clock.advance(1_000)
    const two = await world.start('two')
    await world.clock.advance(DRAIN_TIMEOUT_MS - 500)
    expect(one.status().partitions).toHaveLength(2)
    world.letGo()
    await world.clock.advance(5_000)
    expect([one, two].map((engine) => engine.status().partitions.length)).toEqual([1, 1])
    expect([world.positions, world.written.toSorted()]).toEqual([
      [1, 1],
      ['hold-0', 'hold-1'],
    ])
    for (const engine of [one, two]) await world.settled(engine.stop())
  })

  // Cases 5 and 14.
  test('whose handler never ends gives its partition up within the drain time, and the record is handled by the next owner', async () => {
    const world = new World(1)
    const one = await world.start('one')
    world.append('hold')
    await world.clock.advance(1_000)
    const stopping = one.stop()
    const two = await world.start('two')
    await world.settled(stopping)
    await world.clock.advance(5_000)
    expect(world.seen).toEqual(['hold', 'hold'])
    world.letGo()
    await world.clock.advance(1_000)
    expect([world.positions, world.written]).toEqual([[1], ['hold']])
    await world.settled(two.stop())
  })

  // Case 18.
  test('whose poll loop has died leaves the group at once, and another one begins', async () => {
    const world = new World(1, { sessionTimeoutMs: 3_600_000, maxPollIntervalMs: 3_600_000 })
    const { client, failNextPoll } = failingClient(world.broker.client('one'))
    const engine = await world.settled(world.starting(client))
    world.append('a')
    await world.clock.advance(1_000)
    failNextPoll()
    await world.clock.advance(1_000)
    expect(world.said).toContain('leave')
    world.append('b')
    await world.clock.advance(20_000)
    expect([world.seen, world.positions, engine.state]).toEqual([['a', 'b'], [2], 'running'])
    await world.settled(engine.stop())
  })

  // Case 49: whatever held up its main loop, a handler of the user's or the garbage collector.
  test('that stood still beyond its session writes nothing when it wakes, and works again', async () => {
    const world = new World(1, { sessionTimeoutMs: 2_000 })
    const one = await world.start('one')
    world.append('hold')
    await world.clock.advance(1_000)
    const client = world.broker.client('one')
    client.freeze()
    const two = await world.start('two')
    await world.clock.advance(5_000)
    expect(world.seen).toEqual(['hold', 'hold'])
    client.thaw()
    await world.clock.advance(1_000)
    world.letGo()
    await world.clock.advance(1_000)
    expect([world.written, world.positions]).toEqual([['hold'], [1]])
    await world.settled(two.stop())
    world.append('b')
    await world.clock.advance(5_000)
    expect([world.written, one.state]).toEqual([['hold', 'b'], 'running'])
    await world.settled(one.stop())
  })
})

// Case 59.
test('commits, rebalances and epochs make no series of metrics', async () => {
  const world = new World(2)
  const engine = await world.start('one')
  const registry = new Registry()
  registerMetrics(registry, world.stats)
  const series = async (): Promise<string[]> =>
    (await registry.metrics())
      .split('\n')
      .filter((line) => !line.startsWith('#'))
      .map((line) => line.slice(0, line.lastIndexOf(' ')))
  const go = async (rounds: number): Promise<void> => {
    for (let round = 0; round < rounds; round += 1) {
      world.append(`v${round}`, round % 2)
      await world.clock.advance(500)
      world.broker.expelMember('one')
      await world.clock.advance(500)
    }
  }
  await go(4)
  const { accepted } = world.stats.commits
  const before = await series()
  await go(20)
  expect(await series()).toEqual(before)
  expect(world.stats.commits.accepted).toBeGreaterThan(accepted + 10)
  await world.settled(engine.stop())
})

describe('a restart', () => {
  // Case 31.
  test('after a clean stop repeats nothing', async () => {
    const world = new World(2)
    for (let at = 0; at < 100; at += 1) world.append(`v${at}`, at % 2)
    const one = await world.start('one')
    await world.clock.advance(60)
    await world.settled(one.stop())
    const two = await world.start('two')
    await world.clock.advance(5_000)
    await world.settled(two.stop())
    expect(world.seen).toHaveLength(100)
    expect(new Set(world.written).size).toBe(world.written.length)
    expect(world.positions).toEqual([50, 50])
  })

  // Case 31.
  test('after a crash repeats what was unfinished, and what was finished since the last commit', async () => {
    const world = new World(1, { commitIntervalMs: 50 })
    world.append('hold')
    for (let at = 1; at < 100; at += 1) world.append(`v${at}`)
    await world.start('one')
    await world.clock.advance(1_000)
    world.broker.client('one').crash({ isNoticed: true })
    world.seen.length = 0
    const two = await world.start('two')
    await world.clock.advance(1_000)
    world.letGo()
    await world.clock.advance(1_000)
    expect([world.seen, world.positions]).toEqual([['hold'], [100]])
    await world.settled(two.stop())
  })
})
