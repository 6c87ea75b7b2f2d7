// One bare loop of the native client, the work done in it.
import kafka from '@confluentinc/kafka-javascript'
import { readStamp, startGenerator, watchLatencies } from './latency.mjs'
import { makeWork } from './work.mjs'

export async function run({ brokers, topic, group, settings, meter }) {
  const { end } = watchLatencies({ meter, settings })
  const work = makeWork(settings.work)
  const consumer = new kafka.KafkaConsumer(
    { 'bootstrap.servers': brokers, 'group.id': group, 'enable.auto.commit': true },
    { 'auto.offset.reset': 'latest' },
  )
  consumer.setDefaultConsumeTimeout(100)
  consumer.setDefaultIsTimeoutOnlyForFirstMessage(true)
  await new Promise((resolve, reject) => consumer.connect({}, (error) => (error ? reject(error) : resolve())))
  consumer.subscribe([topic])
  let isSending = false
  let sum = 0
  while (sum < Infinity) {
    const records = await new Promise((resolve, reject) =>
      consumer.consume(500, (error, taken) => (error ? reject(error) : resolve(taken))),
    )
    for (const { value } of records) {
      sum ^= work(value)
      end(readStamp(value))
    }
    if (isSending || consumer.assignments().length < settings.partitions) continue
    isSending = true
    startGenerator({ brokers, topic, settings })
  }
}
