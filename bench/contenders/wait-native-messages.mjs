// The KafkaJS-style API of the native client, a record of each partition at a time.
import client from '@confluentinc/kafka-javascript'
import { waitInTurn } from './waits.mjs'

const { Kafka, logLevel } = client.KafkaJS

export async function run({ brokers, topic, group, settings, meter }) {
  const kafka = new Kafka({ kafkaJS: { brokers: brokers.split(','), logLevel: logLevel.NOTHING } })
  const consumer = kafka.consumer({ kafkaJS: { groupId: group, fromBeginning: true } })
  await consumer.connect()
  await consumer.subscribe({ topic })
  await consumer.run({
    partitionsConsumedConcurrently: settings.partitions,
    eachMessage: () => waitInTurn(1, settings.waitMs, meter),
  })
}
