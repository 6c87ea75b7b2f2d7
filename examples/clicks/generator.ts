/**
 * Produces made-up clicks to `user_clicks`, keyed by user, no faster than they are handled: the
 * embedded broker keeps only some MiB, and what it drops unread would be missing in the accounts.
 */
import type { Kafka } from 'kafkajs'
import { Partitioners } from 'kafkajs'
import { setTimeout as sleep } from 'node:timers/promises'
import { createFakeClicks } from './fake-clicks.ts'
import { clicks } from './flows.ts'

export interface GeneratorOptions {
  readonly kafka: Kafka
  /** Ends after so many. */
  readonly records: number
  /** Records per second; as fast as they are handled unless given. */
  readonly rate: number | undefined
  readonly seed: number
  /** How many of the clicks are known to be handled. */
  readonly countFinished: () => number
  /** Aborted: no more after what is being sent. */
  readonly signal: AbortSignal
}

const BROKEN_SHARE = 0.05
const MAX_BATCH = 2000
const TICK_MS = 20
/**
 * Produced and not yet seen in an output: some 200 bytes each, so that even all of them in one
 * partition fit into the 5 MiB that the embedded broker keeps of it.
 */
const MAX_OUTSTANDING = 15_000

/** Returns how many the broker has, after the last one. */
export async function produceClicks(options: GeneratorOptions): Promise<number> {
  const makeClick = createFakeClicks({ seed: options.seed, brokenShare: BROKEN_SHARE, now: Date.now })
  const producer = options.kafka.producer({
    allowAutoTopicCreation: false,
    // The same partition for a key as every Java client: Murmur2.
    createPartitioner: Partitioners.DefaultPartitioner,
  })
  const startMs = Date.now()
  let produced = 0

  function countRoom(): number {
    const due = options.rate === undefined ? Infinity : ((Date.now() - startMs) / 1000) * options.rate - produced
    const room = MAX_OUTSTANDING - (produced - options.countFinished())
    return Math.floor(Math.min(due, room, options.records - produced, MAX_BATCH))
  }

  await producer.connect()
  try {
    while (produced < options.records && !options.signal.aborted) {
      const count = countRoom()
      if (count <= 0) {
        await sleep(TICK_MS)
        continue
      }
      const messages = Array.from({ length: count }, () => {
        const { key, value, headers } = makeClick()
        return { key, value, headers }
      })
      await producer.send({ topic: clicks.name, messages, acks: -1 })
      produced += count
    }
  } finally {
    await producer.disconnect()
  }
  return produced
}
