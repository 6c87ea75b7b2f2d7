/**
 * Produces made-up records no faster than they are handled: the embedded broker keeps only some MiB, and what it drops
 * unread would be missing in the accounts.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Partitioners, type IHeaders, type Kafka, type Message, type PartitionMetadata, type Producer } from 'kafkajs'

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
  return await withProducer(kafka, async (producer) => {
    return await sendPaced(pace, async (count) => {
      await producer.send({ topic, messages: Array.from({ length: count }, () => messageOf(make())), acks: -1 })
    })
  })
}

/**
 * Produces until each partition has a record that is not broken, or so many are produced. A partition that never had one tells no
 * time, and nobody waits for it: with all of them begun, what is late does not depend on which is read first.
 */
export async function produceToEach(
  kafka: Kafka,
  topic: string,
  make: () => MadeRecord & { readonly flaw: string | undefined },
  most: number,
): Promise<number> {
  return await withProducer(kafka, async (producer) => {
    const admin = kafka.admin()
    await admin.connect()
    const missing = new Set((await admin.fetchTopicOffsets(topic)).map(({ partition }) => partition))
    await admin.disconnect()
    const partitionMetadata = [...missing].map((partitionId) => ({ partitionId, leader: 0 }) as PartitionMetadata)
    const partitionOf = Partitioners.DefaultPartitioner()
    const messages: Message[] = []
    while (missing.size > 0 && messages.length < most) {
      const made = make()
      const message = messageOf(made)
      messages.push(message)
      if (made.flaw === undefined) missing.delete(partitionOf({ topic, partitionMetadata, message }))
    }
    await producer.send({ topic, messages, acks: -1 })
    return messages.length
  })
}

async function withProducer<Result>(kafka: Kafka, use: (producer: Producer) => Promise<Result>): Promise<Result> {
  const producer = kafka.producer({
    allowAutoTopicCreation: false,
    // The same partition for a key as every Java client: Murmur2.
    createPartitioner: Partitioners.DefaultPartitioner,
  })
  await producer.connect()
  try {
    return await use(producer)
  } finally {
    await producer.disconnect()
  }
}

function messageOf({ key, value, headers = {}, timestamp }: MadeRecord): Message {
  return { key, value, headers, ...(timestamp === undefined ? {} : { timestamp: String(timestamp) }) }
}
