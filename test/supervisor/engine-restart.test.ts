/** How a failed membership is replaced by another one: on the fake broker, with a clock of its own. */
import { describe, expect, test } from 'vitest'
import { defineHandler, done } from '../../src/actors/handlers/handler.ts'
import { silentLog } from '../../src/log.ts'
import { resolveOptions } from '../../src/options/resolve.ts'
import type { Broker } from '../../src/streams/broker.ts'
import type { BrokerConsumer, BrokerConsumerEvents } from '../../src/streams/broker-port.ts'
import { text } from '../../src/streams/flows/codec.ts'
import { topic } from '../../src/streams/flows/flow.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import { Engine } from '../../src/supervisor/engine.ts'
import { FakeBroker } from '../../src/testing/broker/fake-broker.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { settled } from '../support/settled.ts'

const place = { topic: 'clicks', partition: 0 }

/** One partition, one member, and the consumers that it has had. */
class World {
  readonly clock = new ManualClock()
  readonly broker = new FakeBroker({ clock: this.clock })
  readonly seen: string[] = []
  /** What each consumer was given to tell, in the order of their lives. */
  readonly events: BrokerConsumerEvents[] = []
  #fails = false

  constructor() {
    this.broker.createTopic('clicks', 1)
  }

  async start(outOfRange: 'fail' | 'earliest' | 'latest' = 'fail'): Promise<Engine> {
    const handler = defineHandler({
      input: topic('clicks', { value: text }),
      handle: (value) => {
        this.seen.push(value)
        return done()
      },
    })
    const app = resolveOptions({
      kafka: { brokers: 'fake:9092', groupId: 'group' },
      actors: [{ name: 'count', handler, outOfRange }],
    })
    const { clock } = this
    const parts = { app, broker: this.#broker(), clock, random: () => 0, log: silentLog, stats: new EngineStats() }
    const engine = await settled(clock, Engine.start(parts))
    await clock.advance(2_000)
    return engine
  }

  async append(...values: string[]): Promise<void> {
    for (const value of values) this.broker.append('clicks', { value, key: 'key', partition: 0 })
    await this.clock.advance(2_000)
  }

  failNextPoll(): void {
    this.#fails = true
  }

  #broker(): Broker {
    const client = this.broker.client('one')
    return {
      consumer: () => this.#watched(client.consumer()),
      producer: (name) => client.producer(name),
      reader: (name) => client.reader(name),
      transactionalProducer: (options) => client.transactionalProducer(options),
      admin: () => client.admin(),
    }
  }

  #watched(consumer: BrokerConsumer): BrokerConsumer {
    const subscribe = consumer.subscribe.bind(consumer)
    const poll = consumer.poll.bind(consumer)
    consumer.subscribe = (topics, events) => {
      this.events.push(events)
      subscribe(topics, events)
    }
    consumer.poll = (maxRecords, timeoutMs) => {
      if (!this.#fails) return poll(maxRecords, timeoutMs)
      this.#fails = false
      return Promise.reject(new Error('the client is gone'))
    }
    return consumer
  }
}

// A client that could not say good-bye is served until its last commit is answered.
test('what the client of the membership before tells late does nothing to its successor', async () => {
  const world = new World()
  const engine = await world.start()
  await world.append('a')
  world.failNextPoll()
  await world.clock.advance(20_000)
  await world.append('b')
  expect(world.events).toHaveLength(2)
  world.events[0]!.onCommit({ result: 'fenced', positions: [{ ...place, position: 1 }] })
  expect(engine.status().partitions).toHaveLength(1)
  world.events[0]!.onCommit({ result: 'accepted', positions: [{ ...place, position: 1 }] })
  await world.append('c')
  expect(world.seen).toEqual(['a', 'b', 'c'])
  expect(engine.status().partitions).toMatchObject([{ committedPosition: 3 }])
  await settled(world.clock, engine.stop())
})

test('brokers that stay away are waited for, however long', async () => {
  const world = new World()
  const engine = await world.start()
  await world.append('a')
  world.broker.faults.areBrokersAway = true
  world.failNextPoll()
  await world.clock.advance(20 * 60_000)
  expect(world.events.length).toBe(1)
  world.broker.faults.areBrokersAway = false
  await world.clock.advance(20_000)
  await world.append('b')
  expect(world.seen).toEqual(['a', 'b'])
  await settled(world.clock, engine.stop())
})

// The client goes on reading what nobody here owns: another membership owns it again.
test('a partition without an owner, of which records come all the same, is not silent for ever', async () => {
  const world = new World()
  const engine = await world.start()
  await world.append('a')
  world.events[0]!.onCommit({ result: 'fenced', positions: [{ ...place, position: 1 }] })
  for (const value of ['b', 'c', 'd', 'e']) {
    await world.append(value)
    await world.clock.advance(20_000)
  }
  expect(world.events).toHaveLength(2)
  expect(world.seen).toEqual(['a', 'b', 'c', 'd', 'e'])
  await settled(world.clock, engine.stop())
})

