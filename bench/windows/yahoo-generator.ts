/** Sends Yahoo's events at a constant rate, whatever becomes of them: each tells the time at which it was to be sent. */
import kafkaClient from '@confluentinc/kafka-javascript'
import { partitionOf } from '../../src/streams/murmur2.ts'
import { adKeyOf, makerOf } from './yahoo-data.ts'

interface Task {
  readonly brokers: string
  readonly topic: string
  readonly rate: number
  readonly partitions: number
  readonly isKeyed: boolean
}

const beatMs = 1

process.once('disconnect', () => process.exit(0))
process.once('message', (task: Task) => {
  const { brokers, topic, rate, partitions, isKeyed } = task
  const producer = new kafkaClient.Producer({
    'bootstrap.servers': brokers,
    'linger.ms': 0,
    // When the broker does not keep up, what waits is late, and to be seen as such.
    'queue.buffering.max.messages': 1_000_000,
  })
  producer.connect({}, (error: unknown) => {
    if (error instanceof Error) throw error
    // A record counts against the queue until its delivery report was taken.
    producer.setPollInterval(10)
    const beganMs = Date.now()
    const dueMs = (number: number): number => beganMs + (number * 1_000) / rate
    const make = makerOf((number) => Math.floor(dueMs(number)))
    let number = 0
    setInterval(() => {
      const nowMs = Date.now()
      for (; dueMs(number) <= nowMs; number += 1) {
        const { ad, timeMs, value } = make(number)
        const key = isKeyed ? adKeyOf(ad) : null
        producer.produce(topic, key === null ? number % partitions : partitionOf(key, partitions), value, key, timeMs)
      }
    }, beatMs)
  })
})
