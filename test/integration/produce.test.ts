/** A producer of one's own on real Kafka: what only a broker can show of its options and its reports. */
import { afterAll, describe, expect, it } from 'vitest'
import { startProducer, text, topic } from 'troupe'
import { sinkContract } from 'troupe/testing'
import { createKafkaBroker } from '../../src/streams/kafka/broker.ts'
import type { OutputRecord } from '../../src/streams/record.ts'
import { textOf } from '../contract/contract-world.ts'
import { kafkaSink, newestOf } from '../contract/kafka-sink.ts'
import { KafkaProbe, uniqueName } from '../support/kafka-probe.ts'
import { bootstrapServers, kafkaIsAvailable } from '../support/real-kafka.ts'
import { testOptions } from './kafka-world.ts'

describe.skipIf(!kafkaIsAvailable)('startProducer on real Kafka', () => {
  const probe = new KafkaProbe(bootstrapServers)
  afterAll(() => probe.close())

  it('compresses, puts keys where its partitioner says, and tells where records stand', async (test) => {
    // Uncompressed no record fits.
    const name = uniqueName('produced')
    await probe.createTopic(name, 10, { 'max.message.bytes': '2000' })
    const orders = topic(name, { value: text })
    const producer = await startProducer({
      kafka: { brokers: bootstrapServers.split(',') },
      topics: [orders],
      producer: { compression: 'gzip', partitioner: 'consistent_random', lingerMs: 5, batchBytes: 100_000 },
    })
    test.onTestFinished(() => producer.stop())
    const value = 'x'.repeat(100_000)
    const keys = ['21', 'foobar', 'abc']
    const reports = await producer.sendAll(keys.map((key) => orders.record(value, { key })))
    // CRC32 of each key, by zlib; murmur2 would put them into 0, 6 and 7.
    expect(reports.map(({ partition }) => partition)).toEqual([4252452532 % 10, 2666930069 % 10, 891568578 % 10])
    const logged = await probe.readAll(name)
    for (const [at, key] of keys.entries()) {
      const found = logged.find((record) => textOf(record.key) === key)!
      const { partition, offset, timestamp } = found
      expect(reports[at]).toEqual({ topic: name, partition, offset, timestamp })
      expect(textOf(found.value)).toBe(value)
    }
    await expect(producer.send(orders.record(randomText(50_000)))).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE' })
  })
})

describe.skipIf(!kafkaIsAvailable)('the contract of sinks, of outputs on real Kafka', () => {
  const probe = new KafkaProbe(bootstrapServers)
  afterAll(() => probe.close())

  const cases = sinkContract<OutputRecord>({
    open: async () => {
      const name = uniqueName('notes')
      await probe.createTopic(name, 1, { 'max.message.bytes': '50000' })
      const broker = createKafkaBroker(testOptions(bootstrapServers, uniqueName('group')))
      return {
        sink: () => kafkaSink(broker.producer('outputs')),
        destinations: [],
        output: (key, value) => ({ topic: name, key: Buffer.from(key), value: Buffer.from(value) }),
        read: async () => newestOf(await probe.readAll(name)),
      }
    },
    refused: ({ output }) => output('r', 'x'.repeat(60_000)),
  })
  for (const { name, run } of cases) it(name, run)
})

/** Text that hardly compresses. */
function randomText(length: number): string {
  let state = 1
  return Array.from({ length }, () => {
    state = (state * 48_271) % 2_147_483_647
    return String.fromCharCode(33 + (state % 90))
  }).join('')
}
