/**
 * What becomes of the records of a partition actor: acts on what an attempt came to, and on how outputs and dead letters
 * ended. When the actor stops or ends, and what its lanes do meanwhile, is the actor's own affair.
 */
import { toWireError, type WireError } from '../errors.ts'
import { keptBytesOf } from '../state/state-value.ts'
import type { CheckpointOwner } from '../streams/delivery/delivery.ts'
import type { HaltedRecord } from './actor-load.ts'
import type { ActorProgress } from './actor-progress.ts'
import type { FailureNotes } from './failure-notes.ts'
import type { FiredTimers } from './fired-timers.ts'
import type { NeedsSchema, StateChanges, ToldVerdict } from './handlers/verdict.ts'
import type { Inputs } from './inputs.ts'
import { noOutputs, type Invocation } from './invocation.ts'
import { idOf } from '../streams/record-id.ts'
import type { Lane } from './lanes/lanes.ts'
import { Outbox, type Settlement } from './outbox.ts'
import type { ParkingLot } from './parking-lot.ts'
import type { PartitionActorOptions } from './partition-actor-options.ts'
import type { RefusedRecords } from './refused-records.ts'
import {
  failureAfter,
  ruleOnAttempt,
  ruleOnRefusedLetter,
  ruleOnRefusedOutput,
  type Halt,
  type Park,
  type Ruling,
} from './triage.ts'

export interface RecordEndsOptions extends Pick<
  PartitionActorOptions,
  'actor' | 'actorStats' | 'clock' | 'delivery' | 'onEscalate' | 'onLoadChanged' | 'onThrottled' | 'random' | 'state'
> {
  readonly owner: CheckpointOwner
  readonly inputs: Inputs
  readonly notes: FailureNotes
  readonly parking: ParkingLot
  readonly progress: ActorProgress
  /** null: its handler has no timers. */
  readonly timers: FiredTimers | null
  readonly isRunning: () => boolean
  /** Nobody may drop this record: the actor goes no further. */
  readonly onHalt: (record: HaltedRecord) => void
  /** What the actor holds has changed. */
  readonly onLoad: () => void
  /** Outputs or a dead letter have ended. */
  readonly onSettled: () => void
}

/** What a handled record has come to. */
type Outputs = Pick<Extract<ToldVerdict, { readonly type: 'done' }>, 'aside' | 'changes' | 'effects'>

export class RecordEnds {
  readonly #options: RecordEndsOptions
  // Asked for each record, so at hand.
  readonly #inputs: Inputs
  readonly #owner: CheckpointOwner
  readonly #progress: ActorProgress
  readonly #timers: FiredTimers | null
  readonly #outbox: Outbox

