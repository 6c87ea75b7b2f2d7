import { expect, test } from 'vitest'
import { consumerConfig } from '../../../src/streams/kafka/client-config.ts'
import type { KafkaBrokerOptions } from '../../../src/streams/kafka/broker-options.ts'

const configOf = (client: Readonly<Record<string, unknown>>) =>
  consumerConfig({
    brokers: ['fake:9092'],
    groupId: 'group',
    groupProtocol: 'classic',
    client,
    commitIntervalMs: 100,
    maxPollIntervalMs: 300_000,
  } as unknown as KafkaBrokerOptions)

const MIB = 1024 * 1024

// The client refuses a fetch.max.bytes that was set and is below message.max.bytes, which is there for the outputs.
test.each([
  ['what is usual', {}, 16 * MIB],
  ['smaller records than usual', { 'message.max.bytes': 5000 }, 16 * MIB],
  ['records of 20 MiB', { 'message.max.bytes': 20 * MIB }, 20 * MIB],
  ['records of 20 MiB, as text', { 'message.max.bytes': String(20 * MIB) }, 20 * MIB],
  ['what somebody has decided', { 'fetch.max.bytes': 32 * MIB, 'message.max.bytes': 20 * MIB }, 32 * MIB],
])('a response may bring %s', (_, client, bytes) => {
  expect(configOf(client)['fetch.max.bytes']).toBe(bytes)
})
