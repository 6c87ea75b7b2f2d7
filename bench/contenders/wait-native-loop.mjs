// The loop that one would write with the native client: 500 records, all their keys at the same time, the next 500.
import kafka from '@confluentinc/kafka-javascript'
import { waitByKey } from './waits.mjs'

export async function run({ brokers, topic, group, settings, meter }) {
  const consumer = new kafka.KafkaConsumer(
    { 'bootstrap.servers': brokers, 'group.id': group, 'enable.auto.commit': true },
    { 'auto.offset.reset': 'earliest' },
  )
  consumer.setDefaultConsumeTimeout(100)
  consumer.setDefaultIsTimeoutOnlyForFirstMessage(true)
  await new Promise((resolve, reject) => consumer.connect({}, (error) => (error ? reject(error) : resolve())))
  consumer.subscribe([topic])
  for (;;) {
    const records = await new Promise((resolve, reject) =>
      consumer.consume(500, (error, taken) => (error ? reject(error) : resolve(taken))),
    )
    await waitByKey(records, settings.waitMs, meter)
  }
}