  constructor(options: RecordEndsOptions) {
    this.#options = options
    this.#inputs = options.inputs
    this.#owner = options.owner
    this.#progress = options.progress
    this.#timers = options.timers
    this.#outbox = new Outbox({
      ...options,
      onKept: (invocation, bytes) => {
        options.inputs.of(invocation.record).held.keep(invocation, bytes)
      },
      onSettled: (invocation, settlement) => {
        this.#noteSettled(invocation, settlement)
      },
    })
  }

  /** Records with something on its way. */
  get pending(): number {
    return this.#outbox.pending
  }

  get atCheckpoint(): number {
    return this.#outbox.atCheckpoint
  }

  /** What becomes of a record that has to be given up whatever its verdict; null: it has not. */
  giveUp(invocation: Invocation, refused: RefusedRecords | null): Ruling | null {
    const ruling = refused?.rule(invocation) ?? null
    if (ruling !== null) invocation.failure = failureAfter(invocation.failure, ruling, this.#options.clock)
    return ruling
  }

  /** Takes one verdict. null: the record is handled, its outputs stand in their queues; else this is what becomes of it. */
  conclude(invocation: Invocation, said: ToldVerdict): Ruling | NeedsSchema | null {
    const verdict = this.#timers?.verdictOn(invocation, said) ?? said
    const { stats } = this.#inputs.of(invocation.record)
    switch (verdict.type) {
      case 'done':
        stats.attempts += 1
        return this.#deliver(invocation, verdict)
      case 'skip':
        stats.attempts += 1
        if (verdict.changes !== undefined) return this.#deliver(invocation, { ...verdict, effects: noOutputs })
        this.skip(invocation)
        return null
      case 'needs-schema':
        return verdict
      default: {
        stats.attempts += 1
        const ruling = ruleOnAttempt(this.#options.actor, invocation, verdict, this.#options.random)
        this.#options.notes.noteAttempt(ruling.error)
        invocation.failure = failureAfter(invocation.failure, ruling, this.#options.clock)
        this.#noteThrottled(invocation, ruling)
        if ('aside' in verdict && ruling.type === 'dead-letter') this.#options.actorStats.aside.add(verdict.aside)
        return ruling
      }
    }
  }

  /** There is nothing to do for it, and it is of the next checkpoint: what it says is kept with that. */
  keep(invocation: Invocation): void {
    this.#outbox.deliver(invocation, noOutputs, 0)
    this.#noteHandled(invocation)
  }

  /** Does what was ruled on a record, all but moving its lane. `lane` is null where it has left its lane. */
  act(ruling: Ruling | NeedsSchema, invocation: Invocation, lane: Lane | null): void {
    switch (ruling.type) {
      case 'retry':
        this.#options.notes.noteRetry(invocation, ruling)
        invocation.attempt += 1
        if (ruling.isAlone) invocation.runsAlone = true
        invocation.stage = 'waiting'
        invocation.nextAttemptAtMs = this.#options.clock.now() + ruling.delayMs
        this.#inputs.of(invocation.record).stats.retries += 1
        break
      case 'needs-schema':
        invocation.stage = 'waits-for-schema'
        invocation.neededSchema = ruling.id
        break
      case 'dead-letter':
        this.#forget(invocation)
        this.#outbox.deadLetter(invocation, ruling)
        this.#noteHandled(invocation)
        break
      case 'park':
        this.#park(ruling, invocation, lane)
        break
      case 'halt':
        this.#haltOn(ruling, invocation, lane)
        break
      case 'skip':
        this.#options.notes.noteSkipped(invocation, ruling)
        this.skip(invocation)
        break
    }
  }

  /** It is given up: as a timer it is not set any more, and as a row its key has none. */
  #forget(invocation: Invocation): void {
    this.#timers?.forget(invocation)
    const { record, stateKey } = invocation
    if (stateKey !== null && this.#inputs.of(record).isCompanion) this.#options.state?.forgetRow(record.topic, stateKey)
  }

  #deliver(invocation: Invocation, { aside, changes, effects }: Outputs): Ruling | null {
    const unfit = this.#refusalOf(invocation, changes)
    if (unfit !== null) return this.#ruleOnRefused(invocation, toWireError(unfit))
    // What it has set is kept until its checkpoint, so it counts for as long as outputs do.
    const waits = effects.length > 0 || (changes !== undefined && this.#options.delivery.finishesWhen === 'handled')
    if (!waits) {
      this.#apply(invocation, changes)
      if (aside !== undefined) this.#options.actorStats.aside.add(aside)
      this.#finishDone(invocation)
      return null
    }
    const refusal = this.#outbox.deliver(invocation, effects, changes === undefined ? 0 : keptBytesOf(changes))
    if (refusal !== null) return this.#ruleOnRefused(invocation, toWireError(refusal))
    this.#apply(invocation, changes)
    if (aside !== undefined) this.#options.actorStats.aside.add(aside)
    this.#noteHandled(invocation)
    return null
  }

  /** Why its changes cannot be kept; null: they can. */
  #refusalOf({ stateKey }: Invocation, changes: StateChanges | undefined): Error | null {
    if (changes === undefined) return null
    return this.#options.state?.refusalOf(stateKey, changes) ?? null
  }

  /** The only way into the state: what comes late, or failed, never gets here. */
  #apply(invocation: Invocation, changes: StateChanges | undefined): void {
    this.#timers?.noteHandled(invocation)
    const { stateKey } = invocation
    if (changes === undefined) return
    this.#options.state?.apply(stateKey, changes)
    this.#timers?.noteChanges(stateKey, changes)
  }

  /** All outputs of a record, or its dead letter, have their answer. Its key has gone on. */
  #noteSettled(invocation: Invocation, settlement: Settlement): void {
    switch (settlement.type) {
      case 'durable':
        this.#finishDone(invocation)
        break
      case 'dead-lettered':
        this.#inputs.of(invocation.record).stats.deadLettered += 1
        this.#options.notes.noteDeadLettered(invocation, settlement.fault)
        this.#finish(invocation)
        break
      case 'refused':
        this.act(this.#ruleOnRefused(invocation, settlement.error), invocation, null)
        this.#options.onLoad()
        break
      case 'letter-refused':
        this.act(ruleOnRefusedLetter(this.#options.actor, settlement.error), invocation, null)
        this.#options.onLoad()
        break
    }
    this.#options.onSettled()
  }

  /** Of a checkpoint it is a part from now on, position and all. */
  #noteHandled(invocation: Invocation): void {
    if (invocation.stage === 'at-checkpoint') this.#inputs.of(invocation.record).finish(invocation.sequence)
  }

  #ruleOnRefused(invocation: Invocation, error: WireError): Ruling {
    const ruling = ruleOnRefusedOutput(this.#options.actor, error)
    invocation.failure = failureAfter(invocation.failure, ruling, this.#options.clock)
    return ruling
  }

  /** Whatever becomes of this record, what it has heard concerns all others. */
  #noteThrottled({ record }: Invocation, ruling: Ruling): void {
    if (ruling.error.kind !== 'throttled') return
    const forMs = ruling.type === 'retry' ? ruling.delayMs : (ruling.error.retryAfterMs ?? 0)
    this.#options.onThrottled(forMs, idOf(record))
  }

  /** While the actor ends the record just stays unfinished, for the next owner. */
  #park(ruling: Park, invocation: Invocation, lane: Lane | null): void {
    if (!this.#options.isRunning()) {
      // One that stands in no lane would be given up by nobody else.
      if (lane === null) this.#inputs.giveUp([invocation])
      return
    }
    this.#options.parking.park({ invocation, lane, fault: ruling, sinceMs: this.#options.clock.wallNow() })
    this.#options.notes.noteParked(invocation, ruling)
  }

  #haltOn(ruling: Halt, invocation: Invocation, lane: Lane | null): void {
    // One that stands in no lane would be given up by nobody else.
    if (lane === null) this.#inputs.giveUp([invocation])
    invocation.stage = 'halted'
    const { attempt, record } = invocation
    const { code, reason } = ruling
    const sinceMs = this.#options.clock.now()
    this.#options.onHalt({ code, id: idOf(record), offset: record.offset, attempt, reason, sinceMs })
    const error = this.#options.notes.noteHalt(invocation, ruling)
    this.#options.onLoadChanged()
    if (ruling.escalates) this.#options.onEscalate(error)
  }

  #finishDone(invocation: Invocation): void {
    this.#inputs.of(invocation.record).stats.done += 1
    this.#finish(invocation)
  }

  /** Nothing is to be done for it. */
  skip(invocation: Invocation): void {
    this.#forget(invocation)
    this.#inputs.of(invocation.record).stats.skipped += 1
    this.#finish(invocation)
  }

  #finish(invocation: Invocation): void {
    if (this.#owner.isFenced) return
    const input = this.#inputs.of(invocation.record)
    if (invocation.stage !== 'at-checkpoint' && !input.finish(invocation.sequence)) return
    this.#progress.noteFinished(invocation.admittedAtMs)
    input.held.remove(invocation)
    // Of a whole run it is told once, when it is settled.
    if (this.#progress.isWithinRun) return
    input.noteProgress()
    this.#options.onLoad()
  }
}