test('a single record of such a partition is not left alone until the next one comes', async () => {
  const world = new World()
  const engine = await world.start()
  await world.append('a')
  world.events[0]!.onCommit({ result: 'fenced', positions: [{ ...place, position: 1 }] })
  await world.append('b')
  await world.clock.advance(80_000)
  expect(world.seen).toEqual(['a', 'b'])
  await settled(world.clock, engine.stop())
  expect(world.clock.pendingTimers).toBe(0)
})

// In a cooperative group each rebalance is told to all, also to those for whom nothing changes.
test('nor is it by a rebalance that says nothing of that partition', async () => {
  const world = new World()
  const engine = await world.start()
  await world.append('a')
  world.events[0]!.onCommit({ result: 'fenced', positions: [{ ...place, position: 1 }] })
  await world.append('b')
  world.events[0]!.onRebalance({ id: 1_000, type: 'assign', partitions: [], lost: false })
  await world.clock.advance(80_000)
  expect(world.seen).toEqual(['a', 'b'])
  await settled(world.clock, engine.stop())
  expect(world.clock.pendingTimers).toBe(0)
})

test('a stop does not wait for it', async () => {
  const world = new World()
  const engine = await world.start()
  await world.append('a')
  world.events[0]!.onCommit({ result: 'fenced', positions: [{ ...place, position: 1 }] })
  await world.append('b')
  await settled(world.clock, engine.stop())
  expect(world.clock.pendingTimers).toBe(0)
  expect(await engine.finished).toEqual({ reason: 'stopped' })
})

// A static member that its coordinator has not heard of for a session joins anew, and what its client still has under way of its
// former self is then refused as somebody else's (librdkafka 3437): two members at once, when a broker was killed.
describe('a member that is told that another one has its groupInstanceId', () => {
  const fenced = { severity: 'fatal', code: 'FENCED', message: 'fenced by another instance' } as const
  const lost = { id: 1_000, type: 'revoke', partitions: [place], lost: true } as const

  test('has been that itself where its session was over before: it is replaced, and works again', async () => {
    const world = new World()
    const engine = await world.start()
    await world.append('a')
    world.events[0]!.onRebalance(lost)
    await world.clock.advance(1_000)
    world.events[0]!.onTrouble(fenced)
    await world.clock.advance(20_000)
    await world.append('b')
    expect([engine.state, world.events.length, world.seen]).toEqual(['running', 2, ['a', 'b']])
    await settled(world.clock, engine.stop())
  })

  test('ends where it has its place: two processes with one id would throw each other out for ever', async () => {
    const world = new World()
    const engine = await world.start()
    world.events[0]!.onRebalance(lost)
    world.events[0]!.onRebalance({ ...lost, id: 1_001, type: 'assign', lost: false })
    await world.clock.advance(1_000)
    world.events[0]!.onTrouble(fenced)
    await world.clock.advance(20_000)
    expect(await engine.finished).toMatchObject({ reason: 'failed', error: { code: 'FENCED' } })
    expect(world.events).toHaveLength(1)
  })

  test('ends where its successor, who has a place, is told so', async () => {
    const world = new World()
    const engine = await world.start()
    await world.append('a')
    world.events[0]!.onRebalance(lost)
    await world.clock.advance(1_000)
    world.failNextPoll()
    await world.clock.advance(20_000)
    expect(world.events).toHaveLength(2)
    world.events[1]!.onTrouble(fenced)
    await world.clock.advance(20_000)
    expect(await engine.finished).toMatchObject({ reason: 'failed', error: { code: 'FENCED' } })
  })
})

describe('records that retention deletes before they were read', () => {
  async function overtake(outOfRange: 'fail' | 'earliest' | 'latest'): Promise<{ world: World; engine: Engine }> {
    const world = new World()
    const engine = await world.start(outOfRange)
    await world.append('a')
    engine.pause()
    await world.append('b', 'c', 'd', 'e')
    world.broker.deleteBefore(place, 3)
    engine.resume()
    await world.clock.advance(20_000)
    return { world, engine }
  }

  test.each([
    ['earliest', ['a', 'd', 'e', 'f']],
    ['latest', ['a', 'f']],
  ] as const)('are passed over, and the actor goes on at the %s that there is', async (outOfRange, seen) => {
    const { world, engine } = await overtake(outOfRange)
    await world.append('f')
    expect([engine.state, world.seen]).toEqual(['running', seen])
    await settled(world.clock, engine.stop())
  })

  test('end the supervisor where nobody has decided', async () => {
    const { world, engine } = await overtake('fail')
    expect(await engine.finished).toMatchObject({ reason: 'failed', error: { code: 'OFFSET_OUT_OF_RANGE' } })
    expect(world.seen).toEqual(['a'])
  })
})

test('a restart that is waited for ends with a stop, and leaves no timer', async () => {
  const world = new World()
  const engine = await world.start()
  for (let failure = 0; failure < 4; failure += 1) {
    world.failNextPoll()
    await world.clock.advance(failure < 3 ? 9_000 : 500)
  }
  expect(engine.status().state).toBe('restarting')
  const stopping = engine.stop()
  expect(engine.status().state).toBe('stopping')
  await settled(world.clock, stopping)
  expect([engine.state, engine.status().state, world.clock.pendingTimers]).toEqual(['ended', 'ended', 0])
  expect(await engine.finished).toEqual({ reason: 'stopped' })
})
