/** Leaving a group at an awkward time: on real Kafka, with the engine in this process. */
import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { defineHandler, done, topic } from '../../src/index.ts'
import { silentLog } from '../../src/log.ts'
import { resolveOptions } from '../../src/options/resolve.ts'
import type { Broker } from '../../src/streams/broker.ts'
import { createKafkaBroker } from '../../src/streams/kafka/broker.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import { Engine } from '../../src/supervisor/engine.ts'
import { Member, until } from '../contract/contract-world.ts'
import { bootstrapServers, createTopic, groupMembers, kafkaIsAvailable, uniqueName } from '../support/real-kafka.ts'
import { testOptions } from './kafka-world.ts'

describe.skipIf(!kafkaIsAvailable)('a stop while the join is not answered yet', () => {
  // Case 58.
  test('leaves no member behind', async ({ onTestFinished }) => {
    const name = uniqueName('leave')
    await createTopic(name, 2)
    // Longer than the test may take: a member that was not seen to leave would still be there.
    const options = { ...testOptions(bootstrapServers, name), sessionTimeoutMs: 300_000, heartbeatIntervalMs: 300 }
    const broker = createKafkaBroker({ ...options, assignmentStrategy: 'range' })
    const first = await Member.join(broker, [name], (member) => member.held.add('revoke'))
    onTestFinished(() => first.leave())
    await until('all partitions', () => first.assigned.size === 2)

    const app = resolveOptions({
      kafka: { brokers: bootstrapServers, groupId: name, assignmentStrategy: 'range' },
      actors: [{ name: 'reader', handler: defineHandler({ input: topic(name), handle: () => done() }) }],
    })
    const stats = new EngineStats()
    const { isLeaving, watched } = noteLeave(broker)
    const engine = await Engine.start({
      app,
      broker: watched,
      clock: systemClock,
      random: Math.random,
      log: silentLog,
      stats,
    })
    onTestFinished(() => engine.kill())
    // The group waits for the first member, and the second one's join for the group.
    await until('a revoke', () => first.events.some(({ type }) => type === 'revoke'))
    const stopped = engine.stop()
    // The join is only answered once the client has been told to go: one that does not wait has nobody to hear that it left.
    await until('a leave', isLeaving)
    first.held.clear()
    await stopped
    expect((await engine.finished).reason).toBe('stopped')
    await expect.poll(() => groupMembers(name), { interval: 200 }).toHaveLength(1)
  })
})

/** The same broker, and whether one of its consumers was told to leave. */
function noteLeave(broker: Broker): { readonly watched: Broker; readonly isLeaving: () => boolean } {
  let isLeaving = false
  const watched: Broker = {
    producer: (name) => broker.producer(name),
    reader: (name) => broker.reader(name),
    transactionalProducer: (options) => broker.transactionalProducer(options),
    admin: () => broker.admin(),
    consumer: () => {
      const consumer = broker.consumer()
      const disconnect = consumer.disconnect.bind(consumer)
      consumer.disconnect = () => {
        isLeaving = true
        return disconnect()
      }
      return consumer
    },
  }
  return { watched, isLeaving: () => isLeaving }
}
