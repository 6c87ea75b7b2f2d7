/**
 * Looks at Kafka from outside, with a client that is not ours (kafkajs): what it reports of topics,
 * offsets and groups cannot be coloured by an error of our own.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Kafka, Partitioners, logLevel } from 'kafkajs'
import type { Admin, KafkaConfig, Producer } from 'kafkajs'
import { readGroupMembers } from './group-reader.ts'
import type { GroupMember } from './group-reader.ts'
import { closeCluster, openCluster } from './kafkajs-internals.ts'
import { readPartition } from './partition-reader.ts'
import type { Isolation, ReadRecord } from './partition-reader.ts'

export type { GroupMember } from './group-reader.ts'
export type { ReadRecord } from './partition-reader.ts'

export interface NewRecord {
  readonly key?: string | Uint8Array | null
  readonly value: string | Uint8Array | null
  readonly headers?: readonly (readonly [name: string, value: string | Uint8Array])[]
  /** By the key, as Java's clients do, unless given. */
  readonly partition?: number
  readonly timestamp?: number
}

export interface ReadOptions {
  /** Waits until at least this many are there, whatever the end was at the call. */
  readonly until?: number
  /** All by default. */
  readonly partitions?: readonly number[]
  /** Default `read_committed`. */
  readonly isolation?: Isolation
  /** Default 120 s. */
  readonly timeoutMs?: number
}

export interface CommittedOffset {
  readonly partition: number
  /** null: the group has committed nothing here. */
  readonly position: number | null
  readonly metadata: string
}

/** A name that no other test uses. */
export function uniqueName(prefix: string): string {
  return `${prefix}-${randomUUID().slice(0, 8)}`
}

/** A header's value as text; undefined when the record has none of that name. */
export function headerText(record: ReadRecord, name: string): string | undefined {
  return record.headers.find(([each]) => each === name)?.[1]?.toString('utf8')
}

export class KafkaProbe {
  readonly bootstrapServers: string
  readonly kafka: Kafka
  #admin: Promise<Admin> | undefined
  #producer: Promise<Producer> | undefined

  constructor(bootstrapServers: string, config: Omit<KafkaConfig, 'brokers'> = {}) {
    this.bootstrapServers = bootstrapServers
    this.kafka = new Kafka({
      clientId: 'probe',
      // What fails is thrown; kafkajs' log would only repeat it, at length while a broker is down on purpose.
      logLevel: logLevel.NOTHING,
      // A busy machine takes its time to answer, and to choose another leader: a minute in all.
      connectionTimeout: 20_000,
      retry: { initialRetryTime: 50, retries: 36, maxRetryTime: 2000 },
      ...config,
      brokers: bootstrapServers.split(','),
    })
  }

  async createTopic(name: string, partitions: number, config: Record<string, string> = {}): Promise<void> {
    const admin = await this.admin()
    await admin.createTopics({
      // kafkajs gives up when the broker it asks for leaders has not heard of the topic yet.
      waitForLeaders: false,
      topics: [
        {
          topic: name,
          numPartitions: partitions,
          configEntries: Object.entries(config).map(([key, value]) => ({ name: key, value })),
        },
      ],
    })
    await retrying(async () => {
      const { topics } = await admin.fetchTopicMetadata({ topics: [name] })
      const leaders = topics.flatMap((each) => each.partitions.filter(({ leader }) => leader >= 0))
      if (leaders.length < partitions) throw Object.assign(new Error(`${name} has no leaders`), { retriable: true })
    })
  }

  /** Appends the records in the order given; resolves when all in-sync replicas have them. */
  async produceAll(topic: string, records: readonly NewRecord[]): Promise<void> {
    const producer = await this.producer()
    const chunk = 2000
    for (let start = 0; start < records.length; start += chunk) {
      await producer.send({ topic, acks: -1, messages: records.slice(start, start + chunk).map(toMessage) })
    }
  }

  /** Reads from the beginning to the ends as of the call (or `until` a count); sorted by partition and offset. */
  async readAll(topic: string, options: ReadOptions = {}): Promise<ReadRecord[]> {
    const deadline = Date.now() + (options.timeoutMs ?? 120_000)
    const partitions = options.partitions ?? (await this.partitionsOf(topic))
    const records = new Map<number, ReadRecord[]>(partitions.map((partition) => [partition, []]))
    const positions = new Map<number, number>()
    const count = () => [...records.values()].reduce((sum, each) => sum + each.length, 0)
    for (;;) {
      await Promise.all(
        partitions.map(async (partition) => {
          const from = positions.get(partition)
          const read = await readPartition(this.kafka, { topic, partition }, from, options.isolation, deadline)
          for (const record of read.records) records.get(partition)!.push(record)
          positions.set(partition, read.position)
        }),
      )
      if (options.until === undefined || count() >= options.until) break
      if (Date.now() > deadline) {
        throw new Error(`${topic} has ${count()} records, not ${options.until}, when the time to wait was over`)
      }
      await sleep(50)
    }
    return [...records.keys()].sort((a, b) => a - b).flatMap((partition) => records.get(partition)!)
  }

