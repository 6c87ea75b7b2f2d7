/** The options of who writes to Kafka: the app's own sinks, and a producer of one's own (`startProducer`). */
import {
  compressions,
  partitioners,
  producerDefaults,
  type ProducerSettings,
} from '../streams/kafka/producer-settings.ts'
import type { OptionRow } from './option-row.ts'
import { bytes, count, milliseconds, oneOf, only, orWord } from './rules.ts'

type Rows = { readonly [Name in keyof ProducerSettings as `producer.${Name}`]: OptionRow<ProducerSettings[Name]> }

/** As the app has them: its records wait for Kafka as long as it takes. */
export const producerOptions: Rows = {
  'producer.acks': {
    rule: only(
      'all',
      [-1, '-1'],
      'with fewer, a record that was called durable goes with its leader, and retries double and reorder',
    ),
    default: producerDefaults.acks,
    doc: 'How many replicas must have a record before it counts as durable: all that are in sync, as idempotence asks.',
  },
  'producer.lingerMs': {
    rule: milliseconds({ min: 0, max: 10_000 }),
    default: producerDefaults.lingerMs,
    doc: 'How long the first output waits for others while nothing is being written. Batches grow by themselves while something is; more than 0 makes them larger where little comes, and everything later.',
  },
  'producer.batchBytes': {
    rule: bytes({ min: 1, max: 2_147_483_647 }),
    default: producerDefaults.batchBytes,
    doc: 'Most bytes of one partition in one batch of the protocol (batch.size). A larger record goes alone.',
  },
  'producer.compression': {
    rule: oneOf(...compressions),
    default: producerDefaults.compression,
    doc: "How batches are compressed. With any, the limit on the size of a record is the broker's alone, which measures what arrives.",
  },
  'producer.retries': {
    rule: only('unlimited', [], 'outputs wait for Kafka as long as it takes, and cost a record none of its attempts'),
    default: 'unlimited',
    doc: "How often a write that Kafka did not take is repeated: the app's own until it is durable. In `startProducer` it may be a number.",
  },
  'producer.partitioner': {
    rule: oneOf(...partitioners),
    default: producerDefaults.partitioner,
    doc: 'Which partition a key belongs to: murmur2 as Java clients, consistent (CRC32) as librdkafka, fnv1a as Sarama. …_random spreads records without a key; the others keep them in one partition. All who write a topic need the same.',
  },
}

/** Of `startProducer`: here a caller waits, who may want to hear early. */
export const ownWriting: Rows = {
  ...producerOptions,
  'producer.retries': {
    rule: orWord(count('retries', { min: 0 }), 'unlimited'),
    default: 'unlimited',
    doc: 'How often a write that Kafka did not take (after what its client has tried within it) is repeated before its records are rejected; deliveryTimeoutMs ends it in any case.',
  },
}
