/** The broker port on the embedded cluster: what the contract asks, as far as librdkafka's mock knows it. */
import { describeBrokerContract } from '../contract/broker-contract.ts'
import type { BrokerWorld } from '../contract/contract-world.ts'
import { EMBEDDED_PARTITIONS, startEmbeddedBroker } from '../../src/embedded/embedded-broker.ts'
import { createKafkaBroker } from '../../src/streams/kafka/broker.ts'
import { realWorld } from '../integration/kafka-world.ts'
import { KafkaProbe } from '../support/kafka-probe.ts'

describeBrokerContract('embedded cluster', embeddedWorld, { concurrent: true })

async function embeddedWorld(): Promise<BrokerWorld> {
  const embedded = await startEmbeddedBroker()
  // Its transactions hold nothing back, and what they abort can be read.
  // And each of its rebalances lasts as long as a session does.
  const options = { sessionTimeoutMs: 10_000 }
  const { beginTransaction: _, ...world } = realWorld(embedded.bootstrapServers, options, createKafkaBroker)
  // kafkajs' idempotent producer asks for a controller, which this cluster does not have.
  const probe = new KafkaProbe(embedded.bootstrapServers)
  const producer = probe.kafka.producer({ maxInFlightRequests: 1 })
  await producer.connect()
  return {
    ...world,
    partitions: EMBEDDED_PARTITIONS,
    // A topic comes into being when a producer asks for it.
    createTopic: async (topic) => {
      await producer.send({ topic, messages: [] })
    },
    append: async (topic, records) => {
      await producer.send({
        topic,
        messages: records.map(({ key, value, headers = [], partition, timestamp }) => {
          const byName: Record<string, Buffer[]> = {}
          for (const [name, bytes] of headers) (byName[name] ??= []).push(Buffer.from(bytes ?? ''))
          return {
            key: key && Buffer.from(key),
            value: value && Buffer.from(value),
            partition,
            headers: byName,
            ...(timestamp === undefined ? {} : { timestamp: String(timestamp) }),
          }
        }),
      })
    },
    has: { ...world.has, topicIds: false, topicLimits: false, reportedTimes: false },
    end: async () => {
      await world.end()
      await producer.disconnect()
      await probe.close()
      await embedded.stop()
    },
  }
}
