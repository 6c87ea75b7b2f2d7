/**
 * What flows: one Kafka record, in or out, and where it stands.
 *
 * Words: an *offset* is the place of a record; a *position* is the next offset to read. Only
 * positions are committed. Both are plain numbers, exact to 2^53.
 */

/** One header. Kafka allows the same name several times, and a value of null. */
export type RecordHeader = readonly [name: string, value: Uint8Array | null]

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** One record as the broker gave it. A null value is a tombstone. */
export interface SourceRecord extends TopicPartition {
  readonly offset: number
  /** Milliseconds since the Unix epoch, as the producer or the broker stamped it; −1: nobody has. */
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly RecordHeader[]
  /** It stands for a timer of its key, which fires: there is no such record in the log, and its offset is a position. */
  readonly timer?: TimerCause
}

/** A timer that fires instead of a record. */
export interface TimerCause {
  readonly name: string
  readonly clock: 'stream' | 'wall'
  /** When it was due, milliseconds since the Unix epoch. */
  readonly dueMs: number
}

/** One record on its way out, already encoded. */
export interface OutputRecord {
  readonly topic: string
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers?: readonly RecordHeader[]
  /** Chosen by the key (murmur2, as Java does) unless given. */
  readonly partition?: number
  /** Milliseconds since the Unix epoch; the client's clock unless given. */
  readonly timestamp?: number
}

/** `topic/partition`, the name under which maps keep a partition. */
export function partitionName(of: TopicPartition): string {
  return `${of.topic}/${String(of.partition)}`
}

/** The bytes of a record itself: key, value and headers. */
export function payloadBytes(record: SourceRecord): number {
  let bytes = (record.key?.byteLength ?? 0) + (record.value?.byteLength ?? 0)
  for (const [name, value] of record.headers) bytes += Buffer.byteLength(name) + (value?.byteLength ?? 0)
  return bytes
}

/** What a record of so many bytes counts against a budget of bytes: those, and a flat share for the objects around them. */
export function sizeInBytes(record: SourceRecord, payload: number): number {
  return payload + RECORD_OVERHEAD_BYTES + record.headers.length * HEADER_OVERHEAD_BYTES
}

/** Objects, typed arrays and their buffers of one record, as a heap snapshot shows them, rounded up. */
const RECORD_OVERHEAD_BYTES = 512
const HEADER_OVERHEAD_BYTES = 128
