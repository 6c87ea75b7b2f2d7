/** The surroundings of the broker contract on a real Kafka: a client that is not ours appends and reads. */
import { systemClock } from '../../src/clock.ts'
import type { Broker } from '../../src/streams/broker.ts'
import type { KafkaBrokerOptions } from '../../src/streams/kafka/broker-options.ts'
import type { BrokerWorld } from '../contract/contract-world.ts'
import { KafkaProbe, uniqueName } from '../support/kafka-probe.ts'

/** Options that make rebalances quick. */
export function testOptions(bootstrapServers: string, groupId: string): KafkaBrokerOptions {
  return {
    brokers: bootstrapServers.split(','),
    groupId,
    groupProtocol: 'classic',
    client: {},
    commitIntervalMs: 100,
    // Members leave; one that is alive must not be given up, however busy the machine is.
    sessionTimeoutMs: 30_000,
    heartbeatIntervalMs: 300,
    maxPollIntervalMs: 300_000,
    clock: systemClock,
    log: () => undefined,
  }
}

export function realWorld(
  bootstrapServers: string,
  options: Partial<KafkaBrokerOptions>,
  createBroker: (options: KafkaBrokerOptions) => Broker,
): BrokerWorld {
  const probe = new KafkaProbe(bootstrapServers)
  return {
    broker: (groupId) => createBroker({ ...testOptions(bootstrapServers, groupId), ...options }),
    uniqueName,
    createTopic: (name, partitions, config) => probe.createTopic(name, partitions, { ...config }),
    append: (topic, records) =>
      probe.produceAll(
        topic,
        records.map(({ key, value, headers, partition, timestamp }) => ({
          key,
          value,
          partition,
          headers: (headers ?? []).map(([name, bytes]) => [name, bytes ?? ''] as const),
          ...(timestamp === undefined ? {} : { timestamp }),
        })),
      ),
    beginTransaction: async (topic, values) => {
      const transactionalId = uniqueName('transaction')
      const producer = probe.kafka.producer({ transactionalId, idempotent: true, maxInFlightRequests: 1 })
      await producer.connect()
      const transaction = await producer.transaction()
      await transaction.send({ topic, messages: values.map((value) => ({ value, partition: 0 })) })
      const ended = async (end: () => Promise<void>): Promise<void> => {
        await end()
        await producer.disconnect()
      }
      return { commit: () => ended(() => transaction.commit()), abort: () => ended(() => transaction.abort()) }
    },
    read: (topic) => probe.readAll(topic),
    has: {
      topicIds: true,
      topicLimits: true,
      incrementalRebalance: options.groupProtocol === 'consumer' || options.assignmentStrategy === undefined,
      commitsInHold: true,
      nullHeaders: true,
      reportedTimes: true,
    },
    end: () => probe.close(),
  }
}
