/**
 * Fires the timers of a partition actor that are due: each as an invocation of its own, in the lane of its key, before which
 * the position does not pass.
 *
 * By stream time a timer comes behind the records of its key whose stream time is below what it was set to, and before all
 * others of its key, whatever is read ahead: so a replay sees what was seen live. While records of its key wait it stands in
 * no lane, and goes ahead of the first of them that is as late when that one's turn has come. Where none waits it is fired as
 * soon as stream time has come to it, and what comes after it in its key is as late. What it finds, and leaves, has the age of
 * that moment, too. In `partition` order all keys count as one.
 *
 * Where its input is idle and that is asked for, stream time comes to the timers that are set without a record.
 *
 * By the wall clock it fires when that says so, and stands behind the records of its key that are there.
 *
 * Of those for which no record waits only so many are fired at once, and none while the intake has no room, or keys that wait
 * hold it up: the
 * others are in the store, and come when there is room.
 *
 * One that is set again, or cancelled, while it stands in its lane is void: it goes without a trace.
 */
import type { Clock } from '../clock.ts'
import { TroupeError } from '../errors.ts'
import type { Order } from '../options/options.ts'
import type { PartitionState } from '../state/partition-state.ts'
import { withoutTimer, type KeyedTimers } from '../state/keyed-timers.ts'
import type { GiveUpTimer } from '../state/stamp.ts'
import type { SetTimer } from '../state/timers.ts'
import { payloadBytes, sizeInBytes, type SourceRecord } from '../streams/record.ts'
import type { StateChanges, ToldVerdict } from './handlers/verdict.ts'
import type { IdleWatch } from './idle-watch.ts'
import type { Inputs } from './inputs.ts'
import { newInvocation, type Invocation } from './invocation.ts'
import type { ComesAhead, LaneRun, Lanes } from './lanes/lanes.ts'
import type { RefusedRecords } from './refused-records.ts'

export interface FiredTimersOptions {
  readonly clock: Clock
  readonly state: PartitionState
  readonly timers: KeyedTimers
  readonly inputs: Inputs
  readonly lanes: Lanes
  readonly order: Order
  readonly refused: RefusedRecords | null
  /** Where it is idle, all timers by stream time are fired, in `partition` order; null: they wait for records. */
  readonly idle: IdleWatch | null
  /** null: of one that is given up nothing is left. */
  readonly giveUpTimer: GiveUpTimer | null
  /** No more of them may stand in lanes, for now. */
  readonly isHeldBack: () => boolean
  /** It hands out records. */
  readonly isRunning: () => boolean
  /** Some were fired when nobody else would tell. */
  readonly onFired: () => void
}

/** While so many are not handled no others are fired but those that a record waits for. */
const MAX_OPEN = 1_000
/** Where there was no room it is looked for again after so long, should nobody tell before. */
const ROOM_INTERVAL_MS = 100
/** The wall clock may be set: it is looked at again after so long at most. */
const MAX_WAIT_MS = 60_000

interface Fired {
  readonly timer: SetTimer
  readonly invocation: Invocation
}

export class FiredTimers implements ComesAhead {
  readonly #options: FiredTimersOptions
  /** Those that are not handled yet, by the record that stands for each. */
  readonly #open = new Map<SourceRecord, Fired>()
  /** The same by key. */
  readonly #openOf = new Map<string, Fired[]>()
  #cancelWait: () => void = () => undefined
  /** Wall time for which it waits. */
  #waitsForMs: number | null = null
  #waitsForRoom = false

  constructor(options: FiredTimersOptions) {
    this.#options = options
  }

