/** The broker port as the fake broker keeps it: the suite that real Kafka passes too, in real time. */
import { systemClock } from '../../src/clock.ts'
import { FakeBroker } from '../../src/testing/broker/fake-broker.ts'
import { describeBrokerContract } from '../contract/broker-contract.ts'
import { bytesOf, type BrokerWorld } from '../contract/contract-world.ts'

for (const strategy of ['cooperative-sticky', 'eager'] as const) {
  describeBrokerContract(`fake broker, ${strategy}`, () => Promise.resolve(fakeWorld(strategy)))
}

function fakeWorld(strategy: 'cooperative-sticky' | 'eager'): BrokerWorld {
  const fake = new FakeBroker({ clock: systemClock, strategy })
  let names = 0
  const uniqueName = (prefix: string): string => `${prefix}-${(names += 1)}`
  return {
    broker: (groupId) => fake.client(uniqueName('process'), { groupId }),
    uniqueName,
    createTopic: async (name, partitions, config) => {
      const limit = config?.['max.message.bytes']
      fake.createTopic(name, partitions, limit === undefined ? {} : { maxRecordBytes: Number(limit) })
    },
    append: async (topic, records) => {
      for (const record of records) {
        const { headers = [], key, partition, timestamp, value } = record
        fake.append(topic, { key, value, headers, partition, ...(timestamp === undefined ? {} : { timestamp }) })
      }
    },
    beginTransaction: async (topic, values) => {
      const transaction = fake.beginTransaction({ topic, partition: 0 })
      for (const value of values) transaction.append({ key: null, value: bytesOf(value), headers: [], timestamp: 0 })
      return { commit: async () => transaction.commit(), abort: async () => transaction.abort() }
    },
    read: async (topic) => fake.records(topic),
    has: {
      topicIds: true,
      topicLimits: true,
      incrementalRebalance: strategy === 'cooperative-sticky',
      commitsInHold: true,
      nullHeaders: true,
      reportedTimes: true,
    },
    end: () => Promise.resolve(),
  }
}
