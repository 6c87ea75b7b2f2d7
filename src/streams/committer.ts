/**
 * Hands safe positions, each with the completion map of the same snapshot, to the client, which
 * commits them off the JavaScript thread. Only partitions that made progress are looked at, on a
 * short interval: interval × rate is what a crash handles again.
 */
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import type { BrokerConsumer, CommitReport, StoredPosition } from './broker-port.ts'
import { encodeCompletionMap } from './completion-map.ts'
import type { CommittedPartition, DeliveryEvents } from './delivery.ts'
import { isNearLimit, maxCharactersFor } from './map-budget.ts'
import { partitionName, type TopicPartition } from './record.ts'
import type { EngineStats } from './stats.ts'

export interface CommitterOptions {
  readonly intervalMs: number
  readonly clock: Clock
  readonly log: Log
  readonly stats: EngineStats
  readonly events: Pick<DeliveryEvents, 'onRefused'>
  /** How many partitions share one commit, and so its budget for maps. */
  readonly assignedCount: () => number
  /** The broker has accepted this position. */
  readonly onCommitted: (partition: TopicPartition, position: number) => void
}

export class Committer {
  readonly #options: CommitterOptions
  #consumer: BrokerConsumer | null = null
  #dirty = new Set<CommittedPartition>()
  /** Partitions with a stored position: a commit report names them only. */
  readonly #stored = new Map<string, CommittedPartition>()
  /** Partitions whose map the broker refuses for its length: their position goes alone. */
  readonly #positionOnly = new Set<string>()
  #cancelTimer: (() => void) | null = null

  constructor(options: CommitterOptions) {
    this.#options = options
  }

  /** Commits through this consumer from now on; a restarted membership brings a new one. */
  begin(consumer: BrokerConsumer): void {
    this.end()
    this.#consumer = consumer
    const tick = (): void => {
      this.#storeDirty()
      this.#cancelTimer = this.#options.clock.after(this.#options.intervalMs, tick)
    }
    this.#cancelTimer = this.#options.clock.after(this.#options.intervalMs, tick)
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
          if (position !== undefined) this.#options.onCommitted({ topic, partition }, position)
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
        this.#storeAlone(report.positions)
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
    this.#positionOnly.delete(partitionName(partition))
  }

  /** Their maps are too long for this broker: from now on their positions go alone, the first at the next tick. */
  #storeAlone(positions: readonly TopicPartition[]): void {
    for (const position of positions) {
      this.#positionOnly.add(partitionName(position))
      const partition = this.#stored.get(partitionName(position))
      if (partition !== undefined) this.#dirty.add(partition)
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
    const { topic, partition: number } = partition
    if (this.#positionOnly.has(partitionName(partition))) {
      // There is no map to run out of room for.
      partition.setIntakeBlocked(false)
      return [{ topic, partition: number, position: snapshot.position, metadata: '' }]
    }
    const limit = maxCharactersFor({ partitionCount: this.#options.assignedCount() })
    const encoded = encodeCompletionMap(snapshot, { maxCharacters: limit })
    const characters = typeof encoded === 'string' ? encoded.length : encoded.characters
    // What the map of the last owner tells of makes this one smaller when it is read, and nothing else
    // does: stopped there, with nothing in flight, the intake would stay stopped for ever.
    const isGrownByIntake = !partition.tracker.hasMapAhead
    partition.setIntakeBlocked(isGrownByIntake && isNearLimit(characters, limit))
    // A position without a map is safe, only dearer after a crash; a truncated map would not be.
    const metadata = typeof encoded === 'string' ? encoded : ''
    return [{ topic, partition: number, position: snapshot.position, metadata }]
  }
}
