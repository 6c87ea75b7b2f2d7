/**
 * How far a partition actor has come in one of its input topics: what it holds of it, which of its records are finished,
 * where its position may stand, and why it takes in nothing. The first is of a topic that the group reads; further ones are
 * companions: the same partition number of other topics, read in no group, each with a position of its own.
 */
import type { Log } from '../log.ts'
import type { PartitionStats } from '../metrics/stats.ts'
import type { BrokerReader } from '../streams/broker-port.ts'
import type { Credit } from '../streams/credit.ts'
import type { ActorDelivery, CheckpointOwner, OwnedPartition } from '../streams/delivery/delivery.ts'
import { OffsetTracker, type TrackerStart } from '../streams/positions/offset-tracker.ts'
import type { TopicOrigin } from '../streams/positions/topic-origin.ts'
import { HeldRecords } from './held-records.ts'

/** Who reads a companion input. */
export type CompanionReading = Pick<BrokerReader, 'pause' | 'resume'>

export interface InputOptions {
  readonly topic: string
  /** The committed position, and the map that was committed with it. */
  readonly start: TrackerStart
  readonly stats: PartitionStats
  /** Of which topic its positions are; null or missing: not known. */
  readonly origin?: TopicOrigin | null
  /** Who reads it, where it is a companion; null or missing: the group's member. */
  readonly companion?: CompanionReading | null
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
  tracker: OffsetTracker
  readonly companion: CompanionReading | null
  readonly held: HeldRecords
  readonly stats: PartitionStats
  readonly origin: TopicOrigin | null
  /** Where its epoch began. */
  start: TrackerStart
  isStoppedByUser = false
  readonly #options: InputProgressOptions
  #isMapNearLimit = false
  /** Where the log ended when it was last told. */
  #logEnd = 0
  /** Read, and not admitted yet. */
  #queuedCount = 0
  #queuedBytes = 0

  constructor(options: InputProgressOptions) {
    this.#options = options
    const { epoch, partition, start, stats, topic } = options
    this.topic = topic
    this.owner = options.owner
    this.start = start
    this.partition = partition
    this.companion = options.companion ?? null
    this.tracker = new OffsetTracker(start)
    this.held = new HeldRecords(options)
    this.stats = stats
    this.origin = options.origin ?? null
    stats.isAssigned = true
    stats.epoch = epoch
    stats.safePosition = start.position
    stats.committedPosition = start.position
  }

  /** Where a companion begins is in the state, so it is known later than that of the group's. */
  beginAt(start: TrackerStart): void {
    this.start = start
    this.tracker = new OffsetTracker(start)
    this.stats.safePosition = start.position
    this.stats.committedPosition = start.position
  }

  /** A checkpoint stands that has this position of it. */
  noteCommitted(position: number): void {
    this.stats.committedPosition = position
  }

  /** Its position goes with the state, and not with the group's. */
  get isCompanion(): boolean {
    return this.companion !== null
  }

  /** What is here of it: held, or still to be admitted. */
  get takenRecords(): number {
    return this.held.count + this.#queuedCount
  }

  get takenBytes(): number {
    return this.held.bytes + this.#queuedBytes
  }

  /**
   * These wait for records of other inputs. Of the group's they count against the intake's credit. Of a companion they do not, or
   * what waits for it could take all that there is to read it with; there its pause is the limit.
   */
  queue(records: number, bytes: number): void {
    this.#queuedCount += records
    this.#queuedBytes += bytes
    if (!this.isCompanion) this.#options.credit.admit(records, bytes)
  }

  unqueue(records: number, bytes: number): void {
    this.#queuedCount -= records
    this.#queuedBytes -= bytes
    if (!this.isCompanion) this.#options.credit.retire(records, bytes)
  }

  clearQueue(): void {
    this.unqueue(this.#queuedCount, this.#queuedBytes)
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
    this.stats.inFlight = this.takenRecords
    this.stats.bytesInFlight = this.takenBytes
  }

  /** The epoch has ended. */
  release(): void {
    this.held.clear()
    this.stats.release()
  }
}
