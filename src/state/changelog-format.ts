/**
 * The bytes of a changelog, which are those of the stores as well. Every record is one entry, found by its key; the last
 * one of a key counts, and compaction keeps it.
 *
 *     meta    0                                       → version 1, checkpoint, stream time, short ids of input and changelog
 *     state   1, length of the name, name, key        → as `state-value.ts` says
 *     timer   2, clock, length of the name, name, key → when it is due: a number as a value of a state
 *     shape   3, length of the name, name             → how the state of this name is declared: `shape-records.ts`
 *     sources 4                                       → of each partition of the regrouped input, how far its time has come: `merged-time.ts`
 *     input   5, length of the topic, topic           → how far a companion input has come: `input-marks.ts`
 *     rows    6, length of the topic, topic           → the same, of a table's rows in this store: in no changelog
 *
 * Names are those that the handler gives its states and timers, so that a new version of it finds what the old one has
 * written. Numbers are big-endian.
 */
import { TroupeError } from '../errors.ts'

export const entryKinds = { meta: 0, state: 1, timer: 2, shape: 3, sources: 4, input: 5, rows: 6 } as const
export type TimerClock = 'stream' | 'wall'

export const metaKey: Uint8Array = Uint8Array.of(entryKinds.meta)
export const sourcesKey: Uint8Array = Uint8Array.of(entryKinds.sources)

/** Of states and timers. */
export const namePattern = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/

/** What comes before the record's key: the same for all entries of a state, so it can be made once. */
export function statePrefix(name: string): Uint8Array {
  return Buffer.concat([Uint8Array.of(entryKinds.state, name.length), Buffer.from(name, 'latin1')])
}

export function timerPrefix(name: string, clock: TimerClock): Uint8Array {
  return Buffer.concat([
    Uint8Array.of(entryKinds.timer, clock === 'stream' ? 0 : 1, name.length),
    Buffer.from(name, 'latin1'),
  ])
}

export function shapeKey(name: string): Uint8Array {
  return Buffer.concat([Uint8Array.of(entryKinds.shape, name.length), Buffer.from(name, 'latin1')])
}

export function inputKey(topic: string): Uint8Array {
  return Buffer.concat([Uint8Array.of(entryKinds.input, topic.length), Buffer.from(topic, 'latin1')])
}

/** Beside a table's rows, which are in stores only. */
export function rowsKey(topic: string): Uint8Array {
  return Buffer.concat([Uint8Array.of(entryKinds.rows, topic.length), Buffer.from(topic, 'latin1')])
}

export function entryKey(prefix: Uint8Array, key: Uint8Array): Uint8Array {
  const whole = Buffer.allocUnsafe(prefix.byteLength + key.byteLength)
  whole.set(prefix)
  whole.set(key, prefix.byteLength)
  return whole
}

export type Entry =
  | { readonly kind: 'meta' }
  | { readonly kind: 'state'; readonly name: string; readonly key: Uint8Array }
  | { readonly kind: 'timer'; readonly name: string; readonly clock: TimerClock; readonly key: Uint8Array }
  | { readonly kind: 'shape' | 'input'; readonly name: string }
  | { readonly kind: 'sources' }

/** What the key of a changelog's record says. null: it is of a later version, or no key of ours. */
export function readEntryKey(bytes: Uint8Array): Entry | null {
  switch (bytes[0]) {
    case entryKinds.meta:
      return bytes.byteLength === 1 ? { kind: 'meta' } : null
    case entryKinds.state: {
      const named = readName(bytes, 1)
      return named === null ? null : { kind: 'state', ...named }
    }
    case entryKinds.timer: {
      const named = readName(bytes, 2)
      const clock = bytes[1] === 0 ? 'stream' : 'wall'
      return named === null ? null : { kind: 'timer', clock, ...named }
    }
    case entryKinds.shape:
    case entryKinds.input: {
      const named = readName(bytes, 1)
      return named === null || named.key.byteLength > 0
        ? null
        : { kind: bytes[0] === entryKinds.shape ? 'shape' : 'input', name: named.name }
    }
    case entryKinds.sources:
      return bytes.byteLength === 1 ? { kind: 'sources' } : null
    default:
      return null
  }
}

/** Whether this version knows what such a key means, without a look at what it says: asked for each record of a restore. */
export function isEntryKey(bytes: Uint8Array): boolean {
  switch (bytes[0]) {
    case entryKinds.meta:
    case entryKinds.sources:
      return bytes.byteLength === 1
    case entryKinds.state:
      return bytes.byteLength >= 2 + (bytes[1] ?? Infinity)
    case entryKinds.timer:
      return bytes.byteLength >= 3 + (bytes[2] ?? Infinity)
    case entryKinds.shape:
    case entryKinds.input:
      return bytes.byteLength === 2 + (bytes[1] ?? Infinity)
    default:
      return false
  }
}

function readName(bytes: Uint8Array, at: number): { readonly name: string; readonly key: Uint8Array } | null {
  const end = at + 1 + (bytes[at] ?? Infinity)
  if (end > bytes.byteLength) return null
  const name = Buffer.from(bytes.buffer, bytes.byteOffset + at + 1, end - at - 1).toString('latin1')
  return { name, key: bytes.subarray(end) }
}

/** What a partition's changelog says of the checkpoint that it stands at. */
export interface ChangelogMeta {
  /** Of the checkpoint: the position that is committed with it carries the same number. */
  readonly checkpoint: number
  /** Of the committed position, milliseconds since the Unix epoch; null: no record had a time yet. */
  readonly streamTime: number | null
  /** Short ids (`topic-origin.ts`) of the topics: one that was deleted and made again is another. 0: not known. */
  readonly inputId: number
  readonly changelogId: number
}

const META_VERSION = 1
const META_BYTES = 25

export function encodeMeta({ changelogId, checkpoint, inputId, streamTime }: ChangelogMeta): Uint8Array {
  const bytes = Buffer.alloc(META_BYTES)
  bytes.writeUInt8(META_VERSION)
  bytes.writeDoubleBE(checkpoint, 1)
  bytes.writeDoubleBE(streamTime ?? NaN, 9)
  bytes.writeUInt32BE(inputId, 17)
  bytes.writeUInt32BE(changelogId, 21)
  return bytes
}

/** Throws CHANGELOG_UNREADABLE for bytes of a later version, or of somebody else. */
export function decodeMeta(value: Uint8Array): ChangelogMeta {
  if (value[0] !== META_VERSION || value.byteLength < META_BYTES) {
    const what = value[0] === META_VERSION ? `${value.byteLength} bytes long` : `of version ${value[0] ?? 'none'}`
    throw new TroupeError(
      'CHANGELOG_UNREADABLE',
      `the meta record of a changelog is ${what}, which this version cannot read`,
    )
  }
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  const streamTime = bytes.readDoubleBE(9)
  return {
    checkpoint: bytes.readDoubleBE(1),
    streamTime: Number.isNaN(streamTime) ? null : streamTime,
    inputId: bytes.readUInt32BE(17),
    changelogId: bytes.readUInt32BE(21),
  }
}
