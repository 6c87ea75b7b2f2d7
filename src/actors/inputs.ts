/** The input topics of one partition actor, each with its own progress: the one that the group reads, and companions. */
import { TroupeError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { FollowedInput } from '../state/input-times.ts'
import type { Credit } from '../streams/credit.ts'
import type { ActorDelivery, CheckpointOwner } from '../streams/delivery/delivery.ts'
import { InputProgress, type InputOptions } from './input-progress.ts'
import type { Invocation } from './invocation.ts'

export interface InputsOptions {
  readonly partition: number
  readonly epoch: number
  readonly owner: CheckpointOwner
  /** One at least. */
  readonly inputs: readonly InputOptions[]
  readonly credit: Credit
  readonly delivery: ActorDelivery
  readonly log: Log
  readonly isFenced: () => boolean
  readonly onLoadChanged: () => void
}

export class Inputs {
  readonly all: readonly InputProgress[]
  readonly first: InputProgress

  constructor(options: InputsOptions) {
    const [first, ...others] = options.inputs.map((input) => new InputProgress({ ...options, ...input }))
    if (first === undefined) throw new TroupeError('INTERNAL', 'an actor without an input')
    this.first = first
    this.all = [first, ...others]
  }

  /** As their positions go with the state. */
  get companions(): readonly FollowedInput[] {
    return this.all.slice(1).map((input) => ({
      topic: input.topic,
      topicId: input.origin?.id ?? 0,
      snapshot: () => input.tracker.snapshot(),
      position: () => input.tracker,
    }))
  }

  get heldRecords(): number {
    let records = 0
    for (const { held } of this.all) records += held.count
    return records
  }

  /** The input that this is of: asked for each record, so the common case of one looks nothing up. */
  of({ topic }: { readonly topic: string }): InputProgress {
    if (this.all.length === 1) return this.first
    const input = this.all.find((each) => each.topic === topic)
    if (input === undefined)
      throw new TroupeError('INTERNAL', `an actor was given a record of ${topic}, which it does not read`)
    return input
  }

  /** These are left to the next owner. */
  giveUp(invocations: readonly Invocation[]): void {
    for (const invocation of invocations) this.of(invocation.record).held.drop(invocation)
  }

  noteLoad(): void {
    for (const input of this.all) input.noteLoad()
  }

  noteProgress(): void {
    for (const input of this.all) input.noteProgress()
  }

  release(): void {
    for (const input of this.all) input.release()
  }
}
