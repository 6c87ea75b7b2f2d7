/**
 * Owns the records of one partition, for one actor, in one epoch: keeps their order in lanes,
 * decides what a verdict means (outputs, another attempt, what becomes of a record that failed for
 * good), and knows when a record is finished. A partition that is revoked and comes back gets a new actor, so a late reply
 * to the old one finds a fenced actor and changes nothing.
 *
 * - RUNNING   takes records and hands out runs. → HALTED, DRAINING, FENCED.
 * - HALTED    stopped on a record that nobody may drop (no dead-letter topic, or a policy says so):
 *             has dropped what was not started, takes and hands out nothing; what is in flight ends.
 *             Its partition stays ours and its position stays. → DRAINING, FENCED.
 * - DRAINING  has dropped what was not started; waits for what is in flight. → FENCED.
 * - FENCED    the epoch has ended: holds no record and no timer; every late reply is ignored.
 *
 * A record that was dropped unstarted stays started in the tracker: the position stops below it, and
 * the next owner reads it.
 *
 * Invariant: what the tracker calls finished was skipped, or all its outputs are durable, or it
 * stands in the dead-letter topic.
 */
import type { Clock } from '../clock.ts'
import { TroupeError, describeError, type ErrorCode, type WireError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { ResolvedActor } from '../options/options.ts'
import type { CompletionMap } from '../streams/positions/completion-map.ts'
import type { Credit } from '../streams/credit.ts'
import type { CommittedPartition, Delivery } from '../streams/delivery/delivery.ts'
import type { EncodedEffect } from '../streams/flows/flow.ts'
import type { OffsetTracker } from '../streams/positions/offset-tracker.ts'
import { sizeInBytes, type SourceRecord } from '../streams/record.ts'
import type { ActorStats, PartitionStats } from '../metrics/stats.ts'
import { HeldRecords } from './held-records.ts'
import { idOf, newInvocation, type Invocation } from './invocation.ts'
import { KeyBrake, type KeyBudget, type WaitingKeys } from './key-brake.ts'
import { keyText } from './key-text.ts'
import { Lanes, type Lane, type LaneRun } from './lanes.ts'
import { Outbox } from './outbox.ts'
import { ParkingLot, type Decision, type ParkedRecord } from './parking-lot.ts'
import { PartitionProgress } from './partition-progress.ts'
import { RetryTimers } from './retry.ts'
import { Triage, UNTIL_DECIDED } from './triage.ts'
import type { Verdict } from './handlers/verdict.ts'

export interface PartitionActorOptions {
  readonly actor: ResolvedActor
  readonly topic: string
  readonly partition: number
  readonly epoch: number
  /** The committed position, and the map that was committed with it. */
  readonly start: { readonly position: number | null; readonly map: CompletionMap | null }
  /** Goes with each of its positions: of which topic they are. */
  readonly originText?: string
  readonly delivery: Delivery
  readonly credit: Credit
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
  readonly stats: PartitionStats
  readonly actorStats: ActorStats
  /** What keys that wait may hold. */
  readonly keyBudget: KeyBudget
  /** Some of this actor's records may be handed out: the dispatcher should look. */
  readonly onReady: () => void
  /** What it holds changed, or it halted: the source may have to pause or resume the partition. */
  readonly onLoadChanged: () => void
  /** A policy says that the supervisor has to end. */
  readonly onEscalate: (error: TroupeError) => void
}

/** Why a partition goes no further by itself. */
export interface Halt {
  readonly id: string
  readonly offset: number
  readonly attempt: number
  readonly reason: string
  readonly sinceMs: number
}

/** Records, by where they stand. What is missing from `held` stands behind others of its lane. */
export interface ActorLoad {
  readonly held: number
  readonly ready: number
  readonly atHandler: number
  readonly atSinks: number
  /** Parked, between two attempts, or behind such a one. */
  readonly waiting: number
  readonly parked: number
}

export interface LargestLane {
  /** null: the record at its head has none. */
  readonly key: string | null
  readonly records: number
}

const askedForRetry: WireError = {
  name: 'Error',
  message: 'the handler asked for a retry',
  kind: 'retryable',
  code: 'RETRY_ASKED',
}

type State = 'running' | 'halted' | 'draining' | 'fenced'

/** Why the intake of a partition is stopped. */
export type IntakeStop = 'halted' | 'completion-map' | 'waiting-keys'

export class PartitionActor implements CommittedPartition {
  readonly topic: string
  readonly partition: number
  readonly epoch: number
  readonly originText: string
  readonly actor: ResolvedActor
  readonly #options: PartitionActorOptions
  readonly #progress: PartitionProgress
  readonly #lanes: Lanes
  readonly #held: HeldRecords
  readonly #parking = new ParkingLot()
  readonly #brake: KeyBrake
  readonly #outbox: Outbox
  readonly #triage: Triage
  readonly #retries: RetryTimers
  #state: State = 'running'
  #halt: Halt | null = null
  #isMapNearLimit = false
  /** Records at a handler. */
  #atHandler = 0
  #onDrained: (() => void) | null = null

  constructor(options: PartitionActorOptions) {
    this.#options = options
    this.actor = options.actor
    this.topic = options.topic
    this.partition = options.partition
    this.epoch = options.epoch
    this.originText = options.originText ?? ''
    this.#progress = new PartitionProgress(options)
    this.#lanes = new Lanes(options.actor.order, options.actor.runOn)
    this.#held = new HeldRecords(options.credit)
    this.#brake = new KeyBrake({ ...options, lanes: this.#lanes, parking: this.#parking })
    this.#outbox = this.#outboxOf(options)
    this.#triage = this.#triageOf(options)
    this.#retries = new RetryTimers(options.clock)
    options.stats.isAssigned = true
    options.stats.epoch = options.epoch
    options.stats.safePosition = options.start.position
    options.stats.committedPosition = options.start.position
  }

  get tracker(): OffsetTracker {
    return this.#progress.tracker
  }

  get isFenced(): boolean {
    return this.#state === 'fenced'
  }

  get halt(): Halt | null {
    return this.#halt
  }

  /** Records admitted and not finished. */
  get heldRecords(): number {
    return this.#held.count
  }

  get heldBytes(): number {
    return this.#held.bytes
  }

  /** The record that the safe position waits for. null: none is held; those that were dropped unstarted are not. */
  get oldestHeld(): Invocation | null {
    return this.#held.oldest
  }

  /** Why this partition must not take in anything new, whatever room there is. Empty: it may. */
  get intakeStops(): readonly IntakeStop[] {
    const stops: IntakeStop[] = []
    if (this.#state === 'halted') stops.push('halted')
    if (this.#isMapNearLimit) stops.push('completion-map')
    if (this.#brake.isOn) stops.push('waiting-keys')
    return stops
  }

  get isIntakeBlocked(): boolean {
    return this.#isMapNearLimit || this.#brake.isOn || this.#state === 'halted'
  }

  /** What waits behind records that failed, the parked ones included. */
  get waitingKeys(): WaitingKeys {
    return this.#brake.describe()
  }

  /** Records that can get on: held, and not behind a failed one that waits. */
  get movingRecords(): number {
    return this.#held.count - this.#brake.waitingRecords
  }

  get movingBytes(): number {
    return this.#held.bytes - this.#brake.waitingBytes
  }

  /** Where the records that it holds stand. */
  get load(): ActorLoad {
    return {
      held: this.#held.count,
      ready: this.readyRecordCount,
      atHandler: this.#atHandler,
      atSinks: this.#outbox.pending,
      waiting: this.#brake.waitingRecords,
      parked: this.#parking.size,
    }
  }

  /** The lane with most records, and their key as text. null: there are no lanes that records share. Looks at all of them. */
  get largestLane(): LargestLane | null {
    const lane = this.#lanes.largest
    return lane === null ? null : { key: keyText(lane.head?.record.key ?? null), records: lane.size }
  }

  /** Records that may be handed out now. */
  get readyRecordCount(): number {
    return this.#state === 'running' ? this.#lanes.readyRecordCount : 0
  }

  /** Lanes in which they stand: so many may be at work at once. */
  get readyLaneCount(): number {
    if (this.actor.order === 'unordered') return this.readyRecordCount
    return this.#state === 'running' ? this.#lanes.readyLaneCount : 0
  }

  get firstRunsAlone(): boolean {
    return this.#lanes.firstRunsAlone
  }

  /** Clock time when an attempt last ended or a record was finished, or the actor was idle. */
  get progressAtMs(): number {
    return this.#progress.atMs
  }

  setIntakeBlocked(isBlocked: boolean): void {
    if (isBlocked === this.#isMapNearLimit) return
    this.#isMapNearLimit = isBlocked
    this.#options.log[isBlocked ? 'warn' : 'info'](
      { topic: this.topic, partition: this.partition },
      isBlocked
        ? 'intake of the partition stops: its completion map is near the limit that the broker takes'
        : 'intake of the partition goes on',
    )
    this.#options.onLoadChanged()
  }

  setMapLeftOut(isLeftOut: boolean): void {
    this.#options.stats.isMapLeftOut = isLeftOut
  }

  /** What waits, or its budget, has changed. */
  reviewWaitingKeys(): void {
    if (this.#state === 'running' && this.#brake.review()) this.#options.onLoadChanged()
  }

  /** Takes records in offset order. Those that the completion map shows as finished are skipped. */
  admit(records: readonly SourceRecord[]): void {
    // A partition that goes no further still gets what the client had already fetched. The next owner
    // reads it again, so it is dropped here.
    if (this.#state !== 'running') return
    const { clock, stats } = this.#options
    const now = clock.now()
    if (this.#held.count === 0) this.#progress.atMs = now
    let hasSkipped = false
    for (const record of records) {
      const size = sizeInBytes(record)
      stats.receivedBytes += size
      if (this.tracker.isFinishedBefore(record.offset)) {
        this.tracker.skip(record.offset)
        stats.alreadyFinished += 1
        hasSkipped = true
        continue
      }
      const invocation = newInvocation(record, this.tracker.start(record.offset), size, now)
      this.#held.add(invocation)
      this.#lanes.admit(invocation)
    }
    stats.received += records.length
    this.#noteLoad()
    if (hasSkipped) this.#noteProgress()
  }

  /**
   * The log ends here for now. With nothing in flight the position moves past trailing transaction
   * markers; told once only, it is kept until then. An actor that ends drops records without a trace
   * in its tracker, so what lies below the end was not all taken: its position must not move there.
   */
  noteEnd(position: number): void {
    if (this.#state !== 'running') return
    if (this.#progress.noteEnd(position)) this.#noteProgress()
  }

  /** Hands out the next run of a lane, of at most `maxRecords`, and no more once it has `maxBytes`. null: nothing may be handed out. */
  takeRun(maxRecords: number, maxBytes?: number): LaneRun | null {
    if (this.#state !== 'running') return null
    const run = this.#lanes.take(maxRecords, maxBytes)
    if (run === null) return null
    this.#atHandler += run.invocations.length
    for (const invocation of run.invocations) invocation.stage = 'at-handler'
    return run
  }

  /**
   * The handler has not finished at once with a record of a run of loose ones: makes a run of it alone, so that the others need
   * not wait for it. Both are settled for themselves, the old one without it.
   */
  setApart({ lane }: LaneRun, invocation: Invocation): LaneRun {
    return { lane: this.#lanes.part(lane, invocation), invocations: [invocation] }
  }

  /** Takes the verdicts of a run, in the order of its records, at clock time `nowMs`. */
  settle(run: LaneRun, verdicts: readonly Verdict[], nowMs = this.#options.clock.now()): void {
    if (this.isFenced) return
    this.#atHandler -= run.invocations.length
    this.#progress.beginRun(nowMs)
    const finishedBefore = this.#progress.finishedCount
    const waitingBefore = this.#brake.waitingRecords
    let waitMs: number | null = null
    let handled = 0
    for (const invocation of run.invocations) {
      const verdict = verdicts[handled]
      if (verdict === undefined || verdict.type === 'unrun') break
      this.#options.stats.attempts += 1
      if (run.lane.isLoose && verdict.type !== 'done' && verdict.type !== 'skip') {
        this.#settleApart(invocation, this.#lanes.part(run.lane, invocation), verdict)
      } else {
        waitMs = this.#judge(invocation, run.lane, verdict)
        if (waitMs !== null || isHaltedOn(invocation)) break
        this.#lanes.advance(run.lane)
      }
      handled += 1
    }
    this.#progress.endRun()
    if (verdicts.length > 0) this.#progress.atMs = nowMs
    for (let at = handled; at < run.invocations.length; at += 1) {
      const invocation = run.invocations[at]!
      if (invocation.stage === 'at-handler') invocation.stage = 'queued'
    }
    // Outputs of the handled ones stand in their queues by now: only then may the lane go on.
    this.#endRun(run.lane, waitMs)
    if (this.#progress.finishedCount > finishedBefore) this.#noteProgress()
    // What waits cannot get on: that there is room for others again is told even when nothing was finished.
    if (this.#progress.finishedCount > finishedBefore || this.#brake.waitingRecords !== waitingBefore) this.#noteLoad()
    else this.reviewWaitingKeys()
    this.#noteDrained()
  }

  /** A loose record that failed: what becomes of it concerns no other of its run. */
  #settleApart(invocation: Invocation, own: Lane, verdict: Exclude<Verdict, { type: 'unrun' }>): void {
    const waitMs = this.#judge(invocation, own, verdict)
    if (waitMs === null && !isHaltedOn(invocation)) this.#lanes.advance(own)
    this.#endRun(own, waitMs)
  }

  /** Drops what was not started and resolves when what is in flight is finished. Never rejects. */
  drain(): Promise<void> {
    if (this.isFenced) return Promise.resolve()
    this.#state = 'draining'
    this.#dropQueued()
    return new Promise((resolve) => {
      const before = this.#onDrained
      this.#onDrained = () => {
        before?.()
        resolve()
      }
      this.#noteDrained()
    })
  }

  /** Records are at a handler, or may be handed to one. */
  get hasWorkAtHandler(): boolean {
    return this.#atHandler > 0 || this.readyRecordCount > 0
  }

  get hasWorkAtSinks(): boolean {
    return this.#outbox.pending > 0
  }

  /** True while something is at a handler or at a sink. */
  get hasWorkInFlight(): boolean {
    return this.#atHandler > 0 || this.#outbox.pending > 0
  }

  /** Ends the epoch. Whatever comes late changes nothing any more. */
  fence(): void {
    if (this.isFenced) return
    this.#state = 'fenced'
    this.#retries.cancelAll()
    this.#parking.clear()
    this.#held.clear()
    this.#options.stats.release()
    this.#onDrained?.()
  }

  /** The records that wait for an operator. */
  parked(): ParkedRecord[] {
    return this.#parking.list(this.actor.name)
  }

  /** Ends the wait of a parked record. False: it is not parked here. Throws NO_DEAD_LETTER_TOPIC where there is none to send it to. */
  decide(id: string, decision: Decision): boolean {
    const place = this.#state === 'running' ? this.#parking.find(id) : null
    if (place === null) return false
    const { invocation, lane } = place
    if (decision === 'dead-letter' && this.actor.deadLetter === null) {
      throw new TroupeError('NO_DEAD_LETTER_TOPIC', `actor ${this.actor.name} has no dead-letter topic for ${id}`)
    }
    this.#parking.leave(place)
    this.#options.log.info({ id, decision }, 'an operator has decided on a parked record')
    if (decision === 'retry') {
      invocation.attempt += 1
      invocation.stage = 'queued'
      this.#options.stats.retries += 1
      if (lane === null) this.#lanes.admitAlone(invocation)
      else this.#lanes.wake(lane)
    } else {
      if (decision === 'skip') this.#skip(invocation)
      else this.#triage.deadLetter(invocation, place.error)
      // Only now: an output of the next record must not overtake it.
      if (lane !== null) this.#lanes.passOver(lane)
    }
    this.#noteLoad()
    this.#options.onReady()
    return true
  }

  /** Acts on one verdict. Returns how long its lane waits for another attempt; null: the record is handled. */
  #judge(invocation: Invocation, lane: Lane, verdict: Exclude<Verdict, { type: 'unrun' }>): number | null {
    switch (verdict.type) {
      case 'done':
        this.#deliver(invocation, verdict.effects)
        return null
      case 'skip':
        this.#skip(invocation)
        return null
      case 'dead-letter':
        this.#triage.deadLetter(invocation, verdict.error)
        return null
      case 'park':
      case 'stop':
      case 'escalate':
        return this.#triage.giveUp(invocation, lane, verdict.type, verdict.error)
      case 'skip-failed':
        return this.#triage.giveUp(invocation, lane, 'skip', verdict.error)
      case 'failed':
        return this.#triage.retry(invocation, lane, verdict.error, undefined)
      case 'retry':
        return this.#triage.retry(invocation, lane, verdict.error ?? askedForRetry, verdict.afterMs)
    }
  }

  #endRun(lane: Lane, waitMs: number | null): void {
    if (this.#state !== 'running') {
      this.#release(this.#lanes.discard(lane))
      return
    }
    if (waitMs === null) {
      this.#lanes.giveBack(lane)
    } else {
      this.#lanes.suspend(lane)
      if (waitMs !== UNTIL_DECIDED) this.#retries.after(waitMs, () => this.#wake(lane))
    }
    if (this.#lanes.readyRecordCount > 0) this.#options.onReady()
  }

  #wake(lane: Lane): void {
    if (lane.head !== null) lane.head.stage = 'queued'
    this.#lanes.wake(lane)
    this.#options.onReady()
  }

  #deliver(invocation: Invocation, effects: readonly EncodedEffect[]): void {
    if (effects.length === 0) this.#finishDone(invocation)
    else this.#outbox.deliver(invocation, effects)
  }

  #finishDone(invocation: Invocation): void {
    this.#options.stats.done += 1
    this.#finish(invocation)
  }

  #outboxOf({ clock, delivery }: PartitionActorOptions): Outbox {
    return new Outbox({
      actor: this.actor,
      clock,
      delivery,
      owner: this,
      onDurable: (invocation) => {
        this.#finishDone(invocation)
        this.#noteDrained()
      },
      onRefused: (invocation, error) => {
        this.#triage.noteRefusedOutput(invocation, error)
        this.#noteLoad()
        this.#noteDrained()
      },
      onDeadLettered: (invocation, error) => {
        this.#triage.noteDeadLettered(invocation, error)
        this.#finish(invocation)
        this.#noteDrained()
      },
      onLetterRefused: (invocation, error) => {
        this.#triage.noteRefusedLetter(invocation, error)
        this.#noteLoad()
        this.#noteDrained()
      },
    })
  }

  #triageOf(options: PartitionActorOptions): Triage {
    return new Triage({
      ...options,
      parking: this.#parking,
      outbox: this.#outbox,
      isRunning: () => this.#state === 'running',
      onSkip: (invocation) => {
        this.#skip(invocation)
      },
      onHalt: (invocation, reason, code) => this.#haltOn(invocation, reason, code),
    })
  }

  #haltOn(invocation: Invocation, reason: string, code: ErrorCode): TroupeError {
    const id = idOf(invocation.record)
    // One that a sink or the dead-letter topic refused stands in no lane that would give it up.
    if (invocation.stage === 'at-sinks' || invocation.stage === 'at-dead-letters') this.#held.remove(invocation)
    invocation.stage = 'halted'
    const { attempt, record } = invocation
    this.#halt ??= { id, offset: record.offset, attempt, reason, sinceMs: this.#options.clock.now() }
    if (this.#state === 'running') {
      this.#state = 'halted'
      // Held for ever, it would take the credit that other partitions live on.
      this.#dropQueued()
    }
    const halt = new TroupeError(code, `the actor stopped on record ${id}: ${reason}`)
    this.#options.log.error({ id, code: halt.code, action: halt.action }, describeError(halt))
    this.#options.onLoadChanged()
    return halt
  }

  #skip(invocation: Invocation): void {
    this.#options.stats.skipped += 1
    this.#finish(invocation)
  }

  #finish(invocation: Invocation): void {
    if (this.isFenced || !this.#progress.finish(invocation)) return
    this.#held.remove(invocation)
    // Of a whole run it is told once, when it is settled.
    if (this.#progress.isWithinRun) return
    this.#noteProgress()
    this.#noteLoad()
  }

  #noteProgress(): void {
    const { delivery, stats } = this.#options
    stats.safePosition = this.tracker.safePosition
    delivery.noteProgress(this)
  }

  /** Drops what was not started, the records that wait or are parked included. */
  #dropQueued(): void {
    this.#retries.cancelAll()
    this.#release([...this.#parking.clear(), ...this.#lanes.discardQueued()])
  }

  #release(discarded: readonly Invocation[]): void {
    if (discarded.length === 0) return
    this.#held.removeAll(discarded)
    this.#noteLoad()
  }

  #noteLoad(): void {
    const { stats } = this.#options
    stats.inFlight = this.#held.count
    stats.bytesInFlight = this.#held.bytes
    this.#brake.review()
    this.#options.onLoadChanged()
  }

  #noteDrained(): void {
    if (this.#state === 'draining' && !this.hasWorkInFlight) this.#onDrained?.()
  }
}

function isHaltedOn({ stage }: Invocation): boolean {
  return stage === 'halted'
}