  /** Fires what is due and need not wait for a record. True: something was. */
  review(): boolean {
    const { inputs, isHeldBack, isRunning, lanes } = this.#options
    // Nothing can be held before a position is known.
    if (!isRunning() || inputs.first.tracker.safePosition === null) return false
    let hasFired = false
    let hasRoom = true
    for (;;) {
      hasRoom = this.#open.size < MAX_OPEN && !isHeldBack()
      const timer = hasRoom ? (this.#takeForIdleKey() ?? this.#takeByWall()) : null
      if (timer === null) break
      lanes.admit(this.#fire(timer))
      hasFired = true
    }
    if (hasRoom) this.#waitForNext()
    else this.#waitForRoom()
    return hasFired
  }

  isDueBefore(invocation: Invocation): boolean {
    return this.#firstBefore(invocation) !== null
  }

  fireBefore(invocation: Invocation): Invocation {
    const timer = this.#firstBefore(invocation)
    if (timer === null) throw new TroupeError('INTERNAL', 'no timer is due before this record')
    this.#options.timers.takeFirst(timer)
    return this.#fire(timer)
  }

  /** These have left their lanes, or wait in them: timers of keys of which no record is left need not wait any more. */
  noteEnded(invocations: readonly Invocation[]): void {
    const { timers } = this.#options
    if (!timers.hasPassedOver) return
    for (const { stateKey } of invocations) if (stateKey !== null) timers.noteIdle(stateKey)
  }

  /** Records have left their lanes at somebody's word. */
  noteAllEnded(): void {
    this.#options.timers.noteAllIdle()
  }

  /** The same in a turn of its own, for whoever is in the middle of something. */
  reviewSoon(): void {
    this.#options.clock.after(0, this.#reviewAlone)
  }

  /** Nothing is fired any more. */
  stop(): void {
    this.#options.idle?.stop()
    this.#cancelWait()
    this.#waitsForMs = null
    this.#waitsForRoom = false
  }

  /** Its first record stands for a timer that is not set any more: then it is the only one, since it runs alone. */
  isVoid({ invocations }: LaneRun): boolean {
    const [first] = invocations
    const fired = first?.record.timer === undefined ? undefined : this.#open.get(first.record)
    return fired !== undefined && !this.#options.timers.isSet(fired.timer)
  }

  /** What a verdict on it comes to: once that is kept it is not set any more, and of a void one nothing counts. */
  verdictOn({ record }: Invocation, verdict: ToldVerdict): ToldVerdict {
    const fired = this.#firedBy(record)
    if (fired === undefined) return verdict
    if (!this.#options.timers.isSet(fired.timer)) return { type: 'skip' }
    if (verdict.type !== 'done' && verdict.type !== 'skip') return verdict
    return { ...verdict, changes: withoutTimer(fired.timer, verdict.changes) }
  }

  /** What its verdict has come to is kept, its end as a timer with it. */
  noteHandled({ record }: Invocation): void {
    const fired = this.#firedBy(record)
    if (fired !== undefined) this.#close(record, fired)
  }

  /** It was given up: it is not set any more, and whoever has set it goes on with what comes after it. */
  forget({ record, stateKey, streamTime }: Invocation): void {
    const fired = this.#firedBy(record)
    if (fired === undefined) return
    this.#close(record, fired)
    const { giveUpTimer, state, timers } = this.#options
    const { timer } = fired
    if (stateKey === null || !timers.isSet(timer)) return
    const changes = withoutTimer(timer, giveUpTimer?.(state, timer, streamTime ?? timer.dueMs))
    state.apply(stateKey, changes)
    this.noteChanges(stateKey, changes)
  }

  /** Timers were set or cancelled. Those that are void by that run alone, so that they are told from others. */
  noteChanges(key: string | null, changes: StateChanges): void {
    if (this.#open.size === 0) return
    if (key !== null) this.#noteVoid(key)
    for (const change of changes) if (change.key !== undefined) this.#noteVoid(change.key)
  }

  #noteVoid(key: string): void {
    for (const { invocation, timer } of this.#openOf.get(key) ?? none) {
      if (!this.#options.timers.isSet(timer)) invocation.runsAlone = true
    }
  }

  readonly #reviewAlone = (): void => {
    this.#waitsForMs = null
    this.#waitsForRoom = false
    if (this.review()) this.#options.onFired()
  }

  #firedBy(record: SourceRecord): Fired | undefined {
    return record.timer === undefined ? undefined : this.#open.get(record)
  }

  /** The first that has to be fired before this record; null: none has. */
  #firstBefore({ record, stateKey, streamTime }: Invocation): SetTimer | null {
    const { order, timers } = this.#options
    if (streamTime === null || record.timer !== undefined) return null
    if (order === 'partition') return timers.peek(streamTime)
    return stateKey === null ? null : timers.firstOf(stateKey, streamTime)
  }

  /** By stream time, of a key of which no record waits. null: none is due. */
  #takeForIdleKey(): SetTimer | null {
    const { lanes, order, state, timers } = this.#options
    if (order === 'partition') {
      if (lanes.recordCount > 0) return null
      state.noteAllTaken()
      this.#closeNext()
    }
    const untilMs = state.streamTime
    if (untilMs === null) return null
    for (;;) {
      const timer = timers.take('stream', untilMs)
      if (timer === null || !lanes.isBusy(keyOf(timer))) return timer
      timers.passOver(timer)
    }
  }

