// @platformatic/kafka, the stream's data event.
import { Consumer } from '@platformatic/kafka'

export async function run({ brokers, topic, group, meter }) {
  const consumer = new Consumer({ groupId: group, clientId: 'bench', bootstrapBrokers: brokers.split(',') })
  const stream = await consumer.consume({
    topics: [topic],
    mode: 'committed',
    fallbackMode: 'earliest',
    autocommit: true,
  })
  let sum = 0
  stream.on('data', ({ value }) => {
    sum += value[0]
    meter.count()
  })
  await new Promise((_, reject) => stream.once('error', reject))
  return sum
}