  async partitionsOf(topic: string): Promise<number[]> {
    const { topics } = await (await this.admin()).fetchTopicMetadata({ topics: [topic] })
    return topics.flatMap((each) => each.partitions.map((partition) => partition.partitionId)).sort((a, b) => a - b)
  }

  async committedOffsets(group: string, topic: string): Promise<CommittedOffset[]> {
    const admin = await this.admin()
    const answer = await retrying(() => admin.fetchOffsets({ groupId: group, topics: [topic] }))
    return answer
      .flatMap((each) => each.partitions)
      .map(({ partition, offset, metadata }) => {
        const position = Number(offset)
        return { partition, position: position < 0 ? null : position, metadata: metadata ?? '' }
      })
      .sort((a, b) => a.partition - b.partition)
  }

  /** Commits as other software does: for a group without members, with any metadata. */
  async commitOffset(group: string, of: { topic: string; partition: number }, position: number, metadata = '') {
    await this.commitOffsets(group, of.topic, [{ partition: of.partition, position, metadata }])
  }

  /** The same for many partitions of a topic, in one request. */
  async commitOffsets(
    group: string,
    topic: string,
    of: readonly { readonly partition: number; readonly position: number; readonly metadata: string }[],
  ): Promise<void> {
    const partitions = of.map(({ partition, position, metadata }) => ({ partition, offset: `${position}`, metadata }))
    const request = { groupId: group, groupGenerationId: -1, memberId: '', retentionTime: -1 }
    await retrying(async () => {
      const coordinator = await (await openCluster(this.kafka)).findGroupCoordinator({ groupId: group })
      await coordinator.offsetCommit({ ...request, topics: [{ topic, partitions }] })
    })
  }

  /** The position after the last record or marker of each partition. */
  async endOffsets(topic: string): Promise<number[]> {
    const offsets = await (await this.admin()).fetchTopicOffsets(topic)
    return offsets.sort((a, b) => a.partition - b.partition).map(({ high }) => Number(high))
  }

  /** The log begins at this position from now on, as after its retention time. */
  async deleteRecords({ topic, partition }: { topic: string; partition: number }, below: number): Promise<void> {
    // kafkajs knows the leaders only of topics that it was asked for before.
    await this.endOffsets(topic)
    await (await this.admin()).deleteTopicRecords({ topic, partitions: [{ partition, offset: String(below) }] })
  }

  async groupMembers(group: string): Promise<GroupMember[]> {
    const admin = await this.admin()
    return await retrying(() => readGroupMembers(this.kafka, admin, group))
  }

  admin(): Promise<Admin> {
    this.#admin ??= connected(this.kafka.admin())
    return this.#admin
  }

  producer(): Promise<Producer> {
    // The default partitioner is Java's murmur2; one request in flight and idempotence keep the order through retries.
    const createPartitioner = Partitioners.DefaultPartitioner
    this.#producer ??= connected(this.kafka.producer({ createPartitioner, idempotent: true, maxInFlightRequests: 1 }))
    return this.#producer
  }

  /** Another producer from now on: one that has failed may do so for ever. */
  async renewProducer(): Promise<void> {
    const failed = this.#producer
    this.#producer = undefined
    await failed?.then((producer) => producer.disconnect()).catch(() => undefined)
  }

  async close(): Promise<void> {
    for (const client of [this.#admin, this.#producer]) await (await client)?.disconnect()
    await closeCluster(this.kafka)
    this.#admin = undefined
    this.#producer = undefined
  }
}

async function connected<Client extends { connect(): Promise<void> }>(client: Client): Promise<Client> {
  await client.connect()
  return client
}

/** kafkajs does not repeat these requests by itself while a coordinator is loading or moving. */
async function retrying<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  const deadline = Date.now() + 60_000
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if ((error as { retriable?: boolean }).retriable !== true || Date.now() > deadline) throw error
      await sleep(100)
    }
  }
}

function toMessage(record: NewRecord) {
  return {
    key: toBytes(record.key ?? null),
    value: toBytes(record.value),
    headers: toHeaders(record.headers ?? []),
    ...(record.partition === undefined ? {} : { partition: record.partition }),
    ...(record.timestamp === undefined ? {} : { timestamp: String(record.timestamp) }),
  }
}

function toHeaders(headers: readonly (readonly [string, string | Uint8Array])[]): Record<string, Buffer | Buffer[]> {
  const byName = new Map<string, Buffer[]>()
  for (const [name, value] of headers) byName.set(name, [...(byName.get(name) ?? []), Buffer.from(value)])
  return Object.fromEntries([...byName].map(([name, values]) => [name, values.length === 1 ? values[0]! : values]))
}

function toBytes(value: string | Uint8Array | null): Buffer | null {
  return value === null ? null : Buffer.from(value)
}
