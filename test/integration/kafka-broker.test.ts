/** The broker port on real Kafka: the contract, once for each group protocol. */
import { describe } from 'vitest'
import { createKafkaBroker } from '../../src/streams/kafka/broker.ts'
import type { KafkaBrokerOptions } from '../../src/streams/kafka/broker-options.ts'
import { describeBrokerContract } from '../contract/broker-contract.ts'
import { bootstrapServers, kafkaIsAvailable } from '../support/real-kafka.ts'
import { realWorld } from './kafka-world.ts'

const protocols: Record<string, Partial<KafkaBrokerOptions>> = {
  'real Kafka, cooperative-sticky': {},
  'real Kafka, KIP-848': { groupProtocol: 'consumer' },
  'real Kafka, eager': { assignmentStrategy: 'range' },
}

describe.skipIf(!kafkaIsAvailable)('kafka broker', () => {
  for (const [name, options] of Object.entries(protocols)) {
    // Producer and reader know nothing of groups: once is enough.
    const producer = Object.keys(options).length === 0
    describeBrokerContract(name, async () => realWorld(bootstrapServers, options, createKafkaBroker), {
      concurrent: true,
      producer,
      reader: producer,
    })
  }
})
