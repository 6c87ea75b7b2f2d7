// Reads finals as one who sees only what is committed, and tells when each has come: a process of its own.
import kafka from '@confluentinc/kafka-javascript'

const tellEveryMs = 50

process.once('disconnect', () => process.exit(0))
process.once('message', async ({ brokers, topic, partitions }) => {
  const consumer = new kafka.KafkaConsumer(
    {
      'bootstrap.servers': brokers,
      'group.id': `${topic}-reader`,
      'enable.auto.commit': false,
      'isolation.level': 'read_committed',
      'fetch.wait.max.ms': 20,
    },
    { 'auto.offset.reset': 'earliest' },
  )
  consumer.setDefaultConsumeTimeout(5)
  consumer.setDefaultIsTimeoutOnlyForFirstMessage(true)
  await new Promise((resolve, reject) => consumer.connect({}, (error) => (error ? reject(error) : resolve())))
  consumer.assign(Array.from({ length: partitions }, (_, partition) => ({ topic, partition, offset: 0 })))
  process.send({ type: 'ready' })
  let seen = []
  setInterval(() => {
    if (seen.length > 0) process.send({ type: 'seen', seen })
    seen = []
  }, tellEveryMs)
  for (;;) {
    const records = await new Promise((resolve, reject) =>
      consumer.consume(500, (error, taken) => (error ? reject(error) : resolve(taken))),
    )
    const atMs = Date.now()
    for (const { value } of records) seen.push({ ...JSON.parse(value.toString()), atMs })
  }
})
