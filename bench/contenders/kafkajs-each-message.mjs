// kafkajs, a record at a time.
import { connectKafkajs, subscribeKafkajs } from './kafkajs.mjs'

export async function run({ brokers, topic, group, meter }) {
  const consumer = await subscribeKafkajs({ kafka: connectKafkajs(brokers), topic, group })
  let sum = 0
  await consumer.run({
    eachMessage: async ({ message }) => {
      sum += message.value[0]
      meter.count()
      return sum
    },
  })
}
