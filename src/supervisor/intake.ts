/**
 * Which partitions take in records: pauses one that holds more than its share, that its actor has
 * stopped or that the user has paused, and resumes it when none of that holds any more.
 *
 * Everything is decided and done within one turn of the loop, from what is true then: no wake-up can
 * fall between a decision and its pause.
 */
import type { KeyBudget } from '../actors/lanes/key-brake.ts'
import type { InputProgress } from '../actors/input-progress.ts'
import type { PartitionActor } from '../actors/partition-actor.ts'
import type { Log } from '../log.ts'
import type { BrokerConsumer } from '../streams/broker-port.ts'
import type { Credit } from '../streams/credit.ts'
import { partitionName } from '../streams/record.ts'
import type { UserPauses } from './user-pauses.ts'

export interface IntakeOptions {
  readonly consumer: Pick<BrokerConsumer, 'pause' | 'resume'>
  readonly credit: Credit
  readonly userPauses: UserPauses
  readonly maxPartitionRecords: number
  readonly maxPartitionBytes: number
  readonly partitionCount: () => number
  readonly log: Log
}

/** A partition over its cap resumes when it is down to this share: a pause throws away what the client has prefetched. */
const RESUME_SHARE = 0.25
/** What waiting keys may hold: of a partition's cap, and all partitions together of what all may hold. */
const WAITING_SHARE = 0.5

export class Intake {
  /** Of one partition. All partitions that are full of waiting keys leave the others half of the credit. */
  readonly keyBudget: KeyBudget
  readonly #options: IntakeOptions

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

  /** The partition was assigned, or the user has paused or resumed something. */
  review(actor: PartitionActor): void {
    if (actor.isFenced) return
    for (const input of actor.inputs) {
      input.isStoppedByUser = this.#options.userPauses.covers(input)
      if (!input.isStoppedByUser) this.#balance(actor, input)
      else if (!input.isPaused) this.#pause(input)
    }
  }

  /**
   * What the actor holds, or whether it may take in more, has changed. Called once per finished
   * record, so it looks nothing up by name.
   */
  balance(actor: PartitionActor): void {
    for (const input of actor.inputs) this.#balance(actor, input)
  }

  #balance(actor: PartitionActor, input: InputProgress): void {
    const { maxPartitionBytes, maxPartitionRecords } = this.#options
    const { takenBytes: bytes, takenRecords: count } = input
    const isBlocked = actor.isIntakeBlocked(input)
    if (input.isPaused) {
      if (isBlocked || actor.isFenced || input.isStoppedByUser) return
      // Without those that wait: behind a parked record they may be there for days, and have a limit of their own.
      const isDown =
        count - actor.waitingRecords <= maxPartitionRecords * RESUME_SHARE &&
        bytes - actor.waitingBytes <= maxPartitionBytes * RESUME_SHARE
      if (isDown) this.#resume(input)
      return
    }
    if (count < maxPartitionRecords && bytes < maxPartitionBytes && !isBlocked) return
    if (!actor.isFenced) this.#pause(input)
  }

  #pause(input: InputProgress): void {
    const { consumer, log } = this.#options
    input.stats.pauses += 1
    input.stats.isPaused = true
    const { takenBytes: bytes, takenRecords: count } = input
    log.debug({ partition: partitionName(input), heldRecords: count, heldBytes: bytes }, 'partition paused')
    ;(input.companion ?? consumer).pause([input])
  }

  #resume(input: InputProgress): void {
    const { consumer, log } = this.#options
    input.stats.isPaused = false
    log.debug({ partition: partitionName(input) }, 'partition resumed')
    ;(input.companion ?? consumer).resume([input])
  }
}
