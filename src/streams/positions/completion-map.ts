/**
 * Which records beyond a position are finished. Taken as a snapshot from the offset tracker,
 * stored with the position as commit metadata, read back at the next assignment.
 *
 * The text is `T~`, a version character and a body of 15 bits a character (`wide-text.ts`):
 *
 *     form             1 byte: which encoding of completion-payload.ts
 *     distance         varint: frontier − position
 *     payload length   varint: bytes that follow, without the checksum
 *     payload
 *     checksum         CRC-32 over position, version and all of the above, little-endian
 *
 * The checksum stands last and in the bit order of CRC-32, so a changed character is one short
 * burst, which CRC-32 notices always, not merely nearly always. It covers the position because
 * tools that move a group's offsets copy the metadata along.
 *
 * Before it stands of which topic it is (`topic-origin.ts`), where that is known, and of which checkpoint (`checkpoint-mark.ts`).
 */
import { crc32 } from 'node:zlib'
import { maxPlainBytes, packPayload, unpackPayload } from './completion-payload.ts'
import { decodeMark, markLength } from './checkpoint-mark.ts'
import { decodeOrigin, originLength } from './topic-origin.ts'
import { appendVarint, readVarint, type ByteCursor } from './varint.ts'
import { toWideText, fromWideText, wideTextLength } from './wide-text.ts'

/**
 * What a broker takes at its default `offset.metadata.max.bytes` of 4096: it counts UTF-16 units,
 * whatever the setting's name says, and the client adds a NUL that counts.
 */
export const maxMetadataCharacters = 4095

/**
 * Position and completion map of one partition at one moment. The two are only ever stored
 * together: a map next to the position of another moment would skip records that nobody finished.
 */
export interface CompletionSnapshot {
  /** The next offset to commit: every record below it is finished. */
  readonly position: number
  /** The position after the highest record that the snapshot knows of. */
  readonly frontier: number
  /**
   * What is unfinished in `[position, frontier)`, as ascending runs `from, to, from, to, …` (`to`
   * exclusive, runs never touch). All else in that range is finished or does not exist. A run may
   * span offsets that do not exist, but never a finished record.
   */
  readonly unfinished: Float64Array
}

/** A snapshot that can be asked. */
export class CompletionMap implements CompletionSnapshot {
  readonly position: number
  readonly frontier: number
  readonly unfinished: Float64Array

  constructor(snapshot: CompletionSnapshot) {
    this.position = snapshot.position
    this.frontier = snapshot.frontier
    this.unfinished = snapshot.unfinished
  }

  /** True only for offsets in `[position, frontier)` that no unfinished run covers. Below and beyond it knows nothing. */
  isFinished(offset: number): boolean {
    if (offset < this.position || offset >= this.frontier) return false
    // The first run that ends after the offset either covers it or begins after it.
    let low = 0
    let high = this.unfinished.length / 2
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.unfinished[2 * middle + 1]! > offset) high = middle
      else low = middle + 1
    }
    return 2 * low === this.unfinished.length || this.unfinished[2 * low]! > offset
  }

  /** The same from a later position on. null: it knows of nothing there. */
  from(position: number): CompletionMap | null {
    if (position <= this.position) return this
    if (position >= this.frontier) return null
    const runs: number[] = []
    for (let at = 0; at < this.unfinished.length; at += 2) {
      const to = this.unfinished[at + 1]!
      if (to > position) runs.push(Math.max(position, this.unfinished[at]!), to)
    }
    return new CompletionMap({ position, frontier: this.frontier, unfinished: Float64Array.from(runs) })
  }

  /** Offsets that unfinished runs cover; offsets that do not exist may be among them. */
  get unfinishedCount(): number {
    let count = 0
    for (let at = 0; at < this.unfinished.length; at += 2) count += this.unfinished[at + 1]! - this.unfinished[at]!
    return count
  }
}

export interface EncodingLimits {
  /** The longest text wanted, in UTF-16 units. Default and maximum: `maxMetadataCharacters`. A broker that counts bytes takes a third. */
  readonly maxCharacters?: number
}

/** No encoding fits. `characters` is what the smallest one tried would take, or less where all were given up early. */
export interface MapTooLarge {
  readonly tooLarge: true
  readonly characters: number
}

/**
 * The metadata to commit with `snapshot.position`: the shortest text found, `''` when nothing
 * beyond the position is finished. Never a part of the map: what does not fit is not written.
 * Costs what is unfinished, not what is finished.
 */
export function encodeCompletionMap(snapshot: CompletionSnapshot, limits: EncodingLimits = {}): string | MapTooLarge {
  const { position } = snapshot
  const { runs, frontier } = withoutUnfinishedTail(snapshot)
  if (frontier <= position) return ''
  const packed = packPayload(position, runs)
  if (packed === null) return { tooLarge: true, characters: wideTextLength(maxPlainBytes) }
  const { form, payload } = packed
  const bytes: number[] = [form]
  appendVarint(bytes, frontier - position)
  appendVarint(bytes, payload.length)
  const length = bytes.length + payload.length + CHECKSUM_BYTES
  const characters = HEAD.length + wideTextLength(length)
  if (characters > Math.min(limits.maxCharacters ?? maxMetadataCharacters, maxMetadataCharacters)) {
    return { tooLarge: true, characters }
  }
  const body = Buffer.alloc(length)
  body.set(bytes)
  body.set(payload, bytes.length)
  body.writeUInt32LE(checksum(position, body.subarray(0, length - CHECKSUM_BYTES)), length - CHECKSUM_BYTES)
  return HEAD + toWideText(body)
}

