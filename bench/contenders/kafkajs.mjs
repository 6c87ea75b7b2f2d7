// What the contenders of kafkajs share: a consumer at the beginning of a topic, which fails loudly.
import { Kafka, logLevel } from 'kafkajs'

export function connectKafkajs(brokers) {
  return new Kafka({ brokers: brokers.split(','), logLevel: logLevel.ERROR })
}

export async function subscribeKafkajs({ kafka, topic, group, ...options }) {
  const consumer = kafka.consumer({ groupId: group, ...options })
  // By itself it would begin again, or stay away: a run that never ends, or one of which nobody knows what it measured.
  consumer.on(consumer.events.CRASH, ({ payload: { error } }) => {
    // What is thrown in a listener is swallowed.
    setImmediate(() => {
      throw error
    })
  })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  return consumer
}
