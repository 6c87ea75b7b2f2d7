/** Produces events as safely as Kafka can: acknowledged by all replicas, idempotent, in compressed batches. */
import { CompressionTypes, Partitioners, type Kafka } from 'kafkajs'
import { events } from './flows.ts'
import type { FakeEvent } from './fake-events.ts'

export interface EventProducer {
  /** How many it knows to be in Kafka. */
  readonly delivered: number
  /** Resolves when each of them is delivered. */
  send(made: readonly FakeEvent[]): Promise<void>
  close(): Promise<void>
}

export async function openProducer(kafka: Kafka): Promise<EventProducer> {
  const producer = kafka.producer({
    allowAutoTopicCreation: false,
    createPartitioner: Partitioners.DefaultPartitioner,
  })
  await producer.connect()
  let delivered = 0
  return {
    get delivered() {
      return delivered
    },
    async send(made) {
      const messages = made.map(({ key, value }) => ({ key, value }))
      await producer.send({ topic: events.name, messages, acks: -1, compression: CompressionTypes.GZIP })
      delivered += made.length
    },
    close: () => producer.disconnect(),
  }
}
