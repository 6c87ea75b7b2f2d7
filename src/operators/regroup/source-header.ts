/**
 * What stands at each record of a repartition topic, in a header: which partition of the input it is of, how far that has come
 * in time, and the record's own time. A mark is a record that says the first two only, with neither key nor value; nobody but
 * the reading actor's stream time sees it.
 *
 * The time stands here and not in the record's timestamp: brokers refuse timestamps that lie too far ahead or behind, and write
 * their own for 0 and for none.
 */
import { TroupeError } from '../../errors.ts'
import type { RecordHeader } from '../../streams/record.ts'

/** What a partition of the input says of itself. */
export interface Said {
  /** The partition of the input. */
  readonly source: number
  /** The greatest time of its records so far; −1: none had one. */
  readonly streamTimeMs: number
  /** It has nothing more to say for now: nobody need wait for it. */
  readonly isIdle: boolean
}

export interface SaidWithRecord extends Said {
  /** Of the record; −1: it has none. */
  readonly timeMs: number
  /** It would have moved its source's stream time further than it may at once. */
  readonly isFarFuture: boolean
}

export type SourceNote =
  { readonly kind: 'mark'; readonly said: Said } | { readonly kind: 'record'; readonly said: SaidWithRecord }

const SOURCE_HEADER = 'troupe-source'

const VERSION = 1
const MARK_BYTES = 14
const RECORD_BYTES = 22
const TIME_BYTES = 8
const flags = { mark: 1, idle: 2, farFuture: 4 } as const

export function recordHeader({ isFarFuture, source, streamTimeMs, timeMs }: SaidWithRecord): RecordHeader {
  const bytes = begun(RECORD_BYTES, isFarFuture ? flags.farFuture : 0, source, streamTimeMs)
  bytes.writeDoubleBE(timeMs, MARK_BYTES)
  return [SOURCE_HEADER, bytes]
}

export function markHeader({ isIdle, source, streamTimeMs }: Said): RecordHeader {
  return [SOURCE_HEADER, begun(MARK_BYTES, isIdle ? flags.mark | flags.idle : flags.mark, source, streamTimeMs)]
}

/** What a record says of itself before its turn has come: its own time only. */
export function timeHeader(timeMs: number): RecordHeader {
  const bytes = Buffer.allocUnsafe(TIME_BYTES)
  bytes.writeDoubleBE(timeMs)
  return [SOURCE_HEADER, bytes]
}

/** The time of `timeHeader`, and the headers before it. */
export function readTimeHeader(headers: readonly RecordHeader[]): {
  readonly timeMs: number
  readonly others: readonly RecordHeader[]
} {
  const [name, value] = headers.at(-1) ?? [undefined, null]
  if (name !== SOURCE_HEADER || value?.byteLength !== TIME_BYTES) {
    throw new TroupeError('INTERNAL', 'a record of a front does not tell its time')
  }
  return {
    timeMs: new DataView(value.buffer, value.byteOffset, value.byteLength).getFloat64(0),
    others: headers.slice(0, -1),
  }
}

/** null: there is none, or it is of a later version: the record is nobody's of this app. */
export function readSourceNote(headers: readonly RecordHeader[]): SourceNote | null {
  // It is the last: those of the record itself stand before it.
  const [name, value] = headers.at(-1) ?? [undefined, null]
  if (name !== SOURCE_HEADER || value === null || value[0] !== VERSION || value.byteLength < MARK_BYTES) return null
  const bytes = new DataView(value.buffer, value.byteOffset, value.byteLength)
  const flag = bytes.getUint8(1)
  const said = { source: bytes.getUint32(2), streamTimeMs: bytes.getFloat64(6), isIdle: (flag & flags.idle) !== 0 }
  if ((flag & flags.mark) !== 0) return { kind: 'mark', said }
  if (value.byteLength < RECORD_BYTES) return null
  const timeMs = bytes.getFloat64(MARK_BYTES)
  return { kind: 'record', said: { ...said, timeMs, isFarFuture: (flag & flags.farFuture) !== 0 } }
}

function begun(length: number, flag: number, source: number, streamTimeMs: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  bytes.writeUInt8(VERSION)
  bytes.writeUInt8(flag, 1)
  bytes.writeUInt32BE(source, 2)
  bytes.writeDoubleBE(streamTimeMs, 6)
  return bytes
}