  /**
   * Nothing more is to come for now, so stream time comes to the next timer by itself: one after the other, and no further
   * than to what is set. What is closed so stays closed: a later record finds stream time there, also after a restart.
   */
  #closeNext(): void {
    const { idle, inputs, state, timers } = this.#options
    if (idle?.isIdle !== true) return
    const dueMs = timers.nextDueMs('stream')
    if (dueMs === null || dueMs <= (state.streamTime ?? -1) || !idle.confirm()) return
    state.noteAllTaken(inputs.first.tracker.safePosition, dueMs)
  }

  #takeByWall(): SetTimer | null {
    const { clock, timers } = this.#options
    return timers.nextDueMs('wall') === null ? null : timers.take('wall', clock.wallNow())
  }

  #fire(timer: SetTimer): Invocation {
    const { clock, inputs, state, timers } = this.#options
    const { held, partition, topic, tracker } = inputs.first
    const record: SourceRecord = {
      topic,
      partition,
      offset: tracker.safePosition ?? 0,
      timestamp: timer.dueMs,
      key: keyOf(timer),
      value: null,
      headers: [],
      timer: timers.causeOf(timer),
    }
    const bytes = sizeInBytes(record, payloadBytes(record))
    const invocation = newInvocation(record, tracker.hold(), bytes, clock.now())
    invocation.stateKey = timer.key
    invocation.streamTime =
      record.timer?.clock === 'stream' ? Math.max(timer.dueMs, timer.setAtMs ?? timer.dueMs) : state.streamTime
    if (this.#options.refused?.has(record) === true) invocation.runsAlone = true
    const fired = { timer, invocation }
    this.#open.set(record, fired)
    const ofKey = this.#openOf.get(timer.key)
    if (ofKey === undefined) this.#openOf.set(timer.key, [fired])
    else ofKey.push(fired)
    held.add(invocation)
    return invocation
  }

  #close(record: SourceRecord, fired: Fired): void {
    const { order, state } = this.#options
    const { streamTime } = fired.invocation
    if (order === 'partition' && record.timer?.clock === 'stream' && streamTime !== null) state.noteFired(streamTime)
    this.#open.delete(record)
    const { key } = fired.timer
    const left = this.#openOf.get(key)?.filter((each) => each !== fired) ?? []
    if (left.length > 0) this.#openOf.set(key, left)
    else this.#openOf.delete(key)
  }

  #waitForRoom(): void {
    const { clock, state, timers } = this.#options
    if (this.#waitsForRoom) return
    const isDue =
      (timers.nextDueMs('stream') ?? Infinity) <= (state.streamTime ?? -Infinity) ||
      (timers.nextDueMs('wall') ?? Infinity) <= clock.wallNow()
    if (!isDue) {
      this.#waitForNext()
      return
    }
    this.#cancelWait()
    this.#waitsForMs = null
    this.#waitsForRoom = true
    this.#cancelWait = clock.after(ROOM_INTERVAL_MS, this.#reviewAlone)
  }

  #waitForNext(): void {
    const { clock, timers } = this.#options
    const dueMs = timers.nextDueMs('wall')
    if (dueMs === this.#waitsForMs && !this.#waitsForRoom) return
    this.#cancelWait()
    this.#waitsForRoom = false
    this.#waitsForMs = dueMs
    if (dueMs === null) return
    const delayMs = dueMs - clock.wallNow()
    // One that is due by now was set meanwhile, or has come up since it was looked at.
    this.#cancelWait = clock.after(Math.min(MAX_WAIT_MS, Math.max(1, delayMs)), this.#reviewAlone)
  }
}

const none: readonly Fired[] = []

function keyOf({ key }: SetTimer): Buffer {
  return Buffer.from(key, 'latin1')
}
