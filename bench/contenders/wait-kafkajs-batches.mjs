// kafkajs, a batch of each partition at a time, and in it all keys at the same time.
import { Kafka, logLevel } from 'kafkajs'
import { waitByKey } from './waits.mjs'

export async function run({ brokers, topic, group, settings, meter }) {
  const kafka = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.ERROR })
  const consumer = kafka.consumer({ groupId: group })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    partitionsConsumedConcurrently: settings.partitions,
    eachBatch: ({ batch }) => waitByKey(batch.messages, settings.waitMs, meter),
  })
}
