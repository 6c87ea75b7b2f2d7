/**
 * What a join keeps of a key: the records of both sides, by stretches of time. Of each stretch the newest few kilobytes are in
 * one value with the others of the key, and what was there before in values of their own, its *packs*: so however hot a key
 * is, none of its values is large, and a record that comes rewrites little. None of it ever changes: who holds more makes
 * another one.
 */
import type { Codec } from '../../streams/flows/contract.ts'
import { emptyPack } from './pack.ts'

/** A stretch of time of one side. */
export interface Stretch {
  /** Its beginning, as a multiple of its length since the epoch. */
  readonly no: number
  /** So many packs in values of their own. */
  readonly packs: number
  /** No open record in it is earlier; Infinity: none is open. */
  readonly earliestMs: number
  /** What came last, as a pack. */
  readonly tail: Buffer
}

/** By `no`. */
export type Side = readonly Stretch[]

export interface Held {
  /** Of the left and the right. */
  readonly sides: readonly [Side, Side]
  /** What the key's timer is set to; Infinity: it is not set. */
  readonly dueMs: number
}

export const nothingHeld: Held = { sides: [[], []], dueMs: Number.POSITIVE_INFINITY }

export function stretchOf(side: Side, no: number): Stretch {
  return (
    side.find((stretch) => stretch.no === no) ?? { no, packs: 0, earliestMs: Number.POSITIVE_INFINITY, tail: emptyPack }
  )
}

export function withStretch(side: Side, stretch: Stretch): Side {
  const others = side.filter(({ no }) => no !== stretch.no)
  const at = others.findIndex(({ no }) => no > stretch.no)
  return at === -1 ? [...others, stretch] : [...others.slice(0, at), stretch, ...others.slice(at)]
}

export function withSide({ dueMs, sides }: Held, at: number, side: Side): Held {
  return { dueMs, sides: at === 0 ? [side, sides[1]] : [sides[0], side] }
}

/** The key of a pack: that of its records, and a text of fixed length, so no two are the same. */
export function packKey(keyText: string, side: number, no: number, pack: number): string {
  const place = Buffer.allocUnsafe(13)
  place.writeUInt8(side)
  place.writeDoubleBE(no, 1)
  place.writeUInt32BE(pack, 9)
  return keyText + place.toString('latin1')
}

const FORM = 0
const STRETCH_BYTES = 8 + 4 + 8 + 4

/**
 *     form 1 byte · due 8 · stretches of the left 2 · of the right 2
 *     stretches, each: no 8 · packs 4 · earliest 8 · length of the tail 4 · tail
 */
export const heldCodec: Codec<unknown> = {
  name: 'held',
  encode(value) {
    const { dueMs, sides } = value as Held
    const all = sides.flat()
    const bytes = Buffer.allocUnsafe(all.reduce((sum, { tail }) => sum + STRETCH_BYTES + tail.byteLength, 13))
    let at = bytes.writeUInt8(FORM)
    at = bytes.writeDoubleBE(dueMs, at)
    for (const side of sides) at = bytes.writeUInt16BE(side.length, at)
    for (const { earliestMs, no, packs, tail } of all) {
      at = bytes.writeDoubleBE(no, at)
      at = bytes.writeUInt32BE(packs, at)
      at = bytes.writeDoubleBE(earliestMs, at)
      at = bytes.writeUInt32BE(tail.byteLength, at)
      bytes.set(tail, at)
      at += tail.byteLength
    }
    return bytes
  },
  decode(given) {
    const bytes = bufferOf(given)
    if (bytes[0] !== FORM) throw new TypeError(`what a join keeps has form ${bytes[0]}, which this version cannot read`)
    let at = 13
    const read = (count: number): Side =>
      Array.from({ length: count }, () => {
        const [no, packs, earliestMs] = [
          bytes.readDoubleBE(at),
          bytes.readUInt32BE(at + 8),
          bytes.readDoubleBE(at + 12),
        ]
        const start = at + STRETCH_BYTES
        at = start + bytes.readUInt32BE(at + 20)
        return { no, packs, earliestMs, tail: bytes.subarray(start, at) }
      })
    const left = read(bytes.readUInt16BE(9))
    return { dueMs: bytes.readDoubleBE(1), sides: [left, read(bytes.readUInt16BE(11))] } satisfies Held
  },
}

/** A pack in a value of its own. */
export const packCodec: Codec<unknown> = {
  name: 'pack',
  encode: (value) => value as Buffer,
  decode: bufferOf,
}

/** A view of the same bytes. */
function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
