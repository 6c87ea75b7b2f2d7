// Sends records at a constant rate, whatever becomes of them: each says when it was to be sent, not when it was.
import kafka from '@confluentinc/kafka-javascript'
import { nowMs, stamp } from './latency.mjs'

const beatMs = 1

process.once('disconnect', () => process.exit(0))
process.once('message', async ({ brokers, topic, rate, partitions, keys, bytes, lingerMs }) => {
  const producer = new kafka.Producer({
    'bootstrap.servers': brokers,
    'linger.ms': lingerMs,
    // When the broker does not keep up, what waits is late, and to be seen as such.
    'queue.buffering.max.messages': 1_000_000,
  })
  await new Promise((resolve, reject) => producer.connect({}, (error) => (error ? reject(error) : resolve())))
  // A record counts against the queue until its delivery report was taken.
  producer.setPollInterval(10)
  const beganAtMs = nowMs()
  let number = 0
  setInterval(() => {
    const sentAtMs = nowMs()
    for (;;) {
      const atMs = beganAtMs + (number * 1000) / rate
      if (atMs > sentAtMs) return
      const value = Buffer.alloc(bytes)
      stamp(value, { atMs, number, sentLateMs: sentAtMs - atMs })
      // A number that shares nothing with the count of keys, so that neighbours are of different ones.
      const key = (number * 7919) % keys
      producer.produce(topic, key % partitions, value, Buffer.from(`key-${key}`))
      number += 1
    }
  }, beatMs)
})
