/**
 * The log of one partition: records in offset order, with whatever gaps compaction and transaction
 * markers leave. Positions may stand on offsets that hold no record.
 */
import type { SourceRecord } from '../streams/record.ts'

export interface FakeLogOptions {
  /** Where the log begins, e.g. beyond 2^31. Default 0. */
  readonly firstOffset?: number
  /** Larger records are refused: key, value and headers together. Default 1 MiB. */
  readonly maxRecordBytes?: number
}

/** Records that may be read when it commits, and never when it aborts; either leaves a marker. */
export interface FakeTransaction {
  append(record: LoggedRecord): void
  commit(): void
  abort(): void
}

type LoggedRecord = Omit<SourceRecord, 'topic' | 'partition' | 'offset'>

export class FakeLog {
  readonly topic: string
  readonly partition: number
  readonly maxRecordBytes: number
  #records: SourceRecord[] = []
  #low: number
  #end: number
  /** The first offset of each open transaction. */
  readonly #open = new Set<number>()

  constructor(topic: string, partition: number, options: FakeLogOptions = {}) {
    const { firstOffset = 0, maxRecordBytes = 1_048_576 } = options
    this.topic = topic
    this.partition = partition
    this.maxRecordBytes = maxRecordBytes
    this.#low = firstOffset
    this.#end = firstOffset
  }

  /** The first offset that may be read. */
  get low(): number {
    return this.#low
  }

  /** The position after the last offset, whether that holds a record or a marker. */
  get end(): number {
    return this.#end
  }

  /** As far as may be read: an open transaction holds back all that comes after it. The last stable offset. */
  get stableEnd(): number {
    return this.#open.size === 0 ? this.#end : Math.min(...this.#open)
  }

  get records(): readonly SourceRecord[] {
    return this.#records
  }

  /** Those that may be read. */
  get committedRecords(): readonly SourceRecord[] {
    return this.#records.slice(0, this.#readableCount)
  }

  append(record: LoggedRecord): number {
    const offset = this.#end
    this.#records.push({ topic: this.topic, partition: this.partition, offset, ...record })
    this.#end += 1
    return offset
  }

  /** Offsets that exist and are never delivered: transaction markers, aborted records. */
  appendMarkers(count: number): void {
    this.#end += count
  }

  /** A transaction begins at the log's end. */
  beginTransaction(): FakeTransaction {
    const first = this.#end
    const offsets = new Set<number>()
    this.#open.add(first)
    const end = (): void => {
      this.appendMarkers(1)
      this.#open.delete(first)
    }
    return {
      append: (record) => offsets.add(this.append(record)),
      commit: end,
      abort: () => {
        this.compact(({ offset }) => !offsets.has(offset))
        end()
      },
    }
  }

  /** Compaction: what `keep` refuses leaves a gap. The end stays. */
  compact(keep: (record: SourceRecord) => boolean): void {
    this.#records = this.#records.filter(keep)
  }

  /** Retention: the log begins at `offset` now. */
  deleteBefore(offset: number): void {
    this.#low = Math.min(Math.max(this.#low, offset), this.#end)
    this.#records.splice(0, this.#indexAt(this.#low))
  }

  /** At most `maxRecords` records from `position` on, of those that may be read. */
  read(position: number, maxRecords: number): readonly SourceRecord[] {
    const first = this.#indexAt(position)
    return this.#records.slice(first, Math.min(first + maxRecords, this.#readableCount))
  }

  hasRecordFrom(position: number): boolean {
    const last = this.#records[this.#readableCount - 1]
    return last !== undefined && last.offset >= position
  }

  get #readableCount(): number {
    return this.#open.size === 0 ? this.#records.length : this.#indexAt(this.stableEnd)
  }

  /** Index of the first record at or after `position`. */
  #indexAt(position: number): number {
    let low = 0
    let high = this.#records.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#records[middle]!.offset < position) low = middle + 1
      else high = middle
    }
    return low
  }
}
