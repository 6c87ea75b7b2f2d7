/**
 * Positions as they are committed, each with all that goes along in its metadata: of which topic it is, and the completion map of the same moment, as far as this fits. Whatever stores them, these are the rules for length.
 */
import type { EngineStats } from '../../metrics/stats.ts'
import type { CommitReport, StoredPosition } from '../broker-port.ts'
import { encodeCompletionMap, maxMetadataCharacters, type CompletionSnapshot } from '../positions/completion-map.ts'
import { isNearLimit, maxCharactersFor } from '../positions/map-budget.ts'
import { encodeOrigin, originLength } from '../positions/topic-origin.ts'
import { partitionName, type TopicPartition } from '../record.ts'
import type { CommittedPartition } from './delivery.ts'

export interface PositionTextsOptions {
  readonly stats: Pick<EngineStats, 'mapBytes'>
  /** How many partitions share one commit, and so its budget for maps. */
  readonly assignedCount: () => number
}

export class PositionTexts {
  readonly #options: PositionTextsOptions
  /** Of partitions of which this broker refused a map for its length: what is tried from then on. */
  readonly #learnedLimits = new Map<string, number>()

  constructor(options: PositionTextsOptions) {
    this.#options = options
  }

  /** Position and map of one snapshot, so of one moment: a map of another one would skip unfinished records. */
  of(partition: CommittedPartition, snapshot: CompletionSnapshot): StoredPosition {
    const { position } = snapshot
    const all = maxCharactersFor({ partitionCount: this.#options.assignedCount() })
    const learned = this.#learnedLimits.get(partitionName(partition))
    const room = Math.min(all, learned ?? all)
    const isRoomForOrigin = partition.origin != null && originLength <= room
    const head = isRoomForOrigin ? encodeOrigin(partition.origin, position) : ''
    const limit = Math.min(all, maxMetadataCharacters) - head.length
    const encoded = encodeCompletionMap(snapshot, {
      maxCharacters: learned === undefined ? limit : Math.min(limit, learned - head.length),
    })
    const isWritten = typeof encoded === 'string'
    // A position without a map is safe, only dearer after a crash; a truncated map would not be.
    const map = isWritten ? encoded : ''
    partition.setMapLeftOut(!isWritten)
    // What the map of the last owner tells of makes this one smaller when it is read, and nothing else
    // does: stopped there, with nothing in flight, the intake would stay stopped for ever. And where this
    // broker refuses what others take, it would wait for nothing.
    const mayStop = !partition.tracker.hasMapAhead && learned === undefined
    const characters = isWritten ? encoded.length : encoded.characters
    partition.setIntakeBlocked(mayStop && isNearLimit(characters, limit))
    this.#options.stats.mapBytes += Buffer.byteLength(map)
    return { topic: partition.topic, partition: partition.partition, position, metadata: head + map }
  }

  /**
   * This map is too long for this broker. What the broker would take is not said, and some count
   * bytes: from now on a map goes only while it is half as long as the one refused. A map that was on its way
   * by then is refused for the same length, and tells nothing new.
   */
  noteTooLong({ metadataLength, ...at }: CommitReport['positions'][number]): void {
    // Not told: what the client has committed by itself of a partition that it gave back.
    if (metadataLength === undefined) return
    const name = partitionName(at)
    const half = Math.floor(metadataLength / 2)
    this.#learnedLimits.set(name, Math.min(half, this.#learnedLimits.get(name) ?? half))
  }

  /** The partition has gone. */
  forget(partition: TopicPartition): void {
    this.#learnedLimits.delete(partitionName(partition))
  }
}
