/**
 * What a consumer reads: its assigned partitions, where it stands in each, and which comes next. A
 * backlog is handed out a partition's run at a time, as the real client hands out one fetch response
 * after the other.
 */
import type { StartPosition } from '../../streams/broker-port.ts'
import { partitionName, type SourceRecord, type TopicPartition } from '../../streams/record.ts'
import type { FakeLog } from '../fake-log.ts'
import type { Random } from '../random.ts'

interface Reading {
  readonly topic: string
  readonly partition: number
  log: FakeLog
  position: number
  isPaused: boolean
  /** The log's end that was told of last; each end is told of once. */
  toldEnd: number
  /** Its position is not in the log, which was told. */
  isOutOfRange: boolean
}

export interface EndOfLog extends TopicPartition {
  readonly position: number
}

export class FakeFetcher {
  readonly #random: Random
  readonly #maxRunRecords: number
  readonly #isSilent: (name: string) => boolean
  readonly #assigned = new Map<string, Reading>()
  #current: { readonly reading: Reading; left: number } | null = null

  /** `maxRunRecords`: the longest run of one partition before another may come. */
  constructor(random: Random, maxRunRecords: number, isSilent: (name: string) => boolean = () => false) {
    this.#isSilent = isSilent
    this.#random = random
    this.#maxRunRecords = maxRunRecords
  }

  has(partition: TopicPartition): boolean {
    return this.#assigned.has(partitionName(partition))
  }

  get names(): readonly string[] {
    return [...this.#assigned.keys()]
  }

  assign(start: StartPosition, log: FakeLog): void {
    const { topic, partition } = start
    const position =
      start.position === 'earliest' ? log.low : start.position === 'latest' ? log.stableEnd : start.position
    this.#assigned.set(partitionName(start), {
      topic,
      partition,
      log,
      position,
      isPaused: false,
      toldEnd: -1,
      isOutOfRange: false,
    })
    this.#current = null
  }

  unassign(partition: TopicPartition): void {
    this.#assigned.delete(partitionName(partition))
    this.#current = null
  }

  unassignAll(): void {
    this.#assigned.clear()
    this.#current = null
  }

  setPaused(partition: TopicPartition, isPaused: boolean): void {
    const reading = this.#assigned.get(partitionName(partition))
    if (reading !== undefined) reading.isPaused = isPaused
  }

  /** Partitions whose topic has become another; each is told of once, and read on where it stood. */
  takeReplaced(logsOf: (of: TopicPartition) => readonly FakeLog[] | undefined): TopicPartition[] {
    return [...this.#assigned.values()].flatMap((reading) => {
      const log = logsOf(reading)?.[reading.partition]
      if (log === undefined || log === reading.log) return []
      reading.log = log
      return [{ topic: reading.topic, partition: reading.partition }]
    })
  }

  /** Partitions whose position is not in their log (any more): nothing of them is delivered, each is told of once. */
  takeOutOfRange(): (TopicPartition & { readonly position: number; readonly low: number; readonly high: number })[] {
    return [...this.#assigned.values()].flatMap((reading) => {
      const { isOutOfRange, log, partition, position, topic } = reading
      if (isOutOfRange || (position >= log.low && position <= log.end)) return []
      reading.isOutOfRange = true
      return [{ topic, partition, position, low: log.low, high: log.end }]
    })
  }

  /** Ends of logs that were reached and not told of yet. */
  takeEnds(): EndOfLog[] {
    const ends: EndOfLog[] = []
    for (const reading of this.#assigned.values()) {
      if (reading.isPaused || reading.isOutOfRange || reading.log.hasRecordFrom(reading.position)) continue
      // Trailing markers hold nothing to deliver: the reader stands behind them at once.
      reading.position = Math.max(reading.position, reading.log.stableEnd)
      if (reading.toldEnd === reading.position) continue
      reading.toldEnd = reading.position
      ends.push({ topic: reading.topic, partition: reading.partition, position: reading.position })
    }
    return ends
  }

  /** At most `maxRecords` records: the run at hand, then others while there is room. */
  take(maxRecords: number): SourceRecord[] {
    const taken: SourceRecord[] = []
    while (taken.length < maxRecords) {
      const run = this.#run()
      if (run === null) break
      const records = run.reading.log.read(run.reading.position, Math.min(run.left, maxRecords - taken.length))
      run.left -= records.length
      run.reading.position = records.at(-1)!.offset + 1
      for (const record of records) taken.push(record)
    }
    return taken
  }

  /** The run that is being handed out, or another one. */
  #run(): { readonly reading: Reading; left: number } | null {
    const current = this.#current
    if (
      current !== null &&
      current.left > 0 &&
      isReadable(current.reading) &&
      !this.#isSilent(partitionName(current.reading))
    ) {
      return current
    }
    const readable = [...this.#assigned.values()].filter(
      (reading) => isReadable(reading) && !this.#isSilent(partitionName(reading)),
    )
    if (readable.length === 0) return null
    this.#current = { reading: this.#random.pick(readable), left: this.#random.integer(1, this.#maxRunRecords) }
    return this.#current
  }
}

function isReadable({ isOutOfRange, isPaused, log, position }: Reading): boolean {
  return !isPaused && !isOutOfRange && log.hasRecordFrom(position)
}
