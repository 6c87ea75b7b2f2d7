/**
 * How far a partition actor has come in one of its input topics: what it holds of it, which of its records are finished,
 * where its position may stand, and why it takes in nothing. An actor has one today; a join will have two of the same
 * partition number, each with a position of its own.
 */
import type { Log } from '../log.ts'
import type { PartitionStats } from '../metrics/stats.ts'
import type { Credit } from '../streams/credit.ts'
import type { ActorDelivery, CheckpointOwner, OwnedPartition } from '../streams/delivery/delivery.ts'
import { OffsetTracker, type TrackerStart } from '../streams/positions/offset-tracker.ts'
import type { TopicOrigin } from '../streams/positions/topic-origin.ts'
import { HeldRecords } from './held-records.ts'

export interface InputOptions {
  readonly topic: string
  /** The committed position, and the map that was committed with it. */
  readonly start: TrackerStart
  readonly stats: PartitionStats
  /** Of which topic its positions are; null or missing: not known. */
  readonly origin?: TopicOrigin | null
}

export interface InputProgressOptions extends InputOptions {
  readonly partition: number
  readonly epoch: number
  readonly owner: CheckpointOwner
  readonly credit: Credit
  readonly log: Log
  /** The epoch of its actor has ended. */
  readonly isFenced: () => boolean
  /** Its intake has to stop, or may go on. */
  readonly onLoadChanged: () => void
  readonly delivery: ActorDelivery
}

export class InputProgress implements OwnedPartition {
  readonly topic: string
  readonly partition: number
  readonly owner: CheckpointOwner
  readonly tracker: OffsetTracker
  readonly held: HeldRecords
  readonly stats: PartitionStats
  readonly origin: TopicOrigin | null
  /** Where its epoch began. */
  readonly start: TrackerStart
  isStoppedByUser = false
  readonly #options: InputProgressOptions
  #isMapNearLimit = false
  /** Where the log ended when it was last told. */
  #logEnd = 0

  constructor(options: InputProgressOptions) {
    this.#options = options
    const { epoch, partition, start, stats, topic } = options
    this.topic = topic
    this.owner = options.owner
    this.start = start
    this.partition = partition
    this.tracker = new OffsetTracker(start)
    this.held = new HeldRecords(options)
    this.stats = stats
    this.origin = options.origin ?? null
    stats.isAssigned = true
    stats.epoch = epoch
    stats.safePosition = start.position
    stats.committedPosition = start.position
  }

  get isFenced(): boolean {
    return this.#options.isFenced()
  }

  /** All of the log below this was read, as of the last time that its end was met; 0: it was not. */
  get endMet(): number {
    return this.#logEnd
  }

  /** Paused at the client, by us. An input is of one epoch, so a pause never outlives its assignment. */
  get isPaused(): boolean {
    return this.stats.isPaused
  }

  /** Its completion map is near the limit that the broker takes. */
  get isMapNearLimit(): boolean {
    return this.#isMapNearLimit
  }

  setIntakeBlocked(isBlocked: boolean): void {
    if (isBlocked === this.#isMapNearLimit) return
    this.#isMapNearLimit = isBlocked
    const { log, onLoadChanged } = this.#options
    log[isBlocked ? 'warn' : 'info'](
      { topic: this.topic, partition: this.partition },
      isBlocked
        ? 'intake of the partition stops: its completion map is near the limit that the broker takes'
        : 'intake of the partition goes on',
    )
    onLoadChanged()
  }

  setMapLeftOut(isLeftOut: boolean): void {
    this.stats.isMapLeftOut = isLeftOut
  }

  /** The log ends here for now. True: the position has moved there, since nothing is in flight. */
  noteEnd(position: number): boolean {
    this.#logEnd = position
    return this.tracker.isIdle && this.tracker.advanceTo(position)
  }

  /** False: it was finished before. */
  finish(sequence: number): boolean {
    if (!this.tracker.finish(sequence)) return false
    if (this.#logEnd > 0 && this.tracker.isIdle) this.tracker.advanceTo(this.#logEnd)
    return true
  }

  /** Some of it has finished: its position goes with one of the next commits. */
  noteProgress(): void {
    this.stats.safePosition = this.tracker.safePosition
    this.#options.delivery.noteProgress(this)
  }

  noteLoad(): void {
    this.stats.inFlight = this.held.count
    this.stats.bytesInFlight = this.held.bytes
  }

  /** The epoch has ended. */
  release(): void {
    this.held.clear()
    this.stats.release()
  }
}
