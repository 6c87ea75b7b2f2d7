/**
 * The accounts: what became of every click, read back from the topics and the table. The reader is
 * a consumer group of its own that follows the topics while they are written; it counts nothing
 * that the pipeline says about itself.
 */
import { randomUUID } from 'node:crypto'
import type { Admin, Consumer, EachBatchPayload, Kafka, KafkaMessage } from 'kafkajs'
import { setTimeout as sleep } from 'node:timers/promises'
import { clicks, enrichedClicks } from './flows.ts'
import { Ledger, type InputPlace, type TopicAccounts } from './ledger.ts'
import type { RowAccounts } from './table.ts'
import { deadLetterTopic, topicNames } from './topics.ts'

export interface Accounts extends TopicAccounts, RowAccounts {
  /** Distinct (user_id, timestamp) among the enriched clicks: so many rows there have to be. */
  readonly distinct: number
}

/** What is wrong with the accounts, in words; nothing when all is as it must be. */
export function findProblems(accounts: Accounts, produced: number): readonly string[] {
  const { in: read, enriched, deadLettered, lost, rows, distinct, wrongRows, outOfOrder } = accounts
  const problems: string[] = []
  if (read < produced) problems.push(`only ${read} of the ${produced} clicks produced are in ${clicks.name}`)
  if (lost > 0) problems.push(`${lost} clicks came out nowhere`)
  if (enriched + deadLettered + lost > read) problems.push('some clicks are both enriched and dead-lettered')
  if (rows !== distinct) problems.push(`the table has ${rows} rows for ${distinct} distinct clicks`)
  if (wrongRows > 0) problems.push(`${wrongRows} rows of the table are missing or hold something else`)
  if (outOfOrder > 0) problems.push(`${outOfOrder} clicks came out before an earlier one of the same user`)
  return problems
}

export interface Reader {
  readonly ledger: Ledger
  /** True when `groupId` has committed all that is in `user_clicks` now. */
  hasCaughtUp(groupId: string): Promise<boolean>
  /** Reads the topics to where they end now. */
  readToEnds(): Promise<void>
  stop(): Promise<void>
}

const SILENCE_MS = 30_000

/** Follows the topics from where they end now. */
export async function startReader(kafka: Kafka): Promise<Reader> {
  const groupId = `clicks-accounts-${randomUUID()}`
  const admin = kafka.admin()
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 100, allowAutoTopicCreation: false })
  const stop = async (): Promise<void> => {
    await consumer.disconnect()
    // The embedded broker does not know this request, and takes the group with it anyway.
    await admin.deleteGroups([groupId]).catch(() => undefined)
    await admin.disconnect()
  }
  try {
    return { ...(await follow(admin, consumer)), stop }
  } catch (error) {
    await stop().catch(() => undefined)
    throw error
  }
}

async function follow(admin: Admin, consumer: Consumer): Promise<Omit<Reader, 'stop'>> {
  await admin.connect()
  const ends = await Promise.all(topicNames.map((topic) => fetchEnds(admin, topic)))
  const ledger = new Ledger((ends[topicNames.indexOf(clicks.name)] ?? []).map(({ position }) => position))
  const positions = new Map(ends.flat().map(({ name, position }) => [name, position]))
  let readAtMs = Date.now()

  function noteBatch({ batch, resolveOffset }: Pick<EachBatchPayload, 'batch' | 'resolveOffset'>): void {
    readAtMs = Date.now()
    const name = nameOf(batch.topic, batch.partition)
    for (const message of batch.messages) {
      const offset = Number(message.offset)
      // After a rebalance of our group some records come again.
      if (offset >= (positions.get(name) ?? 0)) {
        noteRecord(ledger, batch.topic, { partition: batch.partition, offset }, message)
        positions.set(name, offset + 1)
      }
      resolveOffset(message.offset)
    }
  }

  consumer.on(consumer.events.GROUP_JOIN, () => {
    // Nothing is committed: where to go on is known here.
    for (const { topic, partition, name } of ends.flat()) {
      consumer.seek({ topic, partition, offset: String(positions.get(name)) })
    }
  })
  await consumer.connect()
  await consumer.subscribe({ topics: [...topicNames], fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    eachBatch: (payload) => {
      noteBatch(payload)
      return Promise.resolve()
    },
  })

  return {
    ledger,
    async hasCaughtUp(group) {
      const [end, committed] = await Promise.all([
        fetchEnds(admin, clicks.name),
        admin.fetchOffsets({ groupId: group, topics: [clicks.name] }),
      ])
      const offsets = new Map(committed[0]?.partitions.map(({ partition, offset }) => [partition, Number(offset)]))
      return end.every(({ partition, position, isEmpty }) => isEmpty || (offsets.get(partition) ?? -1) >= position)
    },
    async readToEnds() {
      const goals = (await Promise.all(topicNames.map((topic) => fetchEnds(admin, topic)))).flat()
      readAtMs = Date.now()
      while (goals.some(({ name, position }) => (positions.get(name) ?? 0) < position)) {
        // Markers of transactions are never read, so a position may stay below the end.
        if (Date.now() - readAtMs > SILENCE_MS) return
        await sleep(20)
      }
    },
  }
}

function noteRecord(ledger: Ledger, topic: string, at: InputPlace, message: KafkaMessage): void {
  if (topic === clicks.name) {
    ledger.noteInput(at)
    return
  }
  if (topic === enrichedClicks.name) {
    // `user_clicks/3/1234/0`: the record it was made from, and the number of the output.
    const [from, partition, offset] = readHeader(message, 'troupe-id').split('/')
    if (from !== clicks.name || message.value === null) return
    const place = { partition: Number(partition), offset: Number(offset) }
    ledger.noteEnriched(place, message.key?.toString() ?? '', message.value.toString())
    return
  }
  if (topic === deadLetterTopic && readHeader(message, 'troupe.topic') === clicks.name) {
    ledger.noteDeadLetter({
      partition: Number(readHeader(message, 'troupe.partition')),
      offset: Number(readHeader(message, 'troupe.offset')),
    })
  }
}

function readHeader(message: KafkaMessage, name: string): string {
  const value = message.headers?.[name]
  // The last one: a producer may have sent a header of the same name.
  return (Array.isArray(value) ? value.at(-1) : value)?.toString() ?? ''
}

interface End {
  readonly name: string
  readonly topic: string
  readonly partition: number
  readonly position: number
  /** Nothing was ever written, or all of it is deleted: there is nothing to commit. */
  readonly isEmpty: boolean
}

async function fetchEnds(admin: Admin, topic: string): Promise<readonly End[]> {
  const offsets = await admin.fetchTopicOffsets(topic)
  return offsets
    .map(({ partition, low, high }) => ({
      name: nameOf(topic, partition),
      topic,
      partition,
      position: Number(high),
      isEmpty: low === high,
    }))
    .sort((a, b) => a.partition - b.partition)
}

function nameOf(topic: string, partition: number): string {
  return `${topic}/${String(partition)}`
}
