// kafkajs, a record of each partition at a time.
import { connectKafkajs, subscribeKafkajs } from './kafkajs.mjs'
import { waitInTurn } from './waits.mjs'

export async function run({ brokers, topic, group, settings, meter }) {
  const consumer = await subscribeKafkajs({ kafka: connectKafkajs(brokers), topic, group })
  await consumer.run({
    partitionsConsumedConcurrently: settings.partitions,
    eachMessage: () => waitInTurn(1, settings.waitMs, meter),
  })
}
