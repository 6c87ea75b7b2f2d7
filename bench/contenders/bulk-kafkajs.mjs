// kafkajs, one bulk request for each batch, all partitions at the same time: no order of keys is at risk within one, no record is tried for itself.
import { postAll } from './bulk-call.mjs'
import { connectKafkajs, subscribeKafkajs } from './kafkajs.mjs'

export async function run({ brokers, topic, group, settings, meter }) {
  const consumer = await subscribeKafkajs({ kafka: connectKafkajs(brokers), topic, group })
  let calls = 0
  let records = 0
  meter.noteAtEnd(() => ({ recordsPerCall: records / calls }))
  await consumer.run({
    partitionsConsumedConcurrently: settings.partitions,
    async eachBatch({ batch }) {
      await postAll(
        settings.url,
        batch.messages.map(({ value }) => value),
      )
      calls += 1
      records += batch.messages.length
      meter.count(batch.messages.length)
    },
  })
}
