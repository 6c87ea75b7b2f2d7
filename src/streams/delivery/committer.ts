/**
 * Hands safe positions, each with the completion map of the same snapshot, to the client, which
 * commits them off the JavaScript thread. Only partitions that made progress are looked at, on a
 * short interval: interval × rate is what a crash handles again. After large maps it is longer, so
 * that what all maps add to the brokers' log stays bounded (`map-budget.ts`).
 */
import type { Clock } from '../../clock.ts'
import type { Log } from '../../log.ts'
import type { BrokerConsumer, CommitReport, StoredPosition } from '../broker-port.ts'
import { takeReport } from './commit-report.ts'
import type { CommittedPartition, CommitEvents } from './delivery.ts'
import { PositionTexts } from './position-texts.ts'
import { restAfterMs } from '../positions/map-budget.ts'
import { partitionName } from '../record.ts'
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
  readonly #texts: PositionTexts
  #consumer: BrokerConsumer | null = null
  #dirty = new Set<CommittedPartition>()
  /** Partitions with a stored position: a commit report names them only. */
  readonly #stored = new Map<string, CommittedPartition>()
  #cancelTimer: (() => void) | null = null

  constructor(options: CommitterOptions) {
    this.#options = options
    this.#texts = new PositionTexts(options)
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
    takeReport(report, this.#options)
    if (report.result === 'too-large') this.#learnLimit(report.positions)
  }

  /** Forgets a partition whose epoch ended. */
  forget(partition: CommittedPartition): void {
    this.#dirty.delete(partition)
    if (this.#stored.get(partitionName(partition)) === partition) this.#stored.delete(partitionName(partition))
    this.#texts.forget(partition)
  }

  /** Their maps are too long for this broker. */
  #learnLimit(refused: CommitReport['positions']): void {
    for (const each of refused) {
      const partition = this.#stored.get(partitionName(each))
      // It has gone meanwhile: nothing of it may stay here.
      if (partition === undefined) continue
      this.#texts.noteTooLong(each)
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
    const snapshot = partition.tracker.snapshot()
    if (snapshot === null) return []
    return [this.#texts.of(partition, snapshot)]
  }
}
