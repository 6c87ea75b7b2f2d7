/** State where brokers keep no transactions: the same app runs, and says what that is worth. */
import { Kafka, Partitioners, logLevel, type Producer } from 'kafkajs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startEmbeddedBroker, type EmbeddedBroker } from '../../src/embedded/embedded.ts'
import { findWrongCounts } from '../chaos/counts.ts'
import { keyed } from '../integration/copy-flow.ts'
import { MemberProcess } from '../integration/member-process.ts'
import { KafkaProbe, type NewRecord, type ReadRecord } from '../support/kafka-probe.ts'

let embedded: EmbeddedBroker
let probe: KafkaProbe
// This broker knows nothing of idempotence, as the probe's has it.
let producer: Producer
beforeAll(async () => {
  embedded = await startEmbeddedBroker({ topics: ['counted', 'counts'] })
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

async function put(records: readonly NewRecord[]): Promise<void> {
  await producer.send({
    topic: 'counted',
    messages: records.map(({ key, value }) => ({ key: String(key), value: String(value) })),
  })
}

const textOf = ({ key, value }: ReadRecord): { key: string; value: string } => ({
  key: String(key),
  value: String(value),
})

test('an app with state goes on where it was stopped, and says at its start that nothing is exactly once here', async () => {
  const env = {
    BROKERS: embedded.bootstrapServers,
    GROUP: 'counts',
    INPUT_TOPIC: 'counted',
    OUTPUT_TOPIC: 'counts',
    HANDLERS: 'count.mjs',
    RUN_ON: 'main',
    // This broker takes so long to forget a member that has left.
    KAFKA_OPTIONS: JSON.stringify({ sessionTimeoutMs: 6_000 }),
  }
  await put(keyed(400))
  const first = await MemberProcess.start(env)
  await probe.readAll('counts', { until: 400 })
  expect(first.logged(/keep no transactions/)).toHaveLength(1)
  expect(await first.stop()).toEqual({ reason: 'stopped', code: 0 })
  const second = await MemberProcess.start(env)
  await put(keyed(200, undefined, 97, 400))
  const outputs = await probe.readAll('counts', { until: 600 })
  expect(await second.stop()).toEqual({ reason: 'stopped', code: 0 })
  expect(findWrongCounts((await probe.readAll('counted')).map(textOf), outputs.map(textOf))).toEqual([])
})
