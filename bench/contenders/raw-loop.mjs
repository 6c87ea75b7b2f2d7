// The loop that one would write with the native client: up to 500 records a call, commits every five seconds.
import kafka from '@confluentinc/kafka-javascript'

const look = (value) => value[0]

export async function run({ brokers, topic, group, settings, meter, handle = look }) {
  const consumer = new kafka.KafkaConsumer(
    { 'bootstrap.servers': brokers, 'group.id': group, 'enable.auto.commit': true, ...settings.client },
    { 'auto.offset.reset': 'earliest' },
  )
  consumer.setDefaultConsumeTimeout(100)
  consumer.setDefaultIsTimeoutOnlyForFirstMessage(true)
  await new Promise((resolve, reject) => consumer.connect({}, (error) => (error ? reject(error) : resolve())))
  consumer.subscribe([topic, ...(settings.others ?? [])])
  let sum = 0
  while (sum < Infinity) {
    const records = await new Promise((resolve, reject) =>
      consumer.consume(500, (error, taken) => (error ? reject(error) : resolve(taken))),
    )
    for (const { value } of records) {
      sum ^= handle(value)
      meter.count()
    }
  }
}
