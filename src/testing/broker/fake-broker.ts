/**
 * Kafka in memory, on whatever clock it is given: topics, a consumer group, and the faults that
 * systems lose records by. All chance comes from a seed. With a ManualClock everything that happens
 * is the same each time the same seed is used.
 *
 * `broker.client(name)` is one process at it; the fake is itself a Broker, for tests with one process.
 */
import type { Broker } from '../../streams/broker.ts'
import type { BrokerConsumer, BrokerProducer, BrokerReader, StoredPosition } from '../../streams/broker-port.ts'
import type { BrokerAdmin } from '../../streams/admin-port.ts'
import type { TransactionalProducer, TransactionalProducerOptions } from '../../streams/transaction-port.ts'
import type { Clock } from '../../clock.ts'
import { bytes as rawBytes } from '../../streams/flows/codec.ts'
import { EffectEncoder } from '../../streams/flows/effect-encoder.ts'
import { topic as nameTopic, type Key, type RecordOptions } from '../../streams/flows/flow.ts'
import type { SourceRecord, TopicPartition } from '../../streams/record.ts'
import { FakeClient } from './fake-client.ts'
import { FakeCluster, placeOf } from './fake-cluster.ts'
import type { Latency } from './fake-connection.ts'
import type { FakeBrokerEvent } from './fake-events.ts'
import type { FakeFaults } from './fake-faults.ts'
import type { FakeGroup } from './fake-group.ts'
import { FakeLog, type FakeLogOptions, type FakeTransaction } from '../fake-log.ts'
import { Random } from '../random.ts'

export interface FakeBrokerOptions {
  readonly clock: Clock
  /** Where all chance comes from. Default 1. */
  readonly seed?: number
  /** One way between a client and the brokers. Default 0.5 to 2 ms. */
  readonly latencyMs?: Latency
  /** What one poll takes when there is something to hand over. Default 0 to 1 ms. */
  readonly pollLatencyMs?: Latency
  /** Default `cooperative-sticky`. */
  readonly strategy?: 'cooperative-sticky' | 'eager'
  /** How often a client commits what was stored. Default 100. */
  readonly commitIntervalMs?: number
  /** The longest until a member learns of a rebalance. Default 100 (Kafka: 3,000). */
  readonly heartbeatIntervalMs?: number
  /** How long a process may be silent (frozen, crashed) until its group goes on without it. Default 6,000. */
  readonly sessionTimeoutMs?: number
  /** How long an application may not poll, and how long a rebalance waits for members. Default 60,000. */
  readonly maxPollIntervalMs?: number
  /** The longest run of one partition before records of another come. Default 100. */
  readonly maxRunRecords?: number
  /** As `offset.metadata.max.bytes`: longer commit metadata is refused. Default 4,096. */
  readonly maxMetadataCharacters?: number
  /** False: it takes transactions and keeps nothing of them, as the embedded broker does. Default true. */
  readonly keepsTransactions?: boolean
  /** Sees everything that happens. */
  readonly observe?: (event: FakeBrokerEvent) => void
}

export interface ClientOptions {
  /** Default `group`. */
  readonly groupId?: string
  /** As `group.instance.id`: static membership. */
  readonly instanceId?: string
}

/** A record as tests write it: text for keys, values and headers is UTF-8. */
export interface NewRecord extends RecordOptions {
  readonly value: string | Uint8Array | null
  readonly key?: Key
}

export class FakeBroker implements Broker {
  readonly faults: FakeFaults
  readonly #cluster: FakeCluster
  readonly #clients = new Map<string, FakeClient>()

