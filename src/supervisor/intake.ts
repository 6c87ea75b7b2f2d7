/**
 * Which partitions take in records: pauses one that holds more than its share, that its actor has
 * stopped or that the user has paused, and resumes it when none of that holds any more.
 *
 * Everything is decided and done within one turn of the loop, from what is true then: no wake-up can
 * fall between a decision and its pause.
 */
import type { KeyBudget } from '../actors/key-brake.ts'
import type { PartitionActor } from '../actors/partition-actor.ts'
import type { Log } from '../log.ts'
import type { BrokerConsumer } from '../streams/broker-port.ts'
import type { Credit } from '../streams/credit.ts'
import { partitionName } from '../streams/record.ts'
import type { EngineStats } from '../metrics/stats.ts'
import type { UserPauses } from './user-pauses.ts'

export interface IntakeOptions {
  readonly consumer: Pick<BrokerConsumer, 'pause' | 'resume'>
  readonly credit: Credit
  readonly userPauses: UserPauses
  readonly maxPartitionRecords: number
  readonly maxPartitionBytes: number
  readonly partitionCount: () => number
  readonly log: Log
  readonly stats: EngineStats
}

/** A partition over its cap resumes when it is down to this share: a pause throws away what the client has prefetched. */
const RESUME_SHARE = 0.25
/** What waiting keys may hold: of a partition's cap, and all partitions together of what all may hold. */
const WAITING_SHARE = 0.5

export class Intake {
  /** Of one partition. All partitions that are full of waiting keys leave the others half of the credit. */
  readonly keyBudget: KeyBudget
  readonly #options: IntakeOptions
  /** Paused by us. An actor is of one epoch, so a pause never outlives its assignment. */
  readonly #paused = new Set<PartitionActor>()
  readonly #stoppedByUser = new Set<PartitionActor>()

  constructor(options: IntakeOptions) {
    this.#options = options
    const { credit, maxPartitionBytes, maxPartitionRecords, partitionCount } = options
    const share = (cap: number, all: number): number =>
      Math.max(1, WAITING_SHARE * Math.min(cap, all / Math.max(1, partitionCount())))
    this.keyBudget = {
      get maxRecords() {
        return share(maxPartitionRecords, credit.maxRecords)
      },
      get maxBytes() {
        return share(maxPartitionBytes, credit.maxBytes)
      },
    }
  }

  isStoppedByUser(actor: PartitionActor): boolean {
    return this.#stoppedByUser.has(actor)
  }

  /** The partition was assigned, or the user has paused or resumed something. */
  review(actor: PartitionActor): void {
    if (actor.isFenced) return
    if (this.#options.userPauses.covers(actor)) {
      this.#stoppedByUser.add(actor)
      if (!this.#paused.has(actor)) this.#pause(actor)
    } else {
      this.#stoppedByUser.delete(actor)
      this.balance(actor)
    }
  }

  /**
   * What the actor holds, or whether it may take in more, has changed. Called once per finished
   * record, so it looks nothing up by name.
   */
  balance(actor: PartitionActor): void {
    const { maxPartitionBytes, maxPartitionRecords } = this.#options
    const { heldBytes, heldRecords, isIntakeBlocked } = actor
    if (this.#paused.has(actor)) {
      if (isIntakeBlocked || actor.isFenced) return
      // Without those that wait: behind a parked record they may be there for days, and have a limit of their own.
      const isDown =
        actor.movingRecords <= maxPartitionRecords * RESUME_SHARE &&
        actor.movingBytes <= maxPartitionBytes * RESUME_SHARE
      if (isDown && !this.#stoppedByUser.has(actor)) this.#resume(actor)
      return
    }
    if (heldRecords < maxPartitionRecords && heldBytes < maxPartitionBytes && !isIntakeBlocked) return
    if (!actor.isFenced) this.#pause(actor)
  }

  /** The actor's epoch has ended. */
  forget(actor: PartitionActor): void {
    this.#paused.delete(actor)
    this.#stoppedByUser.delete(actor)
  }

  #pause(actor: PartitionActor): void {
    const { consumer, log, stats } = this.#options
    this.#paused.add(actor)
    const numbers = stats.partition(actor.actor.name, actor.topic, actor.partition)
    numbers.pauses += 1
    numbers.isPaused = true
    const { heldRecords, heldBytes } = actor
    log.debug({ partition: partitionName(actor), heldRecords, heldBytes }, 'partition paused')
    consumer.pause([actor])
  }

  #resume(actor: PartitionActor): void {
    const { consumer, log, stats } = this.#options
    this.#paused.delete(actor)
    stats.partition(actor.actor.name, actor.topic, actor.partition).isPaused = false
    log.debug({ partition: partitionName(actor) }, 'partition resumed')
    consumer.resume([actor])
  }
}
