/**
 * Produces made-up records no faster than they are handled: the embedded broker keeps only some MiB, and what it drops
 * unread would be missing in the accounts.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Partitioners, type IHeaders, type Kafka } from 'kafkajs'

export interface MadeRecord {
  readonly key: string | null
  readonly value: Buffer | null
  readonly headers?: IHeaders
  /** Milliseconds; when it is produced unless given. */
  readonly timestamp?: number
}

export interface Pace {
  /** Ends after so many. */
  readonly records: number
  /** Records per second; as fast as they are handled unless given. */
  readonly rate: number | undefined
  /** How many of the records are known to be handled. */
  readonly countFinished: () => number
  /** Aborted: no more after what is being sent. */
  readonly signal: AbortSignal
}

const MAX_BATCH = 2000
const TICK_MS = 20
/**
 * Produced and not yet seen in an output: some 200 bytes each, so that even all of them in one
 * partition fit into the 5 MiB that the embedded broker keeps of it.
 */
const MAX_OUTSTANDING = 15_000

/** Calls `send` with how many are due, time after time. Returns how many were sent, after the last one. */
export async function sendPaced(pace: Pace, send: (count: number) => Promise<void>): Promise<number> {
  const startMs = Date.now()
  let sent = 0

  function countRoom(): number {
    const due = pace.rate === undefined ? Infinity : ((Date.now() - startMs) / 1000) * pace.rate - sent
    const room = MAX_OUTSTANDING - (sent - pace.countFinished())
    return Math.floor(Math.min(due, room, pace.records - sent, MAX_BATCH))
  }

  while (sent < pace.records && !pace.signal.aborted) {
    const count = countRoom()
    if (count <= 0) {
      await sleep(TICK_MS)
      continue
    }
    await send(count)
    sent += count
  }
  return sent
}

/** Produces what `make` makes up. Returns how many the broker has, after the last one. */
export async function produceMade(kafka: Kafka, topic: string, make: () => MadeRecord, pace: Pace): Promise<number> {
  const producer = kafka.producer({
    allowAutoTopicCreation: false,
    // The same partition for a key as every Java client: Murmur2.
    createPartitioner: Partitioners.DefaultPartitioner,
  })
  await producer.connect()
  try {
    return await sendPaced(pace, async (count) => {
      const messages = Array.from({ length: count }, () => {
        const { key, value, headers = {}, timestamp } = make()
        return { key, value, headers, ...(timestamp === undefined ? {} : { timestamp: String(timestamp) }) }
      })
      await producer.send({ topic, messages, acks: -1 })
    })
  } finally {
    await producer.disconnect()
  }
}
