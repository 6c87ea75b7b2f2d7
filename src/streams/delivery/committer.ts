/**
 * Hands safe positions, each with the completion map of the same snapshot, to the client, which
 * commits them off the JavaScript thread. Only partitions that made progress are looked at, on a
 * short interval: interval × rate is what a crash handles again. After large maps it is longer, so
 * that what all maps add to the brokers' log stays bounded (`map-budget.ts`).
 */
import type { Clock } from '../../clock.ts'
import type { Log } from '../../log.ts'
import type { BrokerConsumer, CommitReport, StoredPosition } from '../broker-port.ts'
import { encodeCompletionMap, maxMetadataCharacters } from '../positions/completion-map.ts'
import type { CommittedPartition, CommitEvents } from './delivery.ts'
import { isNearLimit, maxCharactersFor, restAfterMs } from '../positions/map-budget.ts'
import { partitionName } from '../record.ts'
import { encodeOrigin, originLength } from '../positions/topic-origin.ts'
import type { EngineStats } from '../../metrics/stats.ts'

export interface CommitterOptions {
  /** So long lies between two looks, and longer after large maps. The consumer sends what it is given on one of the same length. */
  readonly intervalMs: number
  /** What the maps may come to. Default `maxMapBytesPerSecond`. */
  readonly mapBytesPerSecond?: number
  readonly clock: Clock
  readonly log: Log
  readonly stats: EngineStats
  readonly events: CommitEvents
  /** How many partitions share one commit, and so its budget for maps. */
  readonly assignedCount: () => number
}

export class Committer {
  readonly #options: CommitterOptions
  #consumer: BrokerConsumer | null = null
  #dirty = new Set<CommittedPartition>()
  /** Partitions with a stored position: a commit report names them only. */
  readonly #stored = new Map<string, CommittedPartition>()
  /** Of partitions of which this broker refused a map for its length: what is tried from then on. */
  readonly #learnedLimits = new Map<string, number>()
  #cancelTimer: (() => void) | null = null

  constructor(options: CommitterOptions) {
    this.#options = options
  }

  /** Commits through this consumer from now on; a restarted membership brings a new one. */
  begin(consumer: BrokerConsumer): void {
    this.end()
    this.#consumer = consumer
    this.#schedule(0)
  }

  /** The next hand-over, after one of maps of so many bytes. */
  #schedule(mapBytes: number): void {
    const { clock, intervalMs, mapBytesPerSecond, stats } = this.#options
    const delayMs = Math.max(intervalMs, restAfterMs(mapBytes, mapBytesPerSecond))
    stats.commitIntervalMs = delayMs + intervalMs
    this.#cancelTimer = clock.after(delayMs, () => {
      const before = stats.mapBytes
      this.#storeDirty()
      // What the client refuses may end the membership, and with it this.
      if (this.#consumer !== null) this.#schedule(stats.mapBytes - before)
    })
  }

  end(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = null
    this.#consumer = null
    this.#dirty.clear()
    this.#stored.clear()
  }

  noteProgress(partition: CommittedPartition): void {
    this.#dirty.add(partition)
  }

  storeNow(partitions: readonly CommittedPartition[]): void {
    for (const partition of partitions) this.#dirty.delete(partition)
    this.#store(partitions)
  }

  /** Takes the broker's answer to a commit. */
  noteReport(report: CommitReport): void {
    const { log, stats, events } = this.#options
    stats.commits[report.result] += 1
    switch (report.result) {
      case 'accepted':
        for (const { topic, partition, position } of report.positions) {
          if (position !== undefined) events.onCommitted({ topic, partition }, position)
        }
        break
      case 'deferred':
        log.debug({ reason: report.reason }, 'a commit waits for the end of a rebalance')
        break
      case 'fenced':
        log.warn({ reason: report.reason }, 'the broker does not know this member any more; its partitions are fenced')
        events.onRefused(report.positions)
        break
      case 'too-large':
        this.#learnLimit(report.positions)
        log.warn(
          { partitions: report.positions.map(partitionName), reason: report.reason },
          'the broker refuses the length of a completion map (offset.metadata.max.bytes); positions are committed alone',
        )
        break
      case 'failed':
        log.warn({ reason: report.reason }, 'a commit failed; it is tried again')
        break
    }
  }

  /** Forgets a partition whose epoch ended. */
  forget(partition: CommittedPartition): void {
    this.#dirty.delete(partition)
    if (this.#stored.get(partitionName(partition)) === partition) this.#stored.delete(partitionName(partition))
    this.#learnedLimits.delete(partitionName(partition))
  }

  /**
   * Their maps are too long for this broker. What the broker would take is not said, and some count
   * bytes: from now on a map goes only while it is half as long as the one refused. A map that was on its way
   * by then is refused for the same length, and tells nothing new.
   */
  #learnLimit(refused: CommitReport['positions']): void {
    for (const each of refused) {
      const name = partitionName(each)
      const partition = this.#stored.get(name)
      // It has gone meanwhile: nothing of it may stay here.
      if (partition === undefined) continue
      // Not told: what the client has committed by itself of a partition that it gave back.
      if (each.metadataLength !== undefined) {
        const half = Math.floor(each.metadataLength / 2)
        this.#learnedLimits.set(name, Math.min(half, this.#learnedLimits.get(name) ?? half))
      }
      this.#dirty.add(partition)
    }
  }

  #storeDirty(): void {
    if (this.#dirty.size === 0) return
    const dirty = this.#dirty
    this.#dirty = new Set()
    this.#store([...dirty])
  }

  #store(partitions: readonly CommittedPartition[]): void {
    const consumer = this.#consumer
    if (consumer === null) return
    const positions = partitions.flatMap((partition) => (partition.isFenced ? [] : this.#positionOf(partition)))
    if (positions.length === 0) return
    const refused = consumer.storePositions(positions)
    if (refused.length > 0) {
      this.#options.log.warn(
        { partitions: refused.map(partitionName) },
        'the client refuses positions of partitions it does not own any more; they are fenced',
      )
      this.#options.events.onRefused(refused)
    }
  }

  #positionOf(partition: CommittedPartition): StoredPosition[] {
    this.#stored.set(partitionName(partition), partition)
    // One snapshot for both: a map next to the position of another moment would skip unfinished records.
    const snapshot = partition.tracker.snapshot()
    if (snapshot === null) return []
    const name = partitionName(partition)
    const all = maxCharactersFor({ partitionCount: this.#options.assignedCount() })
    const learned = this.#learnedLimits.get(name)
    const isRoomForOrigin = partition.origin != null && originLength <= Math.min(all, learned ?? all)
    const origin = isRoomForOrigin ? encodeOrigin(partition.origin, snapshot.position) : ''
    const limit = Math.min(all, maxMetadataCharacters) - origin.length
    const encoded = encodeCompletionMap(snapshot, {
      maxCharacters: learned === undefined ? limit : Math.min(limit, learned - origin.length),
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
    const metadata = origin + map
    return [{ topic: partition.topic, partition: partition.partition, position: snapshot.position, metadata }]
  }
}
