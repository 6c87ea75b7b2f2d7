// kafkajs, a batch at a time.
import { connectKafkajs, subscribeKafkajs } from './kafkajs.mjs'

export async function run({ brokers, topic, group, meter }) {
  const consumer = await subscribeKafkajs({ kafka: connectKafkajs(brokers), topic, group })
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
