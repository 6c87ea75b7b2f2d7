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
import { readSourceNote, type SourceNote } from '../operators/regroup/source-header.ts'
import { keyTextOf, type PartitionState } from '../state/partition-state.ts'
import type { CheckpointOwner, Refusals } from '../streams/delivery/delivery.ts'
import { TroupeError } from '../errors.ts'
import { payloadBytes, sizeInBytes, type SourceRecord } from '../streams/record.ts'
import type { ActorLoad, HaltedRecord, IntakeStop, LargestLane } from './actor-load.ts'
import { openTiming, type ActorTiming } from './actor-timing.ts'
import { ActorProgress } from './actor-progress.ts'
import { FrontLine } from './front/front-line.ts'
import { FailureNotes } from './failure-notes.ts'
import type { FiredTimers } from './fired-timers.ts'
import { changesOf, endsRun, skipVerdict, type NeedsSchema, type Verdict } from './handlers/verdict.ts'
import type { InputProgress } from './input-progress.ts'
import { InputMerge } from './input-merge.ts'
import { Inputs } from './inputs.ts'
import { newInvocation, type Invocation } from './invocation.ts'
import { KeyBrake, type WaitingKeys } from './lanes/key-brake.ts'
import { Lanes, type Lane, type LaneRun } from './lanes/lanes.ts'
import { OperatorDecisions } from './operator-decisions.ts'
import { RecordEnds } from './record-ends.ts'
import { ParkingLot, type Decision, type ParkedRecord } from './parking-lot.ts'
import type { PartitionActorOptions } from './partition-actor-options.ts'
import { RefusedRecords } from './refused-records.ts'
import { deadLetterOrHalt, keepsLane, type Ruling, type Standing } from './triage.ts'
import { LaneWaits } from './waits/lane-waits.ts'
import { findRetrying, type Retrying } from './waits/retrying.ts'

type State = 'running' | 'halted' | 'draining' | 'fenced'

/** For so long at most a partition that was set back takes in nothing. */
const SET_BACK_MS = 10_000

const unknownEnd = (): Promise<number> => Promise.reject(new TroupeError('INTERNAL', 'nobody knows where a log ends'))

export class PartitionActor implements CheckpointOwner {
  readonly partition: number
  readonly epoch: number
  readonly actor: ResolvedActor
  readonly state: PartitionState | null
  readonly #options: PartitionActorOptions
  readonly #inputs: Inputs
  /** null: it has one input. */
  readonly #merge: InputMerge | null
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
  #state: State = 'running'
  #halt: HaltedRecord | null = null
  /** Records at a handler. */
  #atHandler = 0
  #onDrained: (() => void) | null = null
  #isSettlingCall = false
  /**
   * It was set back, and what it held then does not stand yet: with more records it would be set back again, for those of them that
   * are refused. null: it was not, or that is over.
   */
  #cancelSetBack: (() => void) | null = null
  /** To be given up in a turn of their own. */
  #voidRuns: LaneRun[] = []

