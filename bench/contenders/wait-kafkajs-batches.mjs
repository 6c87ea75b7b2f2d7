// kafkajs, a batch of each partition at a time, and in it all keys at the same time.
import { connectKafkajs, subscribeKafkajs } from './kafkajs.mjs'
import { waitByKey } from './waits.mjs'

export async function run({ brokers, topic, group, settings, meter }) {
  const consumer = await subscribeKafkajs({ kafka: connectKafkajs(brokers), topic, group })
  await consumer.run({
    partitionsConsumedConcurrently: settings.partitions,
    eachBatch: ({ batch }) => waitByKey(batch.messages, settings.waitMs, meter),
  })
}
