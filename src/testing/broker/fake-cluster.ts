/** What all clients of a fake broker share: topics, groups, transactions, settings, faults, chance. */
import type { Clock } from '../../clock.ts'
import { TroupeError } from '../../errors.ts'
import type { RecordPlace, TopicDescription, WriteResult } from '../../streams/broker-port.ts'
import { partitionName, type OutputRecord, type TopicPartition } from '../../streams/record.ts'
import type { Latency } from './fake-connection.ts'
import type { FakeBrokerEvent } from './fake-events.ts'
import { FakeFaults } from './fake-faults.ts'
import { FakeGroup } from './fake-group.ts'
import { FakeLog, type FakeLogOptions } from '../fake-log.ts'
import { partitionOf } from '../../streams/murmur2.ts'
import type { Random } from '../random.ts'
import { FakeTransactions } from './transactions/fake-transactions.ts'

export interface FakeClusterOptions {
  readonly clock: Clock
  readonly latencyMs: Latency
  readonly pollLatencyMs: Latency
  readonly strategy: 'cooperative-sticky' | 'eager'
  readonly commitIntervalMs: number
  readonly heartbeatIntervalMs: number
  readonly sessionTimeoutMs: number
  readonly maxPollIntervalMs: number
  readonly maxRunRecords: number
  readonly maxMetadataCharacters: number
  readonly keepsTransactions: boolean
}

/** Of topics that are made without; only those that somebody asks for. */
const defaultSettings: Readonly<Record<string, string>> = {
  'cleanup.policy': 'delete',
  'retention.ms': '604800000',
  'delete.retention.ms': '86400000',
  'min.insync.replicas': '1',
}

export class FakeCluster {
  readonly options: FakeClusterOptions
  readonly random: Random
  readonly faults: FakeFaults = new FakeFaults()
  readonly topics: Map<string, FakeLog[]> = new Map<string, FakeLog[]>()
  /** Of each topic that exists; no two topics ever have the same. */
  readonly topicIds: Map<string, string> = new Map<string, string>()
  readonly settings: Map<string, Readonly<Record<string, string>>> = new Map()
  readonly groups: Map<string, FakeGroup> = new Map<string, FakeGroup>()
  readonly transactions: FakeTransactions
  #topicCount = 0
  /** Records that stand in no order of keys: their partition is drawn. */
  readonly #partitions: Random
  readonly observe: (event: FakeBrokerEvent) => void
  /** Clients that wait for records look again. */
  onAppended: (log: FakeLog) => void = () => undefined

  constructor(options: FakeClusterOptions, random: Random, observe: (event: FakeBrokerEvent) => void) {
    this.options = options
    this.random = random
    this.#partitions = random.fork('partitions')
    this.observe = observe
    this.transactions = new FakeTransactions({
      clock: options.clock,
      random: random.fork('transactions'),
      faults: this.faults,
      latencyMs: options.latencyMs,
      keepsTransactions: options.keepsTransactions,
      place: (record) => this.#refusalOf(record) ?? this.#logFor(record),
      onAppended: (log) => {
        this.onAppended(log)
      },
      observe,
    })
  }

  // --- topics and groups

  createTopic(
    name: string,
    partitionCount: number,
    options: FakeLogOptions,
    settings: Readonly<Record<string, string>> = {},
  ): void {
    if (this.topics.has(name)) throw new RangeError(`topic ${name} exists already`)
    const limit = settings['max.message.bytes']
    const logOptions = limit === undefined ? options : { ...options, maxRecordBytes: Number(limit) }
    const logs = Array.from({ length: partitionCount }, (_, at) => new FakeLog(name, at, logOptions))
    this.topics.set(name, logs)
    this.topicIds.set(name, `${name}#${(this.#topicCount += 1)}`)
    this.settings.set(name, { ...defaultSettings, ...settings })
    for (const group of this.groups.values()) group.noteMetadataChange(name)
  }

  /** The coordinator forgets what was committed of it, as Kafka's does. */
  deleteTopic(name: string): void {
    this.topics.delete(name)
    this.topicIds.delete(name)
    this.settings.delete(name)
    for (const group of this.groups.values()) {
      group.forgetTopic(name)
      group.noteMetadataChange(name)
    }
  }