  constructor(options: PartitionActorOptions) {
    this.#options = options
    this.actor = options.actor
    this.partition = options.partition
    this.epoch = options.epoch
    this.state = options.state ?? null
    this.#refused = options.refused === undefined ? null : new RefusedRecords(options.actor, options.refused)
    this.#inputs = new Inputs({ ...options, owner: this, isFenced: () => this.isFenced })
    this.#merge = this.#inputs.all.length === 1 ? null : this.#openMerge()
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
    if (options.refused !== undefined) {
      // A handler that takes very long keeps nobody out.
      this.#cancelSetBack = options.clock.after(SET_BACK_MS, () => {
        this.#letIn()
      })
    }
    // What waits is counted for the actor as a whole: with the first of its inputs.
    this.#brake = new KeyBrake({ ...options, lanes: this.#lanes, parking: this.#parking, input: this.#inputs.first })
    this.#decisions = new OperatorDecisions({
      ...options,
      inputs: this.#inputs,
      lanes: this.#lanes,
      parking: this.#parking,
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
      ...options,
      owner: this,
      inputs: this.#inputs,
      notes: new FailureNotes(options),
      parking: this.#parking,
      progress: this.#progress,
      timers: this.#timers,
      isRunning: () => this.#state === 'running',
      onHalt: (record) => {
        this.haltOn(record)
      },
      onLoad: () => {
        this.#noteLoad()
      },
      onSettled: () => {
        this.#noteDrained()
      },
    })
    this.#front = this.#openFront()
    this.#waits = new LaneWaits({
      ...options,
      lanes: this.#lanes,
      onReady: options.onReady,
      onKnown: () => {
        this.#noteLoad()
      },
    })
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
    const stops: IntakeStop[] = []
    if (this.#state === 'halted') stops.push('halted')
    if (input.isMapNearLimit) stops.push('completion-map')
    if (this.#brake.isOn) stops.push('waiting-keys')
    if (this.#isRestoring) stops.push('restoring')
    if (this.#cancelSetBack !== null) stops.push('refused-outputs')
    if (this.#front?.isFull === true) stops.push('read-ahead')
    return stops
  }

  isIntakeBlocked(input: InputProgress): boolean {
    const isStopped = this.#brake.isOn || this.#state === 'halted' || this.#isRestoring || this.#cancelSetBack !== null
    return isStopped || input.isMapNearLimit || this.#front?.isFull === true
  }

  /** Nothing may be known of its keys yet. */
  get #isRestoring(): boolean {
    return this.state?.isReady === false
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
    if (this.#merge === null) this.admit(records)
    else this.#merge.offer(records)
  }

  /** A record that is read waits for the next one of this input. */
  isAwaiting(input: InputProgress): boolean {
    return this.#merge?.isAwaited(input) === true
  }

  /** What the one before it has read and not admitted, as far as it had several inputs. */
  takeOver({ from }: { readonly from: PartitionActor }): void {
    if (from.#merge !== null) this.#merge?.takeOver(from.#merge)
  }

  #openMerge(): InputMerge {
    const { clock, logEnd = unknownEnd, onLoadChanged, onReady } = this.#options
    return new InputMerge({
      clock,
      inputs: this.#inputs.all,
      logEnd,
      admit: (records) => {
        this.admit(records)
      },
      onEnd: (end) => {
        this.#noteEnd(end)
      },
      onAdmitted: onReady,
      onLoadChanged,
    })
  }

  /** Admits records of one input in offset order. Those that the completion map shows as finished are skipped. */
  admit(records: readonly SourceRecord[]): void {
    const first = records[0]
    // A partition that goes no further still gets what the client had already fetched. The next owner
    // reads it again, so it is dropped here.
    if (this.#state !== 'running' || first === undefined) return
    const input = this.#inputs.of(first)
    const { held, stats, tracker } = input
    const { state } = this
    const isOfRows = input.isCompanion && state?.hasRowsOf(input.topic) === true
    const companion = input.isCompanion ? input.topic : null
    const now = this.#options.clock.now()
    if (this.heldRecords === 0) this.#progress.atMs = now
    this.#timing.idle?.noteArrival(now)
    let hasSkipped = false
    for (const record of records) {
      const payload = payloadBytes(record)
      stats.receivedBytes += payload
      const said = state?.hasSources === true && companion === null ? readSourceNote(record.headers) : null
      const streamTime = isOfRows ? null : this.#streamTimeOf(record, said, companion)
      this.#timers?.review()
      if (tracker.isFinishedBefore(record.offset)) {
        this.#timing.stamping?.pass(record)
        tracker.skip(record.offset)
        stats.alreadyFinished += 1
        hasSkipped = true
        continue
      }
      const invocation = newInvocation(record, tracker.start(record.offset), sizeInBytes(record, payload), now)
      if (state !== null) {
        invocation.stateKey = record.key === null ? null : keyTextOf(record.key)
        invocation.streamTime = streamTime
      }
      if (this.#refused?.has(record) === true) invocation.runsAlone = true
      held.add(invocation)
      if (said?.kind === 'mark') {
        this.#ends.keep(invocation)
        continue
      }
      this.#front?.admit(invocation)
      this.#lanes.admit(invocation)
    }
    stats.received += records.length
    stats.receivedPosition = (records.at(-1)?.offset ?? -1) + 1
    stats.safePosition = tracker.safePosition
    this.#noteLoad()
    if (hasSkipped) input.noteProgress()
  }

  /** null: it keeps no state, or it is known when the record's turn has come. */
  #streamTimeOf({ offset, timestamp }: SourceRecord, note: SourceNote | null, companion: string | null): number | null {
    const { state } = this
    if (state === null || this.#front !== null || this.#timing.stamping !== null) return null
    if (note !== null) return state.noteSaid(offset, note.said)
    return state.noteRecord(offset, state.hasSources ? -1 : timestamp, companion)
  }

  /** Of all that it is not given below this position, this is the stream time. */
  notePassed(position: number, streamTime: number, topic: string | null = null): void {
    if (this.#timing.stamping === null && this.#front === null) this.state?.noteRecord(position - 1, streamTime, topic)
    else this.state?.noteAhead(position - 1, streamTime, topic)
  }

  /**
   * The log of an input ends here for now. With nothing in flight the position moves past trailing transaction
   * markers; told once only, it is kept until then. An actor that ends drops records without a trace
   * in its tracker, so what lies below the end was not all taken: its position must not move there.
   */
  noteEnd(of: { readonly topic: string; readonly position: number }): void {
    if (this.#merge === null) this.#noteEnd(of)
    else this.#merge.noteEnd(of)
  }

  #noteEnd(of: { readonly topic: string; readonly position: number }): void {
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
      if (this.#refused?.isRun(run) !== true && this.#timers?.isVoid(run) !== true) return run
      this.#giveUpSoon(run)
    }
    return null
  }

  /** In a turn of its own: whoever asks for runs is in the middle of something. */
  #giveUpSoon(run: LaneRun): void {
    this.#voidRuns.push(run)
    if (this.#voidRuns.length > 1) return
    this.#options.clock.after(0, () => {
      this.settleCall(() => {
        for (const each of this.#voidRuns.splice(0)) this.settle(each, [skipVerdict])
      })
    })
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
    if (this.#atHandler === 0 && this.readyRecordCount === 0 && this.#ends.atCheckpoint === 0) this.#letIn()
  }

  #letIn(): void {
    if (this.#cancelSetBack === null) return
    this.#cancelSetBack()
    this.#cancelSetBack = null
    this.#options.onLoadChanged()
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

  #openFront(): FrontLine | null {
    const { state } = this
    const { clock, front = null, logEnd = unknownEnd } = this.#options
    if (front === null || state === null) return null
    const { first } = this.#inputs
    return new FrontLine({
      clock,
      ends: this.#ends,
      input: first,
      settings: front,
      state,
      refused: this.#refused,
      logEnd: () => logEnd(first),
      isRunning: () => this.#handsOut,
      onFull: this.#options.onLoadChanged,
    })
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
    this.#merge?.stop()
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
    this.#merge?.stop()
    this.#cancelSetBack?.()
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
    this.#merge?.stop()
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
