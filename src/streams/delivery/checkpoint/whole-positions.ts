/**
 * Positions as a checkpoint commits them, each with its whole completion map or not at all: the outputs and the state of what is
 * finished beyond the position are of the same transaction, so a position without the map would have them made again.
 *
 * The calls that positions go in are cut by their bytes, so how many partitions there are changes nothing for one of them.
 */
import type { EngineStats } from '../../../metrics/stats.ts'
import type { StoredPosition } from '../../broker-port.ts'
import { encodeMark } from '../../positions/checkpoint-mark.ts'
import { encodeCompletionMap, maxMetadataCharacters, type CompletionSnapshot } from '../../positions/completion-map.ts'
import { isNearLimit } from '../../positions/map-budget.ts'
import { encodeOrigin } from '../../positions/topic-origin.ts'
import type { OwnedPartition } from '../delivery.ts'

/** What does not fit. */
export interface UnfitPosition {
  readonly characters: number
  readonly limit: number
}

export class WholePositions {
  readonly #stats: Pick<EngineStats, 'mapBytes'>
  /** What these brokers keep with a position: one setting for all topics. */
  #limit = maxMetadataCharacters

  constructor(stats: Pick<EngineStats, 'mapBytes'>) {
    this.#stats = stats
  }

  /** Of one moment. The intake of its partition stops while the map is near the limit, so that it comes no further. */
  of(input: OwnedPartition, snapshot: CompletionSnapshot, checkpoint: number): StoredPosition | UnfitPosition {
    const { origin, partition, topic, tracker } = input
    const { position } = snapshot
    const head = (origin == null ? '' : encodeOrigin(origin, position)) + encodeMark(checkpoint, position)
    const limit = this.#limit - head.length
    const map = encodeCompletionMap(snapshot, { maxCharacters: limit })
    const characters = typeof map === 'string' ? map.length : map.characters
    // What the map of the last owner tells of makes this one smaller when it is read, and nothing else does.
    input.setIntakeBlocked(!tracker.hasMapAhead && isNearLimit(characters, limit))
    if (typeof map !== 'string' || limit < 0) return { characters: head.length + characters, limit: this.#limit }
    this.#stats.mapBytes += Buffer.byteLength(map)
    return { topic, partition, position, metadata: head + map }
  }

  /** So many characters were refused. What would be taken is not said, and some count bytes. */
  noteTooLong(characters: number): void {
    this.#limit = Math.min(this.#limit, Math.floor(characters / 2))
  }
}
