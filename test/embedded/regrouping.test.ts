/** Regrouping where brokers keep no transactions and take no settings of topics: what is in between comes into being all the same. */
import { Kafka, Partitioners, logLevel, type Producer } from 'kafkajs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startEmbeddedBroker, type EmbeddedBroker } from '../../src/embedded/embedded.ts'
import { MemberProcess } from '../integration/member-process.ts'
import { regionsOf, salesOf } from '../integration/regions.ts'
import { KafkaProbe } from '../support/kafka-probe.ts'

let embedded: EmbeddedBroker
let probe: KafkaProbe
// This broker knows nothing of idempotence, as the probe's has it.
let producer: Producer
beforeAll(async () => {
  embedded = await startEmbeddedBroker({ topics: ['sales', 'regions'] })
  probe = new KafkaProbe(embedded.bootstrapServers)
  const kafka = new Kafka({ brokers: [embedded.bootstrapServers], logLevel: logLevel.NOTHING })
  producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
})
afterAll(async () => {
  await producer.disconnect()
  await probe.close()
  await embedded.stop()
})

test('records are regrouped, by way of a topic that was not there', async () => {
  const messages = salesOf(1_000).map(({ key, value }) => ({ key: String(key), value: String(value) }))
  await producer.send({ topic: 'sales', messages })
  const member = await MemberProcess.start({
    BROKERS: embedded.bootstrapServers,
    GROUP: 'regions',
    INPUT_TOPIC: 'sales',
    OUTPUT_TOPIC: 'regions',
    HANDLERS: 'regroup.mjs',
    ACTOR_OPTIONS: JSON.stringify({ order: 'partition', deadLetter: null }),
    KAFKA_OPTIONS: JSON.stringify({ sessionTimeoutMs: 6_000 }),
  })
  const expected = regionsOf(await probe.readAll('sales', { until: 1_000 }))
  const results = await probe.readAll('regions', { until: expected.length, timeoutMs: 60_000 })
  expect(await member.stop()).toEqual({ reason: 'stopped', code: 0 })
  expect(results.map(({ value }) => String(value)).sort()).toEqual(expected)
})
