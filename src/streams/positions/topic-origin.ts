/**
 * Which topic a committed position is of, and how many partitions it had when the group began to read
 * it. The name alone does not say: a topic may be deleted and made again, and then position and
 * completion map of the old one are of no use. And `latest` is meant for the partitions
 * that were there when the group began; later ones are read from their beginning.
 *
 * Every commit says it, in nine characters before the completion map: `T~2`, and in wide text
 *
 *     id           4 bytes: of the topic, or 0 where the brokers do not tell
 *     partitions   3 bytes
 *     checksum     CRC-32 over both and the position: tools that move a group's offsets copy the metadata as it is
 *
 * all little-endian. Commits without it, of earlier versions or other tools, count at their word.
 */
import { crc32 } from 'node:zlib'
import type { TopicDescription } from '../broker-port.ts'
import { fromWideText, toWideText } from './wide-text.ts'

export interface TopicOrigin {
  /** Short for the topic's id. 0: not known. */
  readonly id: number
  /** Partitions below this number were there when the group began. */
  readonly partitions: number
}

export const originLength = 9

/** As it goes with this position. */
export function encodeOrigin({ id, partitions }: TopicOrigin, position: number): string {
  const bytes = Buffer.alloc(BYTES)
  bytes.writeUInt32LE(id)
  bytes.writeUIntLE(Math.min(partitions, MAX_PARTITIONS), 4, 3)
  bytes.writeUInt32LE(checksum(bytes, position), CHECKED_BYTES)
  return HEAD + toWideText(bytes)
}

/** null: the metadata does not say, is damaged, or is of another position than the one that it was found with. */
export function decodeOrigin(metadata: string, position: number): TopicOrigin | null {
  if (!metadata.startsWith(HEAD)) return null
  const bytes = fromWideText(metadata.slice(HEAD.length, originLength))
  if (bytes?.length !== BYTES) return null
  if (bytes.readUInt32LE(CHECKED_BYTES) !== checksum(bytes, position)) return null
  return { id: bytes.readUInt32LE(), partitions: bytes.readUIntLE(4, 3) }
}

/** Another topic than that of the origin, as far as both are known. */
export function isOtherTopic(origin: TopicOrigin | null, { id }: TopicDescription): boolean {
  return origin !== null && origin.id !== 0 && id !== null && origin.id !== shortId(id)
}

/**
 * The origin of a topic, as described now, for a group that has told these before. A topic that
 * was made after the group had begun has no partition that was there before.
 */
export function originOf(told: readonly TopicOrigin[], topic: TopicDescription): TopicOrigin {
  const id = shortId(topic.id)
  const same = told.filter((origin) => !isOtherTopic(origin, topic))
  if (same.length === 0 && told.length > 0) return { id, partitions: 0 }
  const partitions = Math.min(topic.partitions, ...same.map((origin) => origin.partitions))
  // Brokers that do not tell the id just now take nothing back.
  return { id: id === 0 ? (same.find((origin) => origin.id !== 0)?.id ?? 0) : id, partitions }
}

function checksum(bytes: Buffer, position: number): number {
  const place = Buffer.alloc(8)
  place.writeDoubleLE(position)
  return crc32(bytes.subarray(0, CHECKED_BYTES), crc32(place))
}

/** For comparing; 0: not known. */
export function shortId(id: string | null): number {
  return id === null ? 0 : crc32(id) || 1
}

const HEAD = 'T~2'
const CHECKED_BYTES = 7
const BYTES = 11
const MAX_PARTITIONS = 2 ** 24 - 1
