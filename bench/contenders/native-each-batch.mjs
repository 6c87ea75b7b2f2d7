// The KafkaJS-style API of the native client.
import client from '@confluentinc/kafka-javascript'

const { Kafka, logLevel } = client.KafkaJS

export async function run({ brokers, topic, group, meter }) {
  const kafka = new Kafka({ kafkaJS: { brokers: brokers.split(','), logLevel: logLevel.NOTHING } })
  const consumer = kafka.consumer({ kafkaJS: { groupId: group, fromBeginning: true } })
  await consumer.connect()
  await consumer.subscribe({ topic })
  let sum = 0
  await consumer.run({
    eachBatch: async ({ batch }) => {
      for (const { value } of batch.messages) {
        sum += value[0]
        meter.count()
      }
      return sum
    },
  })
}
