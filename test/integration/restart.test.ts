/** A membership that fails is abandoned and another one begins: on real Kafka, with the engine in this process. */
import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { defineHandler, done, topic } from '../../src/index.ts'
import { silentLog } from '../../src/log.ts'
import { resolveOptions } from '../../src/options/resolve.ts'
import type { Broker } from '../../src/streams/broker.ts'
import type { BrokerConsumer } from '../../src/streams/broker-port.ts'
import { createKafkaBroker } from '../../src/streams/kafka/broker.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import { Engine } from '../../src/supervisor/engine.ts'
import {
  bootstrapServers,
  committedOffsets,
  createTopic,
  kafkaIsAvailable,
  produceAll,
  readAll,
  uniqueName,
} from '../support/real-kafka.ts'

/** The first consumer's poll fails once it has brought records; those that follow are as they are. */
function failingOnce(broker: Broker): Broker {
  let isToFail = true
  return {
    producer: (name) => broker.producer(name),
    reader: (name) => broker.reader(name),
    transactionalProducer: (options) => broker.transactionalProducer(options),
    admin: () => broker.admin(),
    consumer: (): BrokerConsumer => {
      const consumer = broker.consumer()
      if (!isToFail) return consumer
      isToFail = false
      const poll = consumer.poll.bind(consumer)
      let taken = 0
      consumer.poll = async (maxRecords, timeoutMs) => {
        if (taken > 100) throw new Error('planted')
        const records = await poll(Math.min(maxRecords, 50), timeoutMs)
        taken += records.length
        return records
      }
      return consumer
    },
  }
}

describe.skipIf(!kafkaIsAvailable)('a membership that fails', () => {
  test('is left at once and followed by another, which loses nothing', async () => {
    const name = uniqueName('restart')
    const input = topic<{ n: number }>(`${name}-in`)
    const output = topic<{ n: number }>(`${name}-out`)
    await createTopic(input.name, 4)
    await createTopic(output.name, 4)
    await produceAll(
      input.name,
      Array.from({ length: 1_000 }, (_, n) => ({ key: String(n % 50), value: JSON.stringify({ n }) })),
    )
    const handler = defineHandler({
      input,
      outputs: [output],
      handle: (value, { record }) => done([output.record(value, { key: record.key })]),
    })
    const app = resolveOptions({
      // Longer than the test may take: a member that was not seen to leave would keep its partitions.
      kafka: { brokers: bootstrapServers, groupId: name, sessionTimeoutMs: 300_000 },
      actors: [{ name: 'copy', handler }],
      restart: { backoffMs: 10 },
    })
    const stats = new EngineStats()
    const { brokers, groupId, groupProtocol, maxPollIntervalMs, sessionTimeoutMs } = app.kafka
    const broker = createKafkaBroker({
      brokers,
      groupId,
      groupProtocol,
      maxPollIntervalMs,
      sessionTimeoutMs,
      client: {},
      commitIntervalMs: 100,
      clock: systemClock,
      log: () => undefined,
    })
    const engine = await Engine.start({
      app,
      broker: failingOnce(broker),
      clock: systemClock,
      random: Math.random,
      log: silentLog,
      stats,
    })
    await expect
      .poll(async () =>
        (await committedOffsets(name, input.name)).reduce((sum, { position }) => sum + (position ?? 0), 0),
      )
      .toBe(1_000)
    await engine.stop()
    expect(stats.restarts).toBe(1)
    expect(await engine.finished).toEqual({ reason: 'stopped' })
    expect(new Set((await readAll(output.name)).map(({ value }) => String(value))).size).toBe(1_000)
  })
})
