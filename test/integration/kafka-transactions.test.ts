/** Transactions, topics and groups on real Kafka: the contracts, transactions once for each group protocol. */
import { describe } from 'vitest'
import { createKafkaBroker } from '../../src/streams/kafka/broker.ts'
import type { KafkaBrokerOptions } from '../../src/streams/kafka/broker-options.ts'
import { describeAdminContract } from '../contract/admin-contract.ts'
import { describeTransactionsContract } from '../contract/transactions-contract.ts'
import { bootstrapServers, kafkaIsAvailable } from '../support/real-kafka.ts'
import { realWorld } from './kafka-world.ts'

const protocols: Record<string, Partial<KafkaBrokerOptions>> = {
  'real Kafka, cooperative-sticky': {},
  'real Kafka, KIP-848': { groupProtocol: 'consumer' },
}

describe.skipIf(!kafkaIsAvailable)('kafka transactions', () => {
  for (const [name, options] of Object.entries(protocols)) {
    const makeWorld = async () => realWorld(bootstrapServers, options, createKafkaBroker)
    describeTransactionsContract(name, makeWorld, { concurrent: true })
    describeAdminContract(name, makeWorld, { concurrent: true })
  }
})
