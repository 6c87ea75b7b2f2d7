/**
 * Fires the timers of a partition actor that are due: each as an invocation of its own, in the lane of its key, before which
 * the position does not pass. By stream time they come before the record that has moved it on; by the wall clock when it says
 * so. Only so many at once: the others are in the store, and come when there is room.
 *
 * One that is set again, or cancelled, while it stands in its lane is void: it goes without a trace.
 */
import type { Clock } from '../clock.ts'
import type { PartitionState } from '../state/partition-state.ts'
import { withoutTimer, type KeyedTimers } from '../state/keyed-timers.ts'
import type { SetTimer } from '../state/timers.ts'
import { payloadBytes, sizeInBytes, type SourceRecord } from '../streams/record.ts'
import type { ToldVerdict } from './handlers/verdict.ts'
import type { Inputs } from './inputs.ts'
import { newInvocation, type Invocation } from './invocation.ts'
import type { LaneRun, Lanes } from './lanes/lanes.ts'

export interface FiredTimersOptions {
  readonly clock: Clock
  readonly state: PartitionState
  readonly timers: KeyedTimers
  readonly inputs: Inputs
  readonly lanes: Lanes
  /** It hands out records. */
  readonly isRunning: () => boolean
  /** Some were fired when nobody else would tell. */
  readonly onFired: () => void
}

/** While so many records may be handed out already, none is fired. */
const MAX_READY = 1_000
/** The wall clock may be set: it is looked at again after so long at most. */
const MAX_WAIT_MS = 60_000

export class FiredTimers {
  readonly #options: FiredTimersOptions
  /** Those that are not handled yet, by the record that stands for each. */
  readonly #open = new Map<SourceRecord, { readonly timer: SetTimer; readonly invocation: Invocation }>()
  #cancelWait: () => void = () => undefined
  /** Wall time for which it waits. */
  #waitsForMs: number | null = null

  constructor(options: FiredTimersOptions) {
    this.#options = options
  }

  /** Fires what is due. True: something was. */
  review(): boolean {
    const { clock, isRunning, lanes, state, timers } = this.#options
    if (!isRunning()) return false
    let hasFired = false
    while (lanes.readyRecordCount < MAX_READY) {
      const timer =
        timers.take('stream', state.streamTime ?? Number.NEGATIVE_INFINITY) ??
        (timers.nextDueMs('wall') === null ? null : timers.take('wall', clock.wallNow()))
      if (timer === null) break
      this.#fire(timer)
      hasFired = true
    }
    this.#waitForNext()
    return hasFired
  }

  /** The same in a turn of its own, for whoever is in the middle of something. */
  reviewSoon(): void {
    this.#options.clock.after(0, this.#reviewAlone)
  }

  /** Nothing is fired any more. */
  stop(): void {
    this.#cancelWait()
    this.#waitsForMs = null
  }

  /** Its first record stands for a timer that is not set any more: then it is the only one, since it runs alone. */
  isVoid({ invocations }: LaneRun): boolean {
    const [first] = invocations
    const fired = first?.record.timer === undefined ? undefined : this.#open.get(first.record)
    return fired !== undefined && !this.#options.timers.isSet(fired.timer)
  }

  /** What a verdict on it comes to: once that is kept it is not set any more, and of a void one nothing counts. */
  verdictOn({ record }: Invocation, verdict: ToldVerdict): ToldVerdict {
    const fired = this.#open.get(record)
    if (fired === undefined) return verdict
    if (!this.#options.timers.isSet(fired.timer)) return { type: 'skip' }
    if (verdict.type !== 'done' && verdict.type !== 'skip') return verdict
    return { ...verdict, changes: withoutTimer(fired.timer, verdict.changes) }
  }

  /** What its verdict has come to is kept, its end as a timer with it. */
  noteHandled({ record }: Invocation): void {
    this.#open.delete(record)
  }

  /** It was given up: it is not set any more. */
  forget({ record, stateKey }: Invocation): void {
    const fired = this.#open.get(record)
    if (fired === undefined) return
    this.#open.delete(record)
    if (stateKey !== null && this.#options.timers.isSet(fired.timer)) {
      this.#options.state.apply(stateKey, withoutTimer(fired.timer))
    }
  }

  /** Timers were set or cancelled. Those that are void by that run alone, so that they are told from others. */
  noteChanges(key: string): void {
    if (this.#open.size === 0) return
    for (const { invocation, timer } of this.#open.values()) {
      if (timer.key === key && !this.#options.timers.isSet(timer)) invocation.runsAlone = true
    }
  }

  readonly #reviewAlone = (): void => {
    this.#waitsForMs = null
    if (this.review()) this.#options.onFired()
  }

  #fire(timer: SetTimer): void {
    const { clock, inputs, lanes, state, timers } = this.#options
    const { held, partition, topic, tracker } = inputs.first
    const record: SourceRecord = {
      topic,
      partition,
      offset: tracker.safePosition ?? 0,
      timestamp: timer.dueMs,
      key: Buffer.from(timer.key, 'latin1'),
      value: null,
      headers: [],
      timer: timers.causeOf(timer),
    }
    const bytes = sizeInBytes(record, payloadBytes(record))
    const invocation = newInvocation(record, tracker.hold(), bytes, clock.now())
    invocation.stateKey = timer.key
    invocation.streamTime = state.streamTime
    // Should it be void by its turn, nothing in its run has been made of it.
    invocation.runsAlone = true
    this.#open.set(record, { timer, invocation })
    held.add(invocation)
    lanes.admit(invocation)
  }

  #waitForNext(): void {
    const { clock, timers } = this.#options
    const dueMs = timers.nextDueMs('wall')
    if (dueMs === this.#waitsForMs) return
    this.#cancelWait()
    this.#waitsForMs = dueMs
    if (dueMs === null) return
    const delayMs = dueMs - clock.wallNow()
    // One that is due by now lacks room, and is looked at again when some records are handled.
    this.#cancelWait = clock.after(delayMs > 0 ? Math.min(MAX_WAIT_MS, delayMs) : MAX_WAIT_MS, this.#reviewAlone)
  }
}
