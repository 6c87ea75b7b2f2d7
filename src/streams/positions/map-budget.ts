/**
 * How long the completion maps of one process may be, so that a commit of all its partitions is
 * taken by the broker.
 *
 * The coordinator writes one commit as one batch to `__consumer_offsets`. A batch beyond its
 * `message.max.bytes` (1,048,588 by default) is refused as a whole, and so is every later one:
 * nothing is committed for ever. So the sum is bounded for the worst case, in which all partitions
 * have full maps in one commit. A partition takes
 *
 *       3 bytes a character      UTF-8 of nearly all that wide-text.ts writes
 *     + 64 bytes                 record, key and value framing: at most 55
 *     + the names                group and topic, which each entry repeats in its key
 *
 * and the sum stays below a million bytes, which leaves 4 % to the batch header and to chance:
 *
 *     partitions of one process    names 40 bytes                 names 498 bytes
 *                            70              4095                            4095
 *                           100              3298                            3146
 *                           250              1298                            1146
 *                         1,000               298                             146
 *                         5,000                32                               0
 *
 * 298 characters still tell 4,400 random offsets apart, or two hundred stuck records among
 * millions. The share is the same for all, whatever others need: then a partition's limit moves
 * only when the assignment does, and nobody's intake stops because of a neighbour.
 *
 * And how often they may be committed: all of them together at `maxMapBytesPerSecond`.
 */
import { maxMetadataCharacters } from './completion-map.ts'

export interface CommitBudget {
  /** Partitions that one commit may hold: all that are assigned to the process. */
  readonly partitionCount: number
  /** UTF-8 bytes of the group's name and the longest topic name together. Default: 498, a topic name of the longest kind twice. */
  readonly nameBytes?: number
  /** What all entries of one commit may take. Default: a million, for brokers with the default `message.max.bytes`. */
  readonly maxCommitBytes?: number
}

/** The characters each partition's metadata may have. 0: there are so many partitions that positions alone fill the commit. */
export function maxCharactersFor(budget: CommitBudget): number {
  const { partitionCount, nameBytes = LONGEST_NAMES_BYTES, maxCommitBytes = DEFAULT_COMMIT_BYTES } = budget
  const entryBytes = maxCommitBytes / Math.max(1, partitionCount) - FRAMING_BYTES - nameBytes
  return Math.max(0, Math.min(maxMetadataCharacters, Math.floor(entryBytes / CHARACTER_BYTES)))
}

/**
 * True when a partition with a map this long takes in nothing new: 75 % of its limit. What is in
 * flight then may still finish in the least convenient order, and the map grow by that. An empty
 * map never stops anything, or nothing could start where the limit is 0.
 */
export function isNearLimit(characters: number, maxCharacters: number): boolean {
  return characters > 0 && characters >= STOP_SHARE * maxCharacters
}

/**
 * What the maps of one process may add to the brokers' log in a second; the brokers keep it several
 * times, until they compact. As many records as are in flight by default, in the worst order, come
 * to 64 kB a commit, so with small maps the interval is the configured one, and with full maps, a
 * million bytes at most, it comes to a second.
 */
export const maxMapBytesPerSecond = 1_000_000

/** How long after maps of so many bytes the next ones may follow, in milliseconds. */
export function restAfterMs(mapBytes: number, bytesPerSecond: number = maxMapBytesPerSecond): number {
  return (1000 * mapBytes) / bytesPerSecond
}

const CHARACTER_BYTES = 3
const FRAMING_BYTES = 64
const LONGEST_NAMES_BYTES = 2 * 249
const DEFAULT_COMMIT_BYTES = 1_000_000
const STOP_SHARE = 0.75
