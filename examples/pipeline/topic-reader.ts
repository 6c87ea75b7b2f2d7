/**
 * Reads topics back while they are written, as a consumer group of its own with a client that is not Troupe's: accounts
 * count nothing that a pipeline says about itself.
 */
import { randomUUID } from 'node:crypto'
import type { Admin, Consumer, EachBatchPayload, Kafka, KafkaMessage } from 'kafkajs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Place } from './marks.ts'

export interface ReadRecord {
  readonly topic: string
  readonly place: Place
  readonly message: KafkaMessage
}

const SILENCE_MS = 30_000
/** For so long a broker may say that it cannot tell yet, as it does of new topics and groups. */
const PATIENCE_MS = 30_000

export class TopicReader {
  readonly #admin: Admin
  readonly #consumer: Consumer
  readonly #groupId = `accounts-${randomUUID()}`
  readonly #topics: readonly string[]
  /** Where reading begins, of each partition. */
  #starts: readonly End[] = []
  /** The next offset to read, by topic and partition. */
  readonly #positions = new Map<string, number>()
  #readAtMs = 0

  private constructor(kafka: Kafka, topics: readonly string[]) {
    this.#admin = kafka.admin()
    this.#consumer = kafka.consumer({ groupId: this.#groupId, maxWaitTimeInMs: 100, allowAutoTopicCreation: false })
    this.#topics = topics
  }

  /** Notes where the topics end now: reading will begin there. */
  static async open(kafka: Kafka, topics: readonly string[]): Promise<TopicReader> {
    const reader = new TopicReader(kafka, topics)
    try {
      await reader.#admin.connect()
      reader.#starts = await fetchAllEnds(reader.#admin, topics)
    } catch (error) {
      await reader.stop().catch(() => undefined)
      throw error
    }
    for (const { name, position } of reader.#starts) reader.#positions.set(name, position)
    return reader
  }

  /** The first offset that counts, by partition. */
  startsOf(topic: string): readonly number[] {
    return this.#starts.filter((start) => start.topic === topic).map(({ position }) => position)
  }

  /** Hands on each record once, in the order of its partition. */
  async follow(note: (record: ReadRecord) => void): Promise<void> {
    this.#readAtMs = Date.now()
    this.#consumer.on(this.#consumer.events.GROUP_JOIN, () => {
      // Nothing is committed: where to go on is known here.
      for (const { topic, partition, name } of this.#starts) {
        this.#consumer.seek({ topic, partition, offset: String(this.#positions.get(name)) })
      }
    })
    await this.#consumer.connect()
    await this.#consumer.subscribe({ topics: [...this.#topics], fromBeginning: true })
    await this.#consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: (payload) => {
        this.#noteBatch(payload, note)
        return Promise.resolve()
      },
    })
  }

  /** True when `groupId` has committed all that is in the topic now. */
  async hasCaughtUp(groupId: string, topic: string): Promise<boolean> {
    const [ends, committed] = await Promise.all([
      fetchEnds(this.#admin, topic),
      patiently(() => this.#admin.fetchOffsets({ groupId, topics: [topic] })),
    ])
    const offsets = new Map(committed[0]?.partitions.map(({ partition, offset }) => [partition, Number(offset)]))
    return ends.every(({ partition, position, isEmpty }) => isEmpty || (offsets.get(partition) ?? -1) >= position)
  }

  /** Reads the topics to where they end now. */
  async readToEnds(): Promise<void> {
    const goals = await fetchAllEnds(this.#admin, this.#topics)
    this.#readAtMs = Date.now()
    while (goals.some(({ name, position }) => (this.#positions.get(name) ?? 0) < position)) {
      // Markers of transactions are never read, so a position may stay below the end.
      if (Date.now() - this.#readAtMs > SILENCE_MS) return
      await sleep(20)
    }
  }

  async stop(): Promise<void> {
    await this.#consumer.disconnect()
    // The embedded broker does not know this request, and takes the group with it anyway.
    await this.#admin.deleteGroups([this.#groupId]).catch(() => undefined)
    await this.#admin.disconnect()
  }

  #noteBatch(payload: EachBatchPayload, note: (record: ReadRecord) => void): void {
    const { topic, partition, messages } = payload.batch
    const name = nameOf(topic, partition)
    this.#readAtMs = Date.now()
    for (const message of messages) {
      const offset = Number(message.offset)
      // After a rebalance of our group some records come again.
      if (offset >= (this.#positions.get(name) ?? 0)) {
        note({ topic, place: { partition, offset }, message })
        this.#positions.set(name, offset + 1)
      }
      payload.resolveOffset(message.offset)
    }
    // What is behind the last of them is the end of a transaction.
    this.#positions.set(name, Math.max(this.#positions.get(name) ?? 0, Number(payload.batch.lastOffset()) + 1))
  }
}

interface End {
  readonly name: string
  readonly topic: string
  readonly partition: number
  readonly position: number
  /** Nothing was ever written, or all of it is deleted: there is nothing to commit. */
  readonly isEmpty: boolean
}

async function fetchAllEnds(admin: Admin, topics: readonly string[]): Promise<readonly End[]> {
  return (await Promise.all(topics.map((topic) => fetchEnds(admin, topic)))).flat()
}

async function fetchEnds(admin: Admin, topic: string): Promise<readonly End[]> {
  const offsets = await patiently(() => admin.fetchTopicOffsets(topic))
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

/** This client asks for positions and ends once, whatever the answer is. */
async function patiently<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  const deadlineMs = Date.now() + PATIENCE_MS
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      // Its classes of errors cannot be imported by name everywhere.
      const isRetriable = error instanceof Error && Reflect.get(error, 'retriable') === true
      if (!isRetriable || Date.now() > deadlineMs) throw error
      await sleep(100)
    }
  }
}

function nameOf(topic: string, partition: number): string {
  return `${topic}/${String(partition)}`
}
