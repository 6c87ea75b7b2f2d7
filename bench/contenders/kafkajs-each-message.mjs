// kafkajs, a record at a time.
import { Kafka, logLevel } from 'kafkajs'

export async function run({ brokers, topic, group, meter }) {
  const kafka = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.ERROR })
  const consumer = kafka.consumer({ groupId: group })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  let sum = 0
  await consumer.run({
    eachMessage: async ({ message }) => {
      sum += message.value[0]
      meter.count()
      return sum
    },
  })
}
