/**
 * Which topic a committed position is of, and how many partitions that had when the group began with
 * it. A name alone does not say: a topic may be deleted and made again, and then a position, and
 * a completion map, of the one before are of no use. And `latest` is meant for the partitions
 * that were there when the group began; later ones are read from their beginning.
 *
 * Every commit says it, in nine characters before the completion map: `T~2`, and in wide text
 *
 *     id           4 bytes: of the topic, or 0 where the brokers do not tell
 *     partitions   3 bytes
 *     checksum     CRC-32 over both
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

export function encodeOrigin({ id, partitions }: TopicOrigin): string {
  const bytes = Buffer.alloc(BYTES)
  bytes.writeUInt32LE(id)
  bytes.writeUIntLE(Math.min(partitions, MAX_PARTITIONS), 4, 3)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, CHECKED_BYTES)), CHECKED_BYTES)
  return HEAD + toWideText(bytes)
}

/** null: the metadata does not say, or is damaged. */
export function decodeOrigin(metadata: string): TopicOrigin | null {
  if (!metadata.startsWith(HEAD)) return null
  const bytes = fromWideText(metadata.slice(HEAD.length, originLength))
  if (bytes?.length !== BYTES) return null
  if (bytes.readUInt32LE(CHECKED_BYTES) !== crc32(bytes.subarray(0, CHECKED_BYTES))) return null
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
  return { id, partitions: Math.min(topic.partitions, ...same.map(({ partitions }) => partitions)) }
}

function shortId(id: string | null): number {
  return id === null ? 0 : crc32(id) || 1
}

const HEAD = 'T~2'
const CHECKED_BYTES = 7
const BYTES = 11
const MAX_PARTITIONS = 2 ** 24 - 1
