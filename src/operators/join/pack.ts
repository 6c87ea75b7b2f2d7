/**
 * Records of one side of a join, kept as they came, in one piece of bytes: no objects, however many there are. A pack never
 * changes: who adds to it makes another one.
 *
 *     earliest  8 bytes: the least time of its open records, a double, big-endian; Infinity: none is open
 *     records   each: time, a double; open, 1 byte; length, 4 bytes; the bytes of its value
 *
 * *Open* is a record that has to come out alone when no partner comes.
 */

const HEAD_BYTES = 8
const RECORD_HEAD_BYTES = 8 + 1 + 4

export interface PackedRecord {
  /** Where it stands in its pack. */
  readonly at: number
  readonly timeMs: number
  readonly isOpen: boolean
  readonly bytes: Buffer
}

export const emptyPack = Buffer.alloc(HEAD_BYTES)
emptyPack.writeDoubleBE(Number.POSITIVE_INFINITY)

/** Bytes that a record with a value of so many takes. */
export function packedBytes(valueBytes: number): number {
  return RECORD_HEAD_BYTES + valueBytes
}

export function withRecord(pack: Buffer, timeMs: number, isOpen: boolean, value: Uint8Array): Buffer {
  const grown = Buffer.allocUnsafeSlow(pack.byteLength + packedBytes(value.byteLength))
  grown.set(pack)
  let at = pack.byteLength
  at = grown.writeDoubleBE(timeMs, at)
  at = grown.writeUInt8(isOpen ? 1 : 0, at)
  at = grown.writeUInt32BE(value.byteLength, at)
  grown.set(value, at)
  if (isOpen && timeMs < earliestOpen(pack)) grown.writeDoubleBE(timeMs)
  return grown
}

/** The least time of its open records; Infinity: none is open. */
export function earliestOpen(pack: Buffer): number {
  return pack.readDoubleBE()
}

/** As they were added. The bytes are views. */
export function* recordsOf(pack: Buffer): Generator<PackedRecord> {
  for (let at = HEAD_BYTES; at < pack.byteLength;) {
    const start = at + RECORD_HEAD_BYTES
    const end = start + pack.readUInt32BE(at + 9)
    yield { at, timeMs: pack.readDoubleBE(at), isOpen: pack[at + 8] === 1, bytes: pack.subarray(start, end) }
    at = end
  }
}

/** The records that stand at these places are open no more. */
export function withClosed(pack: Buffer, places: readonly number[]): Buffer {
  const closed = Buffer.from(pack)
  for (const at of places) closed[at + 8] = 0
  let earliest = Number.POSITIVE_INFINITY
  for (const { isOpen, timeMs } of recordsOf(closed)) if (isOpen && timeMs < earliest) earliest = timeMs
  closed.writeDoubleBE(earliest)
  return closed
}
