// Sends records at a constant rate, whatever becomes of them: each says when it was to be sent, not when it was.
import kafka from '@confluentinc/kafka-javascript'
import { nowMs, stamp } from './latency.mjs'

const beatMs = 1

process.once('disconnect', () => process.exit(0))
process.once('message', async ({ brokers, topic, rate, partitions, keys, bytes }) => {
  const producer = new kafka.Producer({ 'bootstrap.servers': brokers, 'linger.ms': 0 })
  await new Promise((resolve, reject) => producer.connect({}, (error) => (error ? reject(error) : resolve())))
  const beganAtMs = nowMs()
  let number = 0
  setInterval(() => {
    const dueAtMs = nowMs()
    for (;;) {
      const atMs = beganAtMs + (number * 1000) / rate
      if (atMs > dueAtMs) return
      const value = Buffer.alloc(bytes)
      stamp(value, atMs, number)
      // A number that shares nothing with the count of keys, so that neighbours are of different ones.
      const key = (number * 7919) % keys
      producer.produce(topic, key % partitions, value, Buffer.from(`key-${key}`))
      number += 1
    }
  }, beatMs)
})
