// The loop that one would write with the native client: up to 500 records a call, commits every five seconds.
import kafka from '@confluentinc/kafka-javascript'

export async function run({ brokers, topic, group, settings, meter }) {
  const consumer = new kafka.KafkaConsumer(
    { 'bootstrap.servers': brokers, 'group.id': group, 'enable.auto.commit': true, ...settings.client },
    { 'auto.offset.reset': 'earliest' },
  )
  consumer.setDefaultConsumeTimeout(100)
  consumer.setDefaultIsTimeoutOnlyForFirstMessage(true)
  await new Promise((resolve, reject) => consumer.connect({}, (error) => (error ? reject(error) : resolve())))
  consumer.subscribe([topic])
  let sum = 0
  while (sum >= 0) {
    const records = await new Promise((resolve, reject) =>
      consumer.consume(500, (error, taken) => (error ? reject(error) : resolve(taken))),
    )
    for (const record of records) {
      sum += record.value[0]
      meter.count()
    }
  }
}
