import { expect, test } from 'vitest'
import {
  consumerConfig,
  producerConfig,
  readerConfig,
  singleRecordProducerConfig,
} from '../../../src/streams/kafka/client-config.ts'
import type { KafkaBrokerOptions } from '../../../src/streams/kafka/broker-options.ts'

const optionsOf = (client: Readonly<Record<string, unknown>>) =>
  ({
    brokers: ['fake:9092'],
    groupId: 'group',
    groupProtocol: 'classic',
    client,
    commitIntervalMs: 100,
    maxPollIntervalMs: 300_000,
  }) as unknown as KafkaBrokerOptions

const MIB = 1024 * 1024

// The client refuses a fetch.max.bytes that was set and is below message.max.bytes, which is there for the outputs.
test.each([
  ['what is usual', {}, 16 * MIB],
  ['smaller records than usual', { 'message.max.bytes': 5000 }, 16 * MIB],
  ['records of 20 MiB', { 'message.max.bytes': 20 * MIB }, 20 * MIB],
  ['records of 20 MiB, as text', { 'message.max.bytes': String(20 * MIB) }, 20 * MIB],
  ['what somebody has decided', { 'fetch.max.bytes': 32 * MIB, 'message.max.bytes': 20 * MIB }, 32 * MIB],
])('a response may bring %s', (_, client, bytes) => {
  expect(consumerConfig(optionsOf(client))['fetch.max.bytes']).toBe(bytes)
})

// That a log ends in a transaction's marker is known when a request comes back empty, and each changelog ends in one: with the
// client's 500 ms a restore of nothing took half a second, of brokers in turn more.
test.each([
  ['as it is', {}],
  ['whatever the consumer waits for', { 'fetch.wait.max.ms': 5000 }],
])('a reader does not wait at the end of a log for what may come later, %s', (_, client) => {
  expect(Number(readerConfig(optionsOf(client), 'restore')['fetch.wait.max.ms'] ?? 500)).toBeLessThanOrEqual(50)
})

/** What a broker takes in one batch by default, and in one request. */
const [BATCH, REQUEST] = [1_048_588, 100 * MIB]

test('an output may be as large as a broker takes by default', () => {
  expect(producerConfig(optionsOf({}), 'outputs')['message.max.bytes']).toBe(BATCH)
  expect(producerConfig(optionsOf({ 'message.max.bytes': 5000 }), 'outputs')['message.max.bytes']).toBe(5000)
})

test.each([
  ['an output that the client compresses', 'outputs', { 'compression.codec': 'zstd' }],
  ['an output that the client compresses, by the other name', 'outputs', { 'compression.type': 'lz4' }],
  ['a dead letter', 'dead-letters', {}],
  ['a dead letter, whatever outputs may be', 'dead-letters', { 'message.max.bytes': 5000 }],
])('%s is measured by the broker, as long as it fits into a request', (_, name, client) => {
  const limit = Number(producerConfig(optionsOf(client), name)['message.max.bytes'])
  expect(limit).toBeGreaterThan(20 * MIB)
  expect(limit).toBeLessThan(REQUEST)
})

test.each([
  ['is compressed when the broker refused it as it was', 'dead-letters', {}, undefined, 'gzip'],
  ['is compressed as somebody has decided', 'dead-letters', { 'compression.codec': 'lz4' }, 'lz4', 'lz4'],
])('a dead letter %s', (_, name, client, first, again) => {
  expect(producerConfig(optionsOf(client), name)['compression.codec']).toBe(first)
  expect(singleRecordProducerConfig(optionsOf(client), name)['compression.codec']).toBe(again)
})

test('an output is not compressed unless somebody says so', () => {
  expect(singleRecordProducerConfig(optionsOf({}), 'outputs')).not.toHaveProperty('compression.codec')
})

test.each([
  ['acks', {}, 'acks', 'all'],
  ['batchBytes', { batchBytes: 50_000 }, 'batch.size', 50_000],
  ['compression', { compression: 'lz4' }, 'compression.codec', 'lz4'],
  ['partitioner', { partitioner: 'consistent_random' }, 'partitioner', 'consistent_random'],
] as const)('producer.%s is what the client of outputs, and that of dead letters, gets', (_, producer, key, value) => {
  for (const name of ['outputs', 'dead-letters']) {
    const options = { ...optionsOf({}), producer }
    expect(producerConfig(options, name)[key]).toBe(value)
    expect(singleRecordProducerConfig(options, name)[key]).toBe(value)
  }
})

test('what nobody has decided is the safe way: all replicas, idempotent, and keys where Java puts them', () => {
  expect(producerConfig(optionsOf({}), 'outputs')).toMatchObject({
    acks: 'all',
    'enable.idempotence': true,
    'batch.size': 1_000_000,
    partitioner: 'murmur2_random',
  })
})

test('what kafka.client says of batches and compression stands', () => {
  const config = producerConfig(optionsOf({ 'batch.size': 5_000, 'compression.type': 'zstd' }), 'outputs')
  expect(config).toMatchObject({ 'batch.size': 5_000, 'compression.type': 'zstd' })
  expect(config).not.toHaveProperty('compression.codec')
})

test('an output that producer.compression makes small is measured by the broker', () => {
  const options = { ...optionsOf({}), producer: { compression: 'gzip' as const } }
  expect(Number(producerConfig(options, 'outputs')['message.max.bytes'])).toBeGreaterThan(20 * MIB)
})