export type DecodedMetadata =
  /** Nothing was written. */
  | { readonly kind: 'none' }
  | { readonly kind: 'map'; readonly map: CompletionMap }
  /** Not ours: another tool or library keeps something here. */
  | { readonly kind: 'foreign'; readonly reason: string }
  /** Ours, but damaged, written for another position, or of another log. */
  | { readonly kind: 'corrupt'; readonly reason: string }
  /** Ours, of a version this one cannot read. */
  | { readonly kind: 'newer'; readonly version: number }

export interface CommittedWith {
  /** The position that was committed with the text. */
  readonly position: number
  /** The position after the log's last record, when it is known: no true map reaches beyond. */
  readonly end?: number
}

/**
 * Reads commit metadata, whoever wrote it. Never throws, and never allocates more than in
 * proportion to what the encoder may write, whatever lengths the text claims.
 */
export function decodeCompletionMap(text: string, committed: CommittedWith): DecodedMetadata {
  // The client adds a NUL when it writes and takes one off when it reads; others may not.
  const written = text.endsWith('\0') ? text.slice(0, -1) : text
  if (written === '') return { kind: 'none' }
  if (!written.startsWith(MAGIC)) return { kind: 'foreign', reason: `it does not begin with ${MAGIC}` }
  const version = written.charCodeAt(MAGIC.length) - VERSION_ZERO
  if (version === ORIGIN_VERSION) {
    if (decodeOrigin(written, committed.position) === null) {
      return { kind: 'corrupt', reason: 'what it says of its topic is damaged, or of another position' }
    }
    return decodeCompletionMap(written.slice(originLength), committed)
  }
  if (version === MARK_VERSION) {
    if (decodeMark(written, committed.position) === null) {
      return { kind: 'corrupt', reason: 'what it says of its checkpoint is damaged, or of another position' }
    }
    return decodeCompletionMap(written.slice(markLength), committed)
  }
  if (version > VERSION && version <= MAX_VERSION) return { kind: 'newer', version }
  if (version !== VERSION) return { kind: 'corrupt', reason: 'it has no version' }
  const map = decodeBody(written.slice(HEAD.length), committed)
  return typeof map === 'string' ? { kind: 'corrupt', reason: map } : { kind: 'map', map }
}

/** The map, or what is wrong. */
function decodeBody(text: string, { position, end }: CommittedWith): CompletionMap | string {
  if (text.length > maxMetadataCharacters) return 'it is longer than any map'
  const bytes = fromWideText(text)
  if (bytes === null) return 'it has characters that no map has'
  const cursor: ByteCursor = { bytes, at: 1 }
  const distance = readVarint(cursor)
  const payloadLength = readVarint(cursor)
  const length = cursor.at + payloadLength + CHECKSUM_BYTES
  // Not `length > bytes.length` alone: an unreadable varint is NaN.
  if (!(length <= bytes.length) || wideTextLength(length) !== text.length) return 'its length is not the one it states'
  const checked = bytes.subarray(0, length - CHECKSUM_BYTES)
  if (bytes.readUInt32LE(checked.length) !== checksum(position, checked) || bytes.subarray(length).some(Boolean)) {
    return 'its checksum does not match: it is damaged, or was written for another position'
  }
  // The checksum was right, so what follows can only be wrong when somebody meant it to be.
  const frontier = position + distance
  if (!(distance > 0 && frontier <= Number.MAX_SAFE_INTEGER + 1)) return 'its frontier is no position'
  const unfinished = unpackPayload(bytes[0]!, checked.subarray(cursor.at), position, frontier)
  if (unfinished === null) return 'its payload is not well-formed'
  if (end !== undefined && frontier > end)
    return `it reaches to ${String(frontier)}, beyond the end of the log at ${String(end)}`
  return new CompletionMap({ position, frontier, unfinished })
}

const MAGIC = 'T~' // no base64 text has a tilde
const VERSION = 1
/** What stands before the map, or alone: of which topic it is. */
const ORIGIN_VERSION = 2
/** What stands behind that: of which checkpoint. */
const MARK_VERSION = 3
const VERSION_ZERO = '0'.charCodeAt(0)
const MAX_VERSION = 'z'.charCodeAt(0) - VERSION_ZERO
const HEAD = MAGIC + String.fromCharCode(VERSION_ZERO + VERSION)
const CHECKSUM_BYTES = 4

/** Unfinished records at the end need no mention: beyond its frontier a map shows nothing as finished. */
function withoutUnfinishedTail({ frontier, unfinished }: CompletionSnapshot): { runs: Float64Array; frontier: number } {
  const last = unfinished.length - 2
  if (last < 0 || unfinished[last + 1]! < frontier) return { runs: unfinished, frontier }
  return { runs: unfinished.subarray(0, last), frontier: unfinished[last]! }
}

function checksum(position: number, checked: Uint8Array): number {
  const seed = Buffer.alloc(9)
  seed.writeDoubleLE(position)
  seed[8] = VERSION
  return crc32(checked, crc32(seed))
}
