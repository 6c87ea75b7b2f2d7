// kafkajs, a record of each partition at a time.
import { Kafka, logLevel } from 'kafkajs'
import { waitInTurn } from './waits.mjs'

export async function run({ brokers, topic, group, settings, meter }) {
  const kafka = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.ERROR })
  const consumer = kafka.consumer({ groupId: group })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    partitionsConsumedConcurrently: settings.partitions,
    eachMessage: () => waitInTurn(1, settings.waitMs, meter),
  })
}
