/** A reader of the fake broker: the consumer's fetching, without a group. */
import type { Clock } from '../../clock.ts'
import { TroupeError } from '../../errors.ts'
import type { BrokerReader, StartPosition, Watermarks } from '../../streams/broker-port.ts'
import { partitionName, type SourceRecord, type TopicPartition } from '../../streams/record.ts'
import { findLog } from './fake-cluster.ts'
import type { FakeConnection, Latency } from './fake-connection.ts'
import type { FakeFaults } from './fake-faults.ts'
import { FakeFetcher } from './fake-fetcher.ts'
import type { FakeLog } from '../fake-log.ts'
import { FakePolls, type Served } from './fake-polls.ts'
import type { Random } from '../random.ts'

export interface FakeReaderOptions {
  readonly clock: Clock
  readonly random: Random
  readonly connection: FakeConnection
  readonly faults: FakeFaults
  readonly maxRunRecords: number
  readonly pollLatencyMs: Latency
  readonly topics: ReadonlyMap<string, readonly FakeLog[]>
}

export class FakeReader implements BrokerReader {
  readonly #options: FakeReaderOptions
  readonly #fetcher: FakeFetcher
  readonly #polls: FakePolls
  readonly #positions = new Map<string, number>()
  #state: 'new' | 'connected' | 'ended' = 'new'
  #connecting: Promise<void> | null = null

  constructor(options: FakeReaderOptions) {
    this.#options = options
    this.#fetcher = new FakeFetcher(options.random, options.maxRunRecords)
    this.#polls = new FakePolls({ ...options, serve: (maxRecords) => this.#serve(maxRecords) })
  }

  connect(): Promise<void> {
    this.#connecting ??= this.#options.connection.ask(() => {
      if (this.#state === 'new') this.#state = 'connected'
    })
    return this.#connecting
  }

  assign(starts: readonly StartPosition[]): void {
    this.#requireConnected()
    this.#fetcher.unassignAll()
    this.#positions.clear()
    this.follow(starts)
  }

  follow(starts: readonly StartPosition[]): void {
    this.#requireConnected()
    for (const start of starts) {
      const log = this.#options.topics.get(start.topic)?.[start.partition]
      if (log !== undefined) this.#fetcher.assign(start, log)
      this.#positions.delete(partitionName(start))
      if (typeof start.position === 'number') this.#positions.set(partitionName(start), start.position)
    }
    this.wake()
  }

  unfollow(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) {
      this.#fetcher.unassign(partition)
      this.#positions.delete(partitionName(partition))
    }
  }

  pause(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) this.#fetcher.setPaused(partition, true)
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) this.#fetcher.setPaused(partition, false)
    this.wake()
  }

  async poll(maxRecords: number, timeoutMs: number): Promise<readonly SourceRecord[]> {
    return this.#state === 'connected' ? await this.#polls.poll(maxRecords, timeoutMs) : []
  }

  /** Something may have come for the poll under way. */
  wake(): void {
    this.#polls.wake()
  }

  reads(partition: TopicPartition): boolean {
    return this.#fetcher.has(partition)
  }

  #serve(maxRecords: number): Served {
    const isEnd = this.#state === 'ended'
    if (isEnd || this.#options.faults.areBrokersAway) return { records: [], isEnd, mayReturnEarly: false }
    for (const { high, low, partition, position, topic } of this.#fetcher.takeOutOfRange()) {
      const message = `position ${position} of ${topic}/${partition} is not in its log (${low} to ${high})`
      throw new TroupeError('OFFSET_OUT_OF_RANGE', message)
    }
    const records = this.#fetcher.take(maxRecords)
    for (const record of records) this.#positions.set(partitionName(record), record.offset + 1)
    for (const end of this.#fetcher.takeEnds()) this.#positions.set(partitionName(end), end.position)
    return { records, isEnd, mayReturnEarly: false }
  }

  async watermarks(of: TopicPartition): Promise<Watermarks> {
    this.#requireConnected()
    return await this.#options.connection.ask(() => {
      const { low, end } = findLog(this.#options.topics, of)
      return { low, high: end }
    })
  }

  position(partition: TopicPartition): number | null {
    return this.#positions.get(partitionName(partition)) ?? null
  }

  async disconnect(): Promise<void> {
    await this.#connecting?.catch(() => undefined)
    this.#state = 'ended'
    this.wake()
  }

  #requireConnected(): void {
    if (this.#state !== 'connected') throw new TroupeError('BROKER_UNREACHABLE', 'the reader is not connected')
  }
}
