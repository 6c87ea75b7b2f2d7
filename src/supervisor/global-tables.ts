/**
 * Reads the topics of global tables, all of their partitions, without a group: to their end before the first record is
 * handled, and on from there. What is in an open transaction at the start is waited for.
 */
import type { Clock } from '../clock.ts'
import { TroupeError, describeError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { EngineStats } from '../metrics/stats.ts'
import type { GlobalRows, GlobalTopic } from '../operators/tables/global-rows.ts'
import type { Change, StateStore } from '../state/store.ts'
import { MemoryStores } from '../state/stores/memory/memory-store.ts'
import type { BrokerReader } from '../streams/broker-port.ts'
import type { Broker } from '../streams/broker.ts'
import { neededSchema } from '../streams/flows/contract.ts'
import { partitionName, type SourceRecord, type TopicPartition } from '../streams/record.ts'

export interface GlobalTablesOptions {
  readonly rows: GlobalRows
  readonly broker: Broker
  readonly clock: Clock
  readonly log: Log
  readonly stats: Pick<EngineStats, 'unreadableRows'>
  /** Of each topic. */
  readonly partitionCounts: (topics: readonly string[]) => Promise<ReadonlyMap<string, number>>
  /** Rows do not come any more, and no retry changes that. */
  readonly onFailure: (error: Error) => void
}

const MAX_POLL_RECORDS = 1_000
const POLL_TIMEOUT_MS = 100
/** A start that takes longer says so, as often. */
const TELL_INTERVAL_MS = 10_000
/** They are counted, and shown one by one only at first. */
const MOST_SHOWN = 10

interface OpenTopic {
  readonly topic: GlobalTopic
  readonly store: StateStore
  shown: number
}

export class GlobalTables {
  readonly #options: GlobalTablesOptions
  readonly #reader: BrokerReader
  readonly #topics = new Map<string, OpenTopic>()
  #isClosed = false
  #following: Promise<void> = Promise.resolve()

  private constructor(options: GlobalTablesOptions) {
    this.#options = options
    this.#reader = options.broker.reader('tables')
  }

  /** Opened at once, so that it can be closed; null: there are no global tables. */
  static open(options: GlobalTablesOptions): GlobalTables | null {
    return options.rows.topics.length === 0 ? null : new GlobalTables(options)
  }

  /** Resolves when all is read that is there now, and goes on reading. Rejects where it cannot be read. */
  async read(): Promise<void> {
    const { clock, log, partitionCounts, rows } = this.#options
    const stores = new MemoryStores(clock)
    for (const topic of rows.topics) this.#topics.set(topic.name, { topic, store: await stores.open(), shown: 0 })
    const counts = await partitionCounts([...this.#topics.keys()])
    const partitions = [...this.#topics.keys()].flatMap((topic) =>
      Array.from({ length: counts.get(topic) ?? 0 }, (_, partition) => ({ topic, partition })),
    )
    await this.#reader.connect()
    let waiting = await this.#endsOf(partitions)
    this.#reader.follow(partitions.map((at) => ({ ...at, position: 'earliest' })))
    let toldAtMs = clock.now()
    while (waiting.length > 0 && !this.#isClosed) {
      await this.#step()
      waiting = waiting.filter(({ at, high }) => (this.#reader.position(at) ?? 0) < high)
      if (clock.now() - toldAtMs < TELL_INTERVAL_MS) continue
      toldAtMs = clock.now()
      const names = waiting.map(({ at }) => partitionName(at)).join(', ')
      log.info(
        { partitions: waiting.length },
        `global tables are read before the first record; not yet to their end: ${names}`,
      )
    }
    for (const { store, topic } of this.#topics.values()) {
      topic.rows = store
      log.info({ topic: topic.name, rows: store.keyCount }, `global table ${topic.name}: ${store.keyCount} rows`)
    }
    this.#following = this.#follow()
  }

  /** Never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#reader.disconnect().catch(() => undefined)
    await this.#following
    for (const { store } of this.#topics.values()) await store.close()
  }

  /** Where there is something to be read, and how far. */
  async #endsOf(partitions: readonly TopicPartition[]): Promise<readonly { at: TopicPartition; high: number }[]> {
    const ends = await Promise.all(partitions.map(async (at) => ({ at, ...(await this.#reader.watermarks(at)) })))
    return ends.filter(({ high, low }) => low < high)
  }

  /** Never rejects. */
  async #follow(): Promise<void> {
    try {
      while (!this.#isClosed) await this.#step()
    } catch (cause) {
      if (this.#isClosed) return
      const names = [...this.#topics.keys()].join(', ')
      const message = `global tables (${names}) cannot be read on: ${describeError(cause)}`
      this.#options.onFailure(new TroupeError('TABLE_NOT_READ', message, { cause }))
    }
  }

  async #step(): Promise<void> {
    const records = await this.#reader.poll(MAX_POLL_RECORDS, POLL_TIMEOUT_MS)
    for (const open of this.#topics.values()) {
      const changes = records.flatMap((record): Change[] => {
        if (record.topic !== open.topic.name) return []
        const change = this.#changeOf(open, record)
        return change === null ? [] : [change]
      })
      if (changes.length > 0) await open.store.write(changes, { changelogPosition: 0, streamTime: null, checkpoint: 0 })
    }
  }

  /** null: it is nobody's row. One that cannot be read leaves its key without a row. */
  #changeOf(open: OpenTopic, record: SourceRecord): Change | null {
    const { key, value } = record
    if (key === null) {
      this.#noteUnreadable(open, record, 'it has no key')
      return null
    }
    if (value === null) return [key, null]
    for (const check of open.topic.checks) {
      try {
        check(value)
      } catch (error) {
        // It is asked for when somebody looks the row up.
        if (neededSchema(error) === undefined) this.#noteUnreadable(open, record, describeError(error))
      }
    }
    return [key, value]
  }

  #noteUnreadable(open: OpenTopic, { offset, partition, topic }: SourceRecord, why: string): void {
    const { log, stats } = this.#options
    stats.unreadableRows.set(topic, (stats.unreadableRows.get(topic) ?? 0) + 1)
    open.shown += 1
    if (open.shown > MOST_SHOWN) return
    const rest = open.shown === MOST_SHOWN ? '; further ones are only counted' : ''
    log.warn({ topic, partition, offset }, `global table: ${topic}/${partition}/${offset} is no row: ${why}${rest}`)
  }
}