  constructor(options: FakeBrokerOptions) {
    this.#cluster = new FakeCluster(
      {
        clock: options.clock,
        latencyMs: options.latencyMs ?? [0.5, 2],
        pollLatencyMs: options.pollLatencyMs ?? [0, 1],
        strategy: options.strategy ?? 'cooperative-sticky',
        commitIntervalMs: options.commitIntervalMs ?? 100,
        heartbeatIntervalMs: options.heartbeatIntervalMs ?? 100,
        sessionTimeoutMs: options.sessionTimeoutMs ?? 6_000,
        maxPollIntervalMs: options.maxPollIntervalMs ?? 60_000,
        maxRunRecords: options.maxRunRecords ?? 100,
        maxMetadataCharacters: options.maxMetadataCharacters ?? 4_096,
        keepsTransactions: options.keepsTransactions ?? true,
      },
      new Random(options.seed ?? 1),
      options.observe ?? (() => undefined),
    )
    this.faults = this.#cluster.faults
    this.#cluster.onAppended = (log) => {
      for (const client of this.#clients.values()) client.wake(log)
    }
  }

  // --- topics

  /** `settings`: as the brokers' admin tells them, such as `cleanup.policy`. */
  createTopic(
    name: string,
    partitionCount: number,
    options: FakeLogOptions & { readonly settings?: Readonly<Record<string, string>> } = {},
  ): void {
    const { settings, ...logOptions } = options
    this.#cluster.createTopic(name, partitionCount, logOptions, settings)
  }

  /** The coordinator forgets what was committed of it, as Kafka's does. */
  deleteTopic(name: string): void {
    this.#logs(name)
    this.#cluster.deleteTopic(name)
  }

  addPartitions(name: string, partitionCount: number, { isNoticed = true } = {}): void {
    const logs = this.#logs(name)
    while (logs.length < partitionCount) logs.push(new FakeLog(name, logs.length))
    // A real client looks for new ones every few minutes.
    if (!isNoticed) return
    for (const group of this.#cluster.groups.values()) group.noteMetadataChange(name)
  }

  /** Puts a record into a topic. Returns its partition and offset. */
  append(topic: string, record: NewRecord): { readonly partition: number; readonly offset: number } {
    const { value, ...options } = record
    const target = nameTopic<Uint8Array>(topic, { value: rawBytes, tombstones: true })
    const effect = target.record(typeof value === 'string' ? Buffer.from(value, 'utf8') : value, options)
    const encoded = new EffectEncoder([target]).encode(effect)
    if (encoded.type !== 'record') throw new TypeError('a record was encoded as something else')
    const log = this.#cluster.append(null, encoded.record)
    return { partition: log.partition, offset: log.end - 1 }
  }

  /** Offsets that exist and are never delivered: transaction markers and aborted records. */
  appendMarkers(of: TopicPartition, count = 1): void {
    const log = this.log(of)
    log.appendMarkers(count)
    this.#cluster.onAppended(log)
  }

  /** A transaction of somebody else's on one partition. */
  beginTransaction(of: TopicPartition): FakeTransaction {
    const log = this.log(of)
    const transaction = log.beginTransaction()
    const told = (end: () => void) => (): void => {
      end()
      this.#cluster.onAppended(log)
    }
    return {
      append: (record) => transaction.append(record),
      commit: told(() => transaction.commit()),
      abort: told(() => transaction.abort()),
    }
  }

  /** Compaction: records that `keep` refuses leave gaps. */
  compact(of: TopicPartition, keep: (record: SourceRecord) => boolean): void {
    this.log(of).compact(keep)
  }

  /** Retention: what is below `offset` is gone. */
  deleteBefore(of: TopicPartition, offset: number): void {
    this.log(of).deleteBefore(offset)
  }

  /**
   * Compaction as the brokers' cleaner does it: of each key the last record, as far as no transaction is open. Without
   * tombstones, when they have been there for long enough.
   */
  compactByKey(of: TopicPartition, options: { readonly dropsTombstones?: boolean } = {}): void {
    const log = this.log(of)
    const last = new Map(log.committedRecords.map(({ key, offset }) => [textOfKey(key), offset]))
    log.compact(({ key, offset, value }) => {
      if (offset >= log.stableEnd) return true
      return last.get(textOfKey(key)) === offset && !(options.dropsTombstones === true && value === null)
    })
  }

  /** What stands in a topic, partition by partition, records of open transactions included. */
  records(topic: string): readonly SourceRecord[] {
    return this.#logs(topic).flatMap((log) => log.records)
  }

  /** What who reads what is committed finds in a topic, partition by partition. */
  committedRecords(topic: string): readonly SourceRecord[] {
    return this.#logs(topic).flatMap((log) => log.committedRecords)
  }

  partitions(topic: string): readonly TopicPartition[] {
    return this.#logs(topic).map(placeOf)
  }

  log({ topic, partition }: TopicPartition): FakeLog {
    const log = this.#logs(topic)[partition]
    if (log === undefined) throw new RangeError(`topic ${topic} has no partition ${partition}`)
    return log
  }

  // --- the group

  group(groupId = 'group'): FakeGroup {
    return this.#cluster.group(groupId)
  }

  /** What the group has committed; null: nothing. */
  committed(of: TopicPartition, groupId?: string): StoredPosition | null {
    return this.group(groupId).committed(of) ?? null
  }

  /** Takes a client's member out of its group. Others get its partitions at once; it finds out at its next heartbeat. */
  expelMember(client: string, groupId?: string): void {
    const group = this.group(groupId)
    const process = this.#clients.get(client)
    if (process !== undefined) group.expelProcess(process)
  }

  // --- processes

  /** One process; made at the first call with this name. After a crash the name stands for a new process. */
  client(name: string, options: ClientOptions = {}): FakeClient {
    let client = this.#clients.get(name)
    if (client === undefined || client.isCrashed) {
      client = new FakeClient(name, this.#cluster, this.group(options.groupId), options.instanceId ?? null)
      this.#clients.set(name, client)
    }
    return client
  }

  crash(client: string): void {
    this.#clients.get(client)?.crash()
  }

  consumer(): BrokerConsumer {
    return this.client('main').consumer()
  }

  producer(name: string): BrokerProducer {
    return this.client('main').producer(name)
  }

  reader(name: string): BrokerReader {
    return this.client('main').reader(name)
  }

  transactionalProducer(options: TransactionalProducerOptions): TransactionalProducer {
    return this.client('main').transactionalProducer(options)
  }

  admin(): BrokerAdmin {
    return this.client('main').admin()
  }

  #logs(topic: string): FakeLog[] {
    const logs = this.#cluster.topics.get(topic)
    if (logs === undefined) throw new RangeError(`there is no topic ${topic}`)
    return logs
  }
}

function textOfKey(key: Uint8Array | null): string | null {
  return key === null ? null : Buffer.from(key).toString('latin1')
}
