/** A stop that comes before the start has ended. Case 58. */
import { expect, test } from 'vitest'
import { defineHandler, done } from '../../src/actors/handlers/handler.ts'
import { silentLog } from '../../src/log.ts'
import { resolveOptions } from '../../src/options/resolve.ts'
import type { Broker } from '../../src/streams/broker.ts'
import { text } from '../../src/streams/flows/codec.ts'
import { topic } from '../../src/streams/flows/flow.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import type { Sink } from '../../src/streams/delivery/sink.ts'
import { Engine } from '../../src/supervisor/engine.ts'
import { FakeBroker } from '../../src/testing/broker/fake-broker.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { settled } from '../support/settled.ts'

const steps = ['setup', 'sink', 'outputs', 'dead-letters', 'consumer'] as const
type Step = (typeof steps)[number]

/** Everything that a start opens. The step named waits until it is closed, or, as a setup, until it is let go. */
function makeWorld(stuckAt: Step | null) {
  const clock = new ManualClock()
  const fake = new FakeBroker({ clock })
  fake.createTopic('clicks', 1)
  const opened: string[] = []
  const closed: string[] = []
  const endings = new Map<string, () => void>()
  let noteReached: () => void = () => undefined
  const reached = new Promise<void>((resolve) => {
    noteReached = resolve
  })
  const open = async (step: Step, work: () => unknown): Promise<void> => {
    opened.push(step)
    if (step !== stuckAt) {
      await work()
      return
    }
    noteReached()
    await new Promise<void>((resolve) => endings.set(step, resolve))
    if (step !== 'setup') throw new Error(`${step} was closed`)
  }
  const close = (step: Step): void => {
    closed.push(step)
    endings.get(step)?.()
  }
  const client = fake.client('one')
  const broker: Broker = {
    consumer: () => {
      const consumer = client.consumer()
      const connect = consumer.connect.bind(consumer)
      const disconnect = consumer.disconnect.bind(consumer)
      consumer.connect = () => open('consumer', connect)
      consumer.disconnect = async () => {
        close('consumer')
        await disconnect()
      }
      return consumer
    },
    reader: (name) => client.reader(name),
    transactionalProducer: (options) => client.transactionalProducer(options),
    admin: () => client.admin(),
    producer: (name) => {
      const producer = client.producer(name)
      const connect = producer.connect.bind(producer)
      const disconnect = producer.disconnect.bind(producer)
      producer.connect = () => open(name as Step, connect)
      producer.disconnect = async () => {
        close(name as Step)
        await disconnect()
      }
      return producer
    },
  }
  const sink: Sink = {
    maxBatch: 1,
    open: () => open('sink', () => undefined),
    prepare: () => Promise.resolve(),
    write: (batch) => Promise.resolve(batch.map(() => null)),
    close: () => {
      close('sink')
      return Promise.resolve()
    },
  }
  const handler = defineHandler({
    input: topic('clicks', { value: text }),
    setup: () => open('setup', () => undefined),
    handle: () => done(),
    teardown: () => {
      close('setup')
    },
  })
  const app = resolveOptions({
    kafka: { brokers: 'fake:9092', groupId: 'group' },
    actors: [{ name: 'count', handler, runOn: 'main' }],
    sinks: { sink },
  })
  const start = (signal: AbortSignal): Promise<Engine> =>
    Engine.start({ app, broker, clock, random: () => 0, log: silentLog, stats: new EngineStats() }, signal)
  return { clock, closed, fake, letGo: () => endings.get('setup')?.(), opened, reached, sink, start }
}

test.each(steps)('while it waits for its %s ends it, and closes what was opened', async (step) => {
  const { clock, closed, letGo, opened, reached, start } = makeWorld(step)
  const stop = new AbortController()
  const starting = start(stop.signal)
  await settled(clock, Promise.race([reached, starting]))
  stop.abort()
  // Nobody can end a setup from outside: it is torn down when it has ended.
  letGo()
  await expect(settled(clock, starting)).rejects.toMatchObject({ code: 'START_STOPPED' })
  expect(opened).toEqual(steps.slice(0, steps.indexOf(step) + 1))
  expect(closed.toSorted()).toEqual([...opened].toSorted())
})

test('while a setup hangs ends it after some seconds; what the setup has opened is closed when it has ended', async () => {
  const { clock, closed, letGo, reached, start } = makeWorld('setup')
  const stop = new AbortController()
  const starting = start(stop.signal)
  const refused = expect(starting).rejects.toMatchObject({ code: 'START_STOPPED' })
  await reached
  stop.abort()
  await clock.advance(10_000)
  await refused
  expect(closed).toEqual([])
  letGo()
  await clock.settle()
  expect(closed).toEqual(['setup'])
  expect(clock.pendingTimers).toBe(0)
})

// JavaScript does not ask what `close` returns.
test('a start that fails says why and closes the rest, whatever a sink does when it is closed', async () => {
  const { clock, closed, fake, opened, sink, start } = makeWorld(null)
  fake.faults.areBrokersAway = true
  sink.close = () => {
    closed.push('sink')
    return undefined as unknown as Promise<void>
  }
  await expect(settled(clock, start(new AbortController().signal))).rejects.toMatchObject({
    code: 'BROKER_UNREACHABLE',
  })
  expect(closed.toSorted()).toEqual(opened.toSorted())
})

test('that has come before begins nothing that stays', async () => {
  const { closed, opened, start } = makeWorld(null)
  await expect(start(AbortSignal.abort())).rejects.toMatchObject({ code: 'START_STOPPED' })
  expect(opened).toEqual(['setup'])
  expect(closed).toEqual(['setup'])
})
