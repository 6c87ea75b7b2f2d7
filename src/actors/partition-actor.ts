/**
 * Owns the records of one partition number, for one actor, in one epoch, of one input topic or several: keeps their
 * order in lanes, acts on what became of an attempt (`triage.ts` rules on those that failed), and knows when a record is
 * finished. A partition that is revoked and comes back gets a new actor, so a late reply to the old one finds a fenced
 * actor and changes nothing.
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
import type { ResolvedActor } from '../options/options.ts'
import type { PartitionState } from '../state/partition-state.ts'
import type { CheckpointOwner, Refusals } from '../streams/delivery/delivery.ts'
import type { SourceRecord } from '../streams/record.ts'
import type { ActorLoad, HaltedRecord, IntakeStop, LargestLane } from './actor-load.ts'
import { openTiming, type ActorTiming } from './actor-timing.ts'
import { ActorProgress } from './actor-progress.ts'
import { openFront, type FrontLine } from './front/front-line.ts'
import { FailureNotes } from './failure-notes.ts'
import type { FiredTimers } from './fired-timers.ts'
import { changesOf, endsRun, skipVerdict, type NeedsSchema, type Verdict } from './handlers/verdict.ts'
import type { InputProgress } from './input-progress.ts'
import { Admission } from './intake/admission.ts'
import { Arrivals, type LogEnd } from './intake/arrivals.ts'
import { IntakeGate } from './intake/intake-gate.ts'
import { Inputs } from './inputs.ts'
import type { Invocation } from './invocation.ts'
import { KeyBrake, type WaitingKeys } from './lanes/key-brake.ts'
import { Lanes, type Lane, type LaneRun } from './lanes/lanes.ts'
import { OperatorDecisions } from './operator-decisions.ts'
import { RecordEnds } from './record-ends.ts'
import { ParkingLot, type Decision, type ParkedRecord } from './parking-lot.ts'
import type { PartitionActorOptions } from './partition-actor-options.ts'
import { RefusedRecords } from './refused-records.ts'
import { deadLetterOrHalt, keepsLane, type Ruling, type Standing } from './triage.ts'
import { VoidRuns } from './void-runs.ts'
import { LaneWaits } from './waits/lane-waits.ts'
import { findRetrying, type Retrying } from './waits/retrying.ts'

type State = 'running' | 'halted' | 'draining' | 'fenced'

export class PartitionActor implements CheckpointOwner {
  readonly partition: number
  readonly epoch: number
  readonly actor: ResolvedActor
  readonly state: PartitionState | null
  readonly #options: PartitionActorOptions
  readonly #inputs: Inputs
  readonly #arrivals: Arrivals
  readonly #progress: ActorProgress
  readonly #lanes: Lanes
  readonly #parking = new ParkingLot()
  readonly #decisions: OperatorDecisions
  readonly #brake: KeyBrake
  readonly #ends: RecordEnds
  readonly #waits: LaneWaits
  /** null: it has none, as nearly always. */
  readonly #refused: RefusedRecords | null
  /** null: its handler has none. */
  readonly #timers: FiredTimers | null
  /** null: it is not the front of another. */
  readonly #front: FrontLine | null
  readonly #timing: ActorTiming
  readonly #admission: Admission
  readonly #voidRuns: VoidRuns
  readonly #gate: IntakeGate
  #state: State = 'running'
  #halt: HaltedRecord | null = null
  /** Records at a handler. */
  #atHandler = 0
  #onDrained: (() => void) | null = null
  #isSettlingCall = false
  constructor(options: PartitionActorOptions) {
    this.#options = options
    this.actor = options.actor
    this.partition = options.partition
    this.epoch = options.epoch
    this.state = options.state ?? null
    this.#refused = options.refused === undefined ? null : new RefusedRecords(options.actor, options.refused)
    this.#inputs = new Inputs({ ...options, owner: this, isFenced: () => this.isFenced })
    this.#arrivals = new Arrivals({
      ...options,
      inputs: this.#inputs.all,
      admit: (records) => {
        this.admit(records)
      },
      onEnd: (end) => {
        this.#noteEnd(end)
      },
    })
    this.#progress = new ActorProgress(options.clock, options.actorStats)
    this.#lanes = new Lanes(options.actor.order, options.mixesKeys)
    this.#timing = openTiming(options, {
      ...{ inputs: this.#inputs, lanes: this.#lanes, refused: this.#refused, state: this.state },
      isHeldBack: () => this.#brake.isOn || options.credit.availableRecords <= 0,
      isRunning: () => this.#handsOut,
      onFired: () => {
        this.#noteFired()
      },
    })
    this.#timers = this.#timing.timers
    this.#lanes.ahead = this.#timing.stamping ?? this.#timers
    this.#followState()
    // What waits is counted for the actor as a whole: with the first of its inputs.
    this.#brake = new KeyBrake({ ...options, lanes: this.#lanes, parking: this.#parking, input: this.#inputs.first })
    const onLoad = () => {
      this.#noteLoad()
    }
    const own = {
      ...options,
      brake: this.#brake,
      inputs: this.#inputs,
      lanes: this.#lanes,
      parking: this.#parking,
      progress: this.#progress,
      refused: this.#refused,
      state: this.state,
      timers: this.#timers,
      timing: this.#timing,
      onLoad,
    }
    this.#decisions = new OperatorDecisions({
      ...own,
      skip: (invocation) => {
        this.#ends.skip(invocation)
      },
      deadLetter: ({ fault, invocation, lane }) => {
        this.#ends.act(deadLetterOrHalt(this.actor, fault), invocation, lane)
      },
      onCarriedOut: () => {
        this.#timers?.noteAllEnded()
        this.#timers?.review()
        this.#noteLoad()
        options.onReady()
      },
    })
    this.#ends = new RecordEnds({
      ...own,
      owner: this,
      notes: new FailureNotes(options),
      isRunning: () => this.#state === 'running',
      onHalt: (record) => {
        this.haltOn(record)
      },
      onSettled: () => {
        this.#noteDrained()
      },
    })
    this.#front = openFront({ ...own, ends: this.#ends, isRunning: () => this.#handsOut })
    this.#admission = new Admission({ ...own, ends: this.#ends, front: this.#front })
    this.#gate = new IntakeGate({
      ...own,
      front: this.#front,
      isSetBack: options.refused !== undefined,
      isHalted: () => this.#state === 'halted',
      onLetIn: options.onLoadChanged,
    })
    this.#voidRuns = new VoidRuns({
      ...own,
      giveUp: (runs) => {
        this.settleCall(() => {
          for (const run of runs) this.settle(run, [skipVerdict])
        })
      },
    })
    this.#waits = new LaneWaits({ ...own, onKnown: onLoad })
  }

  /** What its handler asks for; null: nothing. A front keeps how far its time has come, and no more. */
  get keptState(): PartitionState | null {
    return this.#front === null ? this.state : null
  }

  get inputs(): readonly InputProgress[] {
    return this.#inputs.all
  }

  /** `topic/partition`, for people: of the first of its inputs. */
  get id(): string {
    return `${this.#inputs.first.topic}/${this.partition}`
  }

  get isFenced(): boolean {
    return this.#state === 'fenced'
  }

  get isDraining(): boolean {
    return this.#state === 'draining'
  }

  get halt(): HaltedRecord | null {
    return this.#halt
  }

  /** What it gives up instead of handling it. */
  get refusals(): Refusals | null {
    return this.#options.refused ?? null
  }

  /** Records admitted and not finished. */
  get heldRecords(): number {
    return this.#inputs.heldRecords
  }

  /** Why this input must not take in anything new, whatever room there is. Empty: it may. */
  intakeStopsOf(input: InputProgress): readonly IntakeStop[] {
    return this.#gate.stopsOf(input)
  }

  isIntakeBlocked(input: InputProgress): boolean {
    return this.#gate.isClosedTo(input)
  }

  /** What waits behind records that failed, the parked ones included. */
  get waitingKeys(): WaitingKeys {
    return this.#brake.describe()
  }

  /** Records behind failed ones: they cannot get on, and may be there for days. */
  get waitingRecords(): number {
    return this.#brake.waitingRecords
  }

  get waitingBytes(): number {
    return this.#brake.waitingBytes
  }

  /** What is tried again; null: nothing. */
  get retrying(): Retrying | null {
    return findRetrying(this.#lanes, this.#parking)
  }

  /** Why the schemas that its records wait for do not come; null: they do, or none waits. */
  get schemaTrouble(): string | null {
    return this.#waits.schemaTrouble
  }

  /** Where the records that it holds stand. */
  get load(): ActorLoad {
    return {
      held: this.heldRecords,
      ready: this.readyRecordCount,
      atHandler: this.#atHandler,
      atSinks: this.#ends.pending,
      atCheckpoint: this.#ends.atCheckpoint,
      waiting: this.#brake.waitingRecords,
      waitingForSchemas: this.#lanes.unread.recordCount,
      parked: this.#parking.size,
    }
  }

  /** The lane with most records, and their key as text. null: there are no lanes that records share. Looks at all of them. */
  get largestLane(): LargestLane | null {
    const lane = this.#lanes.largest
    return lane === null ? null : { key: this.#options.keyText(lane.head?.record.key ?? null), records: lane.size }
  }

  /** Not before its state is restored. */
  get #handsOut(): boolean {
    return this.#state === 'running' && (this.state === null || this.state.isReady)
  }

  /** Records that may be handed out now. */
  get readyRecordCount(): number {
    return this.#handsOut ? this.#lanes.readyRecordCount : 0
  }

  /** Lanes in which they stand: so many may be at work at once. */
  get readyLaneCount(): number {
    if (this.actor.order === 'unordered') return this.readyRecordCount
    return this.#handsOut ? this.#lanes.readyLaneCount : 0
  }

  get firstRunsAlone(): boolean {
    return this.firstReady?.runsAlone === true
  }

  /** The first record of the next run; null: nothing may be handed out. */
  get firstReady(): Invocation | null {
    return this.#handsOut ? this.#lanes.firstReady : null
  }

  /** Bytes of the records that may be handed out now; it looks no further once there are so many. */
  readyBytes(most: number): number {
    return this.#handsOut ? this.#lanes.readyBytes(most) : 0
  }

  /** Clock time when an attempt last ended or a record was finished, or the actor was idle. */
  get progressAtMs(): number {
    return this.#progress.atMs
  }

  /** What waits, or its budget, has changed. */
  reviewWaitingKeys(): void {
    if (this.#state === 'running' && this.#reviewBrake()) this.#options.onLoadChanged()
  }

  /** Takes what was read of one input, in offset order: admitted at once, or as its other inputs let it. */
  offer(records: readonly SourceRecord[]): void {
    this.#arrivals.offer(records)
  }

  /** A record that is read waits for the next one of this input. */
  isAwaiting(input: InputProgress): boolean {
    return this.#arrivals.isAwaiting(input)
  }

  /** What the one before it has read and not admitted, as far as it had several inputs. */
  takeOver({ from }: { readonly from: PartitionActor }): void {
    this.#arrivals.takeOver(from.#arrivals)
  }

  /** Admits records of one input in offset order. Those that the completion map shows as finished are skipped. */
  admit(records: readonly SourceRecord[]): void {
    const first = records[0]
    // A partition that goes no further still gets what the client had already fetched. The next owner
    // reads it again, so it is dropped here.
    if (this.#state === 'running' && first !== undefined) this.#admission.admit(this.#inputs.of(first), records)
  }

  /** Of all that it is not given below this position, this is the stream time. */
  notePassed(position: number, streamTime: number, topic: string | null = null): void {
    this.#admission.notePassed(position, streamTime, topic)
  }

  /**
   * The log of an input ends here for now. With nothing in flight the position moves past trailing transaction
   * markers; told once only, it is kept until then. An actor that ends drops records without a trace
   * in its tracker, so what lies below the end was not all taken: its position must not move there.
   */
  noteEnd(of: LogEnd): void {
    this.#arrivals.noteEnd(of)
  }

  #noteEnd(of: LogEnd): void {
    if (this.#state !== 'running') return
    const input = this.#inputs.of(of)
    this.#front?.noteEnd()
    if (!input.noteEnd(of.position)) return
    input.noteProgress()
    // Where nothing was known of the position so far, timers have waited for it.
    if (this.#timers?.review() === true) this.#noteFired()
  }

  /** Hands out the next run of a lane, of at most `maxRecords`, and no more once it has `maxBytes`. null: nothing may be handed out. */
  takeRun(maxRecords: number, maxBytes?: number): LaneRun | null {
    while (this.#handsOut) {
      const run = this.#lanes.take(maxRecords, maxBytes)
      if (run === null) return null
      this.#atHandler += run.invocations.length
      for (const invocation of run.invocations) invocation.stage = 'at-handler'
      if (!this.#voidRuns.take(run)) return run
    }
    return null
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
    let standing: Standing | null = null
    let handled = 0
    for (const invocation of run.invocations) {
      const verdict = verdicts[handled]
      if (verdict === undefined || verdict.type === 'unrun' || verdict.type === 'alone') break
      const ruling =
        this.#front === null
          ? (this.#ends.giveUp(invocation, this.#refused) ?? this.#ends.conclude(invocation, verdict))
          : this.#front.settle(invocation, verdict)
      if (run.lane.isLoose && ruling !== null) {
        this.#actApart(ruling, invocation, this.#lanes.part(run.lane, invocation))
      } else {
        if (ruling !== null) this.#ends.act(ruling, invocation, run.lane)
        if (ruling !== null && keepsLane(ruling)) {
          standing = ruling
          break
        }
        this.#lanes.advance(run.lane)
      }
      handled += 1
      // It might have been tried again: what a call says of those behind it was said too early. So it was where they have
      // seen what it has set, which does not count.
      if (ruling !== null && (endsRun(verdict) || changesOf(verdict) !== undefined) && !run.lane.isLoose) break
    }
    if (verdicts[handled]?.type === 'alone') this.#options.actorStats.setAlone += run.invocations.length - handled
    this.#progress.endRun()
    if (verdicts.length > 0) this.#progress.atMs = nowMs
    for (let at = handled; at < run.invocations.length; at += 1) {
      const invocation = run.invocations[at]!
      if (invocation.stage === 'at-handler') invocation.stage = 'queued'
    }
    // Outputs of the handled ones stand in their queues by now: only then may the lane go on.
    this.#endRun(run.lane, standing)
    this.#timers?.noteEnded(run.invocations)
    if (this.#timers?.review() === true) this.#noteFired()
    if (!this.#isSettlingCall) this.#noteRunsEnded(finishedBefore, waitingBefore)
  }

  /** All that is settled within `settleRuns` is of one call of a batch handler: what came of it is told once. */
  settleCall(settleRuns: () => void): void {
    const finishedBefore = this.#progress.finishedCount
    const waitingBefore = this.#brake.waitingRecords
    this.#isSettlingCall = true
    settleRuns()
    this.#isSettlingCall = false
    if (this.isFenced) return
    if (this.readyRecordCount > 0) this.#options.onReady()
    this.#noteRunsEnded(finishedBefore, waitingBefore)
  }

  settleTogether(settle: () => void): void {
    this.settleCall(() => {
      this.#progress.beginRun(this.#options.clock.now())
      settle()
      this.#progress.endRun()
    })
  }

  noteStanding(): void {
    // What is handled and in no checkpoint yet may be refused as well, and so may what is still to be handled.
    if (this.#atHandler === 0 && this.readyRecordCount === 0 && this.#ends.atCheckpoint === 0) this.#gate.letIn()
  }

  #followState(): void {
    if (this.state === null) return
    this.state.follow(this.#inputs.first.tracker)
    this.state.followCompanions(this.#inputs.companions)
    this.#timing.idle?.start()
    if (this.state.isReady) this.#timers?.reviewSoon()
    this.state.onReady = () => {
      this.#timers?.review()
      if (this.readyRecordCount > 0) this.#options.onReady()
    }
  }

  #noteFired(): void {
    this.#noteLoad()
    if (this.readyRecordCount > 0 && !this.#isSettlingCall) this.#options.onReady()
  }

  #noteRunsEnded(finishedBefore: number, waitingBefore: number): void {
    if (this.#progress.finishedCount > finishedBefore) this.#inputs.noteProgress()
    // What waits cannot get on: that there is room for others again is told even when nothing was finished.
    if (this.#progress.finishedCount > finishedBefore || this.#brake.waitingRecords !== waitingBefore) this.#noteLoad()
    else this.reviewWaitingKeys()
    this.#noteDrained()
  }

  /** A loose record that is not handled: what becomes of it concerns no other of its run. */
  #actApart(ruling: Ruling | NeedsSchema, invocation: Invocation, own: Lane): void {
    this.#ends.act(ruling, invocation, own)
    if (!keepsLane(ruling)) this.#lanes.advance(own)
    this.#endRun(own, keepsLane(ruling) ? ruling : null)
  }

  /** Drops what was not started and resolves when what is in flight is finished. Never rejects. */
  drain(): Promise<void> {
    if (this.isFenced) return Promise.resolve()
    this.#arrivals.stop()
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
    return this.#ends.pending > 0
  }

  /** True while something is at a handler or at a sink. */
  get hasWorkInFlight(): boolean {
    return this.#atHandler > 0 || this.#ends.pending > 0
  }

  /** Ends the epoch. Whatever comes late changes nothing any more. */
  fence(): void {
    if (this.isFenced) return
    this.#state = 'fenced'
    this.#arrivals.stop()
    this.#gate.stop()
    this.#front?.stop()
    this.#timers?.stop()
    this.#waits.cancelAll()
    this.#parking.clear()
    this.#inputs.release()
    this.#onDrained?.()
  }

  /** The records that wait for an operator. */
  parked(): ParkedRecord[] {
    return this.#parking.list(this.actor.name, this.#options.keyText)
  }

  /** Ends the wait of a parked record. False: it is not parked here. Throws NO_DEAD_LETTER_TOPIC where there is none to send it to. */
  decide(id: string, decision: Decision): boolean {
    return this.#decisions.decide(id, decision)
  }

  /** The same for all parked records of a key, in their order. Returns their ids; none: nothing of it is parked here. */
  decideKey(topic: string, hash: string, decision: Decision): string[] {
    return this.#decisions.decideKey(topic, hash, decision)
  }

  #endRun(lane: Lane, standing: Standing | null): void {
    if (this.#state !== 'running') {
      this.#release(this.#lanes.discard(lane))
      return
    }
    if (standing === null) this.#lanes.giveBack(lane)
    else this.#waits.begin(lane, standing)
    if (this.#lanes.readyRecordCount > 0 && !this.#isSettlingCall) this.#options.onReady()
  }

  /** Goes no further, because of this record. */
  haltOn(record: HaltedRecord): void {
    this.#halt ??= record
    if (this.#state !== 'running') return
    this.#state = 'halted'
    this.#arrivals.stop()
    // Held for ever, it would take the credit that other partitions live on.
    this.#dropQueued()
  }

  /** Drops what was not started, the records that wait or are parked included. */
  #dropQueued(): void {
    this.#timers?.stop()
    this.#timing.idle?.stop()
    this.#front?.stop()
    this.#waits.cancelAll()
    this.#release([...this.#parking.clear(), ...this.#lanes.discardQueued()])
  }

  #release(discarded: readonly Invocation[]): void {
    if (discarded.length === 0) return
    this.#inputs.giveUp(discarded)
    if (this.#front !== null) this.#inputs.giveUp(this.#front.cut(discarded))
    this.#noteLoad()
  }

  #noteLoad(): void {
    this.#inputs.noteLoad()
    this.#reviewBrake()
    this.#options.onLoadChanged()
  }

  /** True: it was put on or let go. */
  #reviewBrake(): boolean {
    if (!this.#brake.review()) return false
    // What was held back by it may be fired.
    if (!this.#brake.isOn) this.#timers?.reviewSoon()
    return true
  }

  #noteDrained(): void {
    if (this.#state === 'draining' && !this.hasWorkInFlight) this.#onDrained?.()
  }
}