  describeTopics(topics: readonly string[]): ReadonlyMap<string, TopicDescription> {
    const counts = [...countPartitions(this.topics, topics)]
    return new Map(counts.map(([topic, partitions]) => [topic, { id: this.topicIds.get(topic) ?? null, partitions }]))
  }

  group(groupId: string): FakeGroup {
    let group = this.groups.get(groupId)
    if (group === undefined) {
      const { clock, maxMetadataCharacters, maxPollIntervalMs, strategy } = this.options
      group = new FakeGroup({
        id: groupId,
        clock,
        random: this.random.fork(`group/${groupId}`),
        strategy,
        rebalanceTimeoutMs: maxPollIntervalMs,
        maxMetadataCharacters,
        partitionsOf: (wanted) => [...wanted].flatMap((topic) => this.topics.get(topic) ?? []).map(placeOf),
        commitFault: (client, positions) => this.faults.answerCommit(client, positions),
        onCommitted: (client, position) => {
          this.observe({ type: 'committed', client, position })
        },
        onExpelled: (client) => {
          this.observe({ type: 'expelled', client })
        },
      })
      this.groups.set(groupId, group)
    }
    return group
  }

  // --- records

  /** A producer's record. Durable (null), or refused for good (an Error). */
  appendOutput(client: string, record: OutputRecord, onPlaced?: (place: RecordPlace) => void): WriteResult {
    const refusal = this.#refusalOf(record)
    if (refusal !== null) return refusal
    const { partition, offset, timestamp } = this.append(client, record).records.at(-1)!
    onPlaced?.({ partition, offset, timestamp })
    return null
  }

  /** Returns the place of the record. */
  append(client: string | null, record: OutputRecord): FakeLog {
    const { headers = [], key, timestamp = this.options.clock.wallNow(), value } = record
    const log = this.#logFor(record)
    log.append({ key, value, headers, timestamp })
    this.observe({ type: 'appended', client, record: log.records.at(-1)! })
    this.onAppended(log)
    return log
  }

  #logFor({ key, partition, topic }: OutputRecord): FakeLog {
    const logs = this.topics.get(topic)
    if (logs === undefined) throw new RangeError(`there is no topic ${topic}`)
    const chosen =
      partition ?? (key === null ? this.#partitions.integer(0, logs.length - 1) : partitionOf(key, logs.length))
    const log = logs[chosen]
    if (log === undefined) throw new RangeError(`topic ${topic} has no partition ${chosen}`)
    return log
  }

  #refusalOf(record: OutputRecord): TroupeError | null {
    const reason = this.faults.refuseRecord(record)
    return reason === null ? this.#refusal(record) : new TroupeError('SINK_REFUSED', reason)
  }

  #refusal({ headers = [], key, partition = 0, topic, value }: OutputRecord): TroupeError | null {
    const logs = this.topics.get(topic)
    if (logs === undefined) return new TroupeError('TOPIC_MISSING', `there is no topic ${topic}`)
    const log = logs[partition]
    if (log === undefined) return new TroupeError('SINK_REFUSED', `topic ${topic} has no partition ${partition}`)
    let size = (key?.byteLength ?? 0) + (value?.byteLength ?? 0)
    for (const [name, content] of headers) size += name.length + (content?.byteLength ?? 0)
    if (size <= log.maxRecordBytes) return null
    return new TroupeError('RECORD_TOO_LARGE', `a record of ${size} bytes is too large for topic ${topic}`)
  }
}

export function placeOf({ topic, partition }: TopicPartition): TopicPartition {
  return { topic, partition }
}

export function findLog(all: ReadonlyMap<string, readonly FakeLog[]>, of: TopicPartition): FakeLog {
  const log = all.get(of.topic)?.[of.partition]
  if (log === undefined) throw new TroupeError('TOPIC_MISSING', `there is no partition ${partitionName(of)}`)
  return log
}

/** Partitions of each topic that exists. */
export function countPartitions(
  all: ReadonlyMap<string, readonly FakeLog[]>,
  topics: readonly string[],
): ReadonlyMap<string, number> {
  return new Map(
    topics.flatMap((topic) => {
      const count = all.get(topic)?.length
      return count === undefined ? [] : [[topic, count] as const]
    }),
  )
}
