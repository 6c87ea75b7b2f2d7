/** What falls between an assignment's beginning and its answer: on the fake broker, which a test can hold up. */
import { expect, test } from 'vitest'
import { defineHandler, done } from '../../src/actors/handlers/handler.ts'
import { silentLog } from '../../src/log.ts'
import { resolveOptions } from '../../src/options/resolve.ts'
import type { Broker } from '../../src/streams/broker.ts'
import type { BrokerConsumer, StartPosition } from '../../src/streams/broker-port.ts'
import { text } from '../../src/streams/flows/codec.ts'
import { topic } from '../../src/streams/flows/flow.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import { Engine } from '../../src/supervisor/engine.ts'
import { FakeBroker } from '../../src/testing/broker/fake-broker.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { settled } from '../support/settled.ts'

/** Something that waits until it is opened. */
class Gate {
  isAwaited = false
  open: () => void = () => undefined
  readonly #opened = new Promise<void>((resolve) => {
    this.open = resolve
  })

  pass(): Promise<void> {
    this.isAwaited = true
    return this.#opened
  }
}

interface Watched {
  /** Where each assignment begins, as it was answered. */
  readonly answers: (readonly StartPosition[])[]
  /** Holds up the questions about the ends of partition 1. */
  gate: Gate | null
}

/** A broker whose consumers tell what they are answered. */
function watching(broker: Broker, watched: Watched): Broker {
  return {
    producer: (name) => broker.producer(name),
    reader: (name) => broker.reader(name),
    transactionalProducer: (options) => broker.transactionalProducer(options),
    admin: () => broker.admin(),
    consumer: () => {
      const consumer = broker.consumer()
      const held: Partial<BrokerConsumer> = {
        watermarks: async (partition) => {
          if (partition.partition === 1) await watched.gate?.pass()
          return await consumer.watermarks(partition)
        },
        assign: (id, starts) => {
          const isTaken = consumer.assign(id, starts)
          if (isTaken) watched.answers.push(starts)
          return isTaken
        },
      }
      return new Proxy(consumer, {
        get: (target, name) => {
          const value: unknown = Reflect.get(held, name) ?? Reflect.get(target, name, target)
          return typeof value === 'function' ? (value.bind(target) as unknown) : value
        },
      })
    },
  }
}

function makeWorld(handle: (value: string) => Promise<void> = () => Promise.resolve()) {
  const clock = new ManualClock()
  const broker = new FakeBroker({ clock })
  broker.createTopic('clicks', 2)
  const seen: string[] = []
  const handler = defineHandler({
    input: topic('clicks', { value: text }),
    handle: async (value) => {
      seen.push(value)
      await handle(value)
      return done()
    },
  })
  const app = resolveOptions({
    kafka: { brokers: 'fake:9092', groupId: 'group' },
    actors: [{ name: 'count', handler, runOn: 'main' }],
  })
  const watched: Watched = { answers: [], gate: null }
  const start = (name: string): Promise<Engine> =>
    Engine.start({
      app,
      broker: watching(broker.client(name), watched),
      clock,
      random: () => 0,
      log: silentLog,
      stats: new EngineStats(),
    })
  const append = (value: string, partition: number): void => {
    broker.append('clicks', { value, key: 'k', partition })
  }
  return { append, clock, seen, start, watched }
}

// Case 51.
test("the user's pause holds that comes while an assignment is being answered", async () => {
  const { append, clock, seen, start, watched } = makeWorld()
  append('a', 0)
  append('b', 1)
  const first = await settled(clock, start('one'))
  await clock.advance(2_000)
  await settled(clock, first.stop())
  const gate = (watched.gate = new Gate())
  const engine = await settled(clock, start('two'))
  while (!gate.isAwaited) await clock.advance(100)
  engine.pause('clicks')
  gate.open()
  await clock.advance(1_000)
  append('c', 0)
  append('d', 1)
  await clock.advance(2_000)
  expect(seen.toSorted()).toEqual(['a', 'b'])
  expect(engine.status().partitions.map(({ intakeStoppedBy }) => intakeStoppedBy)).toEqual([['user'], ['user']])
  engine.resume('clicks')
  await clock.advance(2_000)
  expect(seen.toSorted()).toEqual(['a', 'b', 'c', 'd'])
  await settled(clock, engine.stop())
})

test('a stop that comes while an assignment is being answered takes nothing of it', async () => {
  const slow = new Gate()
  const { append, clock, start, watched } = makeWorld((value) => (value === 'slow' ? slow.pass() : Promise.resolve()))
  append('a', 0)
  append('b', 1)
  const first = await settled(clock, start('one'))
  await clock.advance(2_000)
  const second = await settled(clock, start('two'))
  await clock.advance(5_000)
  // Each has one partition. The one that ends is that of partition 1, so that the other is granted it.
  const owns = (engine: Engine): number | undefined => engine.status().partitions[0]?.partition
  const [stays, goes] = owns(first) === 0 ? [first, second] : [second, first]
  expect([owns(stays), owns(goes)]).toEqual([0, 1])
  append('slow', 0)
  while (!slow.isAwaited) await clock.advance(100)
  const gate = (watched.gate = new Gate())
  await settled(clock, goes.stop())
  while (!gate.isAwaited) await clock.advance(100)
  const stopped = stays.stop()
  await clock.advance(100)
  watched.answers.length = 0
  gate.open()
  await clock.advance(100)
  expect(watched.answers).toEqual([[]])
  slow.open()
  await settled(clock, stopped)
})
