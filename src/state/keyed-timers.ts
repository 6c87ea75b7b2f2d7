/**
 * The timers that a partition keeps for its keys, by both clocks: read from the store when it is restored (a rewind goes on
 * with what was read), and told of every change from then on. Which of them are due is for the actor to ask.
 */
import { TroupeError } from '../errors.ts'
import { entryKinds, readEntryKey, type TimerClock } from './changelog-format.ts'
import { StateValue, type StateChange } from './state-value.ts'
import type { StoreEntry } from './store.ts'
import type { TimerCause } from '../streams/record.ts'
import { Timers, comesBefore, dueTimeOf, type SetTimer, type TimerShape } from './timers.ts'

/** The keys of all timers in a store, and of nothing else. What they begin with is said to a store before it is filled. */
export const timerKeys = { from: Uint8Array.of(entryKinds.timer), to: Uint8Array.of(entryKinds.timer + 1) } as const

/** A timer as it is kept; null: it is not set. */
export interface KeptTimer {
  readonly at: number
  readonly key: string
  readonly value: StateValue | null
}

export class KeyedTimers {
  readonly #shapes: readonly TimerShape[]
  /** What is kept for a key besides them, and stands before them. */
  readonly #stateCount: number
  #byClock: Readonly<Record<TimerClock, Timers>> = { stream: new Timers(), wall: new Timers() }

  /** Keys of which some are due and stand in no queue, since records of the key come before them. */
  readonly #passedOver = new Set<string>()
  readonly #streamPlaces: readonly number[]

  constructor(shapes: readonly TimerShape[], stateCount: number) {
    this.#shapes = shapes
    this.#stateCount = stateCount
    this.#streamPlaces = shapes.flatMap(({ clock }, at) => (clock === 'stream' ? [stateCount + at] : []))
  }

  /** How many are set. */
  get size(): number {
    return this.#byClock.stream.size + this.#byClock.wall.size
  }

  /** Takes those that are among these entries. Those of names that the handler does not declare any more stay where they are, and do not fire. */
  load(entries: readonly StoreEntry[]): void {
    for (const [bytes, value] of entries) {
      if (bytes[0] !== entryKinds.timer) continue
      const entry = readEntryKey(bytes)
      if (entry?.kind !== 'timer') continue
      const at = this.#shapes.findIndex(({ clock, name }) => clock === entry.clock && name === entry.name)
      if (at < 0) continue
      this.note(this.#stateCount + at, Buffer.from(entry.key).toString('latin1'), StateValue.read(value))
    }
  }

  /** Goes on with those of one that is over, as they were before these changed, and before any was fired. */
  takeOver(before: KeyedTimers, changed: Iterable<KeptTimer>): void {
    this.#byClock = before.#byClock
    before.#byClock = { stream: new Timers(), wall: new Timers() }
    for (const { at, key, value } of changed) this.note(at, key, value)
    this.#byClock.stream.requeueAll()
    this.#byClock.wall.requeueAll()
  }

  /** What is kept has changed; null: it is not set any more. */
  note(at: number, key: string, value: StateValue | null): void {
    const { clock } = this.#shapeAt(at)
    this.#byClock[clock].set(at, key, value === null ? null : dueTimeOf(value), value?.timeMs ?? null)
  }

  /** When the next is due by this clock that was not passed over; null: none is set. */
  nextDueMs(clock: TimerClock): number | null {
    return this.#byClock[clock].nextDueMs
  }

  /** From when on a timer may still look at what is kept: stream time, or the time of the first that has not come to its turn. */
  lookFrom(streamTime: number): number {
    return Math.min(streamTime, this.#byClock.stream.earliestDueMs ?? streamTime)
  }

  /** The next that is due by then, to be fired: it stays set until that is done. null: none is. */
  take(clock: TimerClock, untilMs: number): SetTimer | null {
    return this.#byClock[clock].take(untilMs)
  }

  /** One by stream time that was taken has to wait, since records of its key do: it comes before the first that is as late. */
  passOver(timer: SetTimer): void {
    this.#byClock.stream.passOver(timer)
    this.#passedOver.add(timer.key)
  }

  /** No record of this key waits any more. */
  noteIdle(key: string): void {
    if (!this.#passedOver.delete(key)) return
    for (const at of this.#streamPlaces) this.#byClock.stream.requeue(at, key)
  }

  /** The same for all keys that some were passed over of: whoever waits again is passed over again. */
  noteAllIdle(): void {
    for (const key of [...this.#passedOver]) this.noteIdle(key)
  }

  get hasPassedOver(): boolean {
    return this.#passedOver.size > 0
  }

  /** The first by stream time of this key that is due by then and was not taken; null: none is. */
  firstOf(key: string, untilMs: number): SetTimer | null {
    const { stream } = this.#byClock
    // Nearly always: nothing is due at all.
    if (!this.#passedOver.has(key) && (stream.nextDueMs ?? Number.POSITIVE_INFINITY) > untilMs) return null
    let first: SetTimer | null = null
    for (const at of this.#streamPlaces) {
      const timer = stream.find(at, key)
      if (timer !== null && timer.dueMs <= untilMs && (first === null || comesBefore(timer, first))) first = timer
    }
    return first
  }

  /** The first by stream time of all keys that is due by then. null: none is. Of passed over ones it knows nothing. */
  peek(untilMs: number): SetTimer | null {
    return this.#byClock.stream.peek(untilMs)
  }

  /** One that `firstOf` or `peek` has given is fired. */
  takeFirst(timer: SetTimer): void {
    this.#byClock.stream.takeFound(timer)
  }

  isSet(timer: SetTimer): boolean {
    return this.#byClock[this.#shapeAt(timer.at).clock].isSet(timer)
  }

  causeOf({ at, dueMs }: SetTimer): TimerCause {
    const { clock, name } = this.#shapeAt(at)
    return { name, clock, dueMs }
  }

  #shapeAt(at: number): TimerShape {
    const shape = this.#shapes[at - this.#stateCount]
    if (shape === undefined) throw new TroupeError('INTERNAL', 'a change of a timer that the handler does not have')
    return shape
  }
}

/** What a fired timer makes of itself, unless its handler has set it again. */
export function withoutTimer({ at, key }: SetTimer, changes: readonly StateChange[] = []): readonly StateChange[] {
  return changes.some((change) => change.at === at && (change.key ?? key) === key)
    ? changes
    : [...changes, { at, value: null }]
}
