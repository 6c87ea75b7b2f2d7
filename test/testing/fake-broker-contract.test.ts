/** The broker port as the fake broker keeps it: the suite that real Kafka passes too, in real time. */
import { systemClock } from '../../src/clock.ts'
import { FakeBroker } from '../../src/testing/broker/fake-broker.ts'
import { describeAdminContract } from '../contract/admin-contract.ts'
import { describeBrokerContract } from '../contract/broker-contract.ts'
import { bytesOf, type BrokerWorld } from '../contract/contract-world.ts'
import { describeTransactionsContract } from '../contract/transactions-contract.ts'

for (const strategy of ['cooperative-sticky', 'eager'] as const) {
  describeBrokerContract(`fake broker, ${strategy}`, () => Promise.resolve(fakeWorld(strategy)))
  describeTransactionsContract(`fake broker, ${strategy}`, () => Promise.resolve(fakeWorld(strategy)), {
    concurrent: true,
  })
}
describeAdminContract('fake broker', () => Promise.resolve(fakeWorld('cooperative-sticky')), { concurrent: true })

function fakeWorld(strategy: 'cooperative-sticky' | 'eager'): BrokerWorld {
  const fake = new FakeBroker({ clock: systemClock, strategy })
  let names = 0
  const uniqueName = (prefix: string): string => `${prefix}-${(names += 1)}`
  return {
    broker: (groupId) => fake.client(uniqueName('process'), { groupId }),
    uniqueName,
    createTopic: async (name, partitions, settings = {}) => {
      fake.createTopic(name, partitions, { settings })
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
    expelMembers: async (groupId) => {
      for (const id of fake.group(groupId).memberIds) fake.group(groupId).expel(id)
    },
    read: async (topic) => fake.committedRecords(topic),
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
