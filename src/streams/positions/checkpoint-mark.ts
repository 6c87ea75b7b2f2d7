/**
 * With which checkpoint a position was committed. The state of a partition knows the same number (`changelog-format.ts`), so
 * whoever takes the partition over sees whether the two belong together; and a process that never heard whether its
 * checkpoint stands can tell by asking for the position.
 *
 * It stands behind the topic's origin and before the completion map, in nine characters: `T~3`, and in wide text
 *
 *     number     6 bytes, little-endian
 *     checksum   CRC-32 over it and the position: tools that move a group's offsets copy the metadata as it is
 */
import { crc32 } from 'node:zlib'
import { decodeOrigin, originLength } from './topic-origin.ts'
import { fromWideText, toWideText } from './wide-text.ts'

export const markLength = 9

/** As it goes with this position. `checkpoint` is below 2^48. */
export function encodeMark(checkpoint: number, position: number): string {
  const bytes = Buffer.alloc(BYTES)
  bytes.writeUIntLE(checkpoint, 0, NUMBER_BYTES)
  bytes.writeUInt32LE(checksum(bytes, position), NUMBER_BYTES)
  return HEAD + toWideText(bytes)
}

/** Of a commit's whole metadata. null: it has none, or one that is damaged or of another position. */
export function checkpointOf(metadata: string, position: number): number | null {
  return decodeMark(decodeOrigin(metadata, position) === null ? metadata : metadata.slice(originLength), position)
}

/** Of metadata that begins with a mark. null: it does not, is damaged, or is of another position than the one that it was found with. */
export function decodeMark(metadata: string, position: number): number | null {
  if (!metadata.startsWith(HEAD)) return null
  const bytes = fromWideText(metadata.slice(HEAD.length, markLength))
  if (bytes === null || bytes.length < BYTES) return null
  if (bytes.readUInt32LE(NUMBER_BYTES) !== checksum(bytes, position)) return null
  return bytes.readUIntLE(0, NUMBER_BYTES)
}

function checksum(bytes: Buffer, position: number): number {
  const place = Buffer.alloc(8)
  place.writeDoubleLE(position)
  return crc32(bytes.subarray(0, NUMBER_BYTES), crc32(place))
}

const HEAD = 'T~3'
const NUMBER_BYTES = 6
const BYTES = 10
