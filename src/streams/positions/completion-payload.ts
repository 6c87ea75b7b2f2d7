/**
 * The unfinished runs of a completion map as bytes. Two encodings, each plain or deflated; the
 * smallest is taken:
 *
 * - *lengths*: varints of the lengths of unfinished and finished stretches in turn, from the
 *   position on, beginning with an unfinished one, which alone may be empty. One stuck record with
 *   any number finished behind it is one byte.
 * - *bitmap*: one bit an offset from the position to the end of the last run, low bit first, set
 *   where it is unfinished. The better one for stretches of one or two.
 *
 * The last finished stretch ends at the frontier, so neither has to mention it.
 */
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'
import { RunList } from './run-list.ts'
import { appendVarint, readVarint, type ByteCursor } from './varint.ts'

/**
 * The most an encoding may take before it is deflated. Eight times what the metadata carries: more
 * would not often deflate to what fits, and would cost milliseconds at every commit. Also the bound
 * for what a text from elsewhere can inflate to.
 */
export const maxPlainBytes = 65_536

export interface PackedPayload {
  readonly form: number
  readonly payload: Uint8Array
}

/** The smallest form found of runs at or beyond `position`. null: no encoding is below `maxPlainBytes`. */
export function packPayload(position: number, runs: Float64Array): PackedPayload | null {
  const lengths = encodeLengths(position, runs)
  const bitmapBytes = Math.ceil(((runs.at(-1) ?? position) - position) / 8)
  const plain: PackedPayload[] = []
  if (lengths !== null) plain.push({ form: LENGTHS, payload: lengths })
  if (bitmapBytes <= Math.min(maxPlainBytes, WORTH_TRYING * (lengths?.length ?? maxPlainBytes))) {
    plain.push({ form: BITMAP, payload: encodeBitmap(position, runs, bitmapBytes) })
  }
  const smallest = smallestOf(plain)
  if (smallest === null) return null
  const close = plain.filter(({ payload }) => payload.length <= WORTH_TRYING * smallest.payload.length)
  return smallestOf([smallest, ...close.flatMap(deflated)])
}

/**
 * The runs of a payload. null: it is not what `packPayload` writes, or shows something unfinished
 * that is not below the frontier's last stretch.
 */
export function unpackPayload(
  form: number,
  payload: Uint8Array,
  position: number,
  frontier: number,
): Float64Array | null {
  if (form > (BITMAP | DEFLATED)) return null
  const plain = form & DEFLATED ? inflated(payload) : payload
  if (plain === null) return null
  return form & BITMAP ? decodeBitmap(plain, position, frontier) : decodeLengths(plain, position, frontier)
}

const LENGTHS = 0
const BITMAP = 1
const DEFLATED = 2

/**
 * An encoding more than twice as long as the other is not deflated to less than the other is:
 * what makes it longer, zeros in a bitmap or ones among lengths, is what both lose by deflating.
 */
const WORTH_TRYING = 2

/** Below this deflating saves a character or two and costs more than all the rest. */
const MIN_DEFLATED_BYTES = 64

function encodeLengths(position: number, runs: Float64Array): Uint8Array | null {
  const bytes: number[] = []
  let end = position
  if (runs.length === 0 || runs[0]! > position) bytes.push(0)
  for (let at = 0; at < runs.length; at += 2) {
    const from = runs[at]!
    if (from > position) appendVarint(bytes, from - end)
    end = runs[at + 1]!
    appendVarint(bytes, end - from)
    if (bytes.length > maxPlainBytes) return null
  }
  return new Uint8Array(bytes)
}

function decodeLengths(bytes: Uint8Array, position: number, frontier: number): Float64Array | null {
  const runs = new RunList()
  const cursor: ByteCursor = { bytes, at: 0 }
  let end = position
  let isFinished = false
  while (cursor.at < bytes.length) {
    const length = readVarint(cursor)
    const isEmptyFirst = length === 0 && cursor.at === 1
    if (!(length > 0 || isEmptyFirst) || !(end + length < frontier)) return null
    if (!isFinished && length > 0) runs.add(end, end + length)
    end += length
    isFinished = !isFinished
  }
  return isFinished ? runs.toArray() : null
}

function encodeBitmap(position: number, runs: Float64Array, byteCount: number): Uint8Array {
  const bytes = new Uint8Array(byteCount)
  for (let at = 0; at < runs.length; at += 2) {
    const to = runs[at + 1]! - position
    for (let bit = runs[at]! - position; bit < to; bit++) bytes[bit >> 3]! |= 1 << (bit & 7)
  }
  return bytes
}

function decodeBitmap(bytes: Uint8Array, position: number, frontier: number): Float64Array | null {
  const runs = new RunList()
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    if (bytes[bit >> 3]! & (1 << (bit & 7))) runs.add(position + bit, position + bit + 1)
  }
  return runs.end >= frontier ? null : runs.toArray()
}

/**
 * Random lengths and bits deflate best, and three times as fast, by Huffman codes alone; regular
 * patterns (every tenth record is slow) only by repetition.
 */
function deflated({ form, payload }: PackedPayload): PackedPayload[] {
  if (payload.length < MIN_DEFLATED_BYTES) return []
  return [{ strategy: constants.Z_HUFFMAN_ONLY }, { level: 1 }].map((options) => ({
    form: form | DEFLATED,
    payload: deflateRawSync(payload, options),
  }))
}

function inflated(payload: Uint8Array): Uint8Array | null {
  try {
    return inflateRawSync(payload, { maxOutputLength: maxPlainBytes })
  } catch {
    return null
  }
}

function smallestOf(candidates: readonly PackedPayload[]): PackedPayload | null {
  let smallest: PackedPayload | null = null
  for (const candidate of candidates) {
    if (smallest === null || candidate.payload.length < smallest.payload.length) smallest = candidate
  }
  return smallest
}
