/**
 * The timers that a partition keeps for its keys, by both clocks: read from the store when it is restored, and told of every
 * change from then on. Which of them are due is for the actor to ask.
 */
import { TroupeError } from '../errors.ts'
import { entryKinds, readEntryKey, type TimerClock } from './changelog-format.ts'
import { StateValue, unread, type StateChange } from './state-value.ts'
import type { StateStore } from './store.ts'
import type { TimerCause } from '../streams/record.ts'
import { Timers, type SetTimer, type TimerShape } from './timers.ts'

/** What the key of each begins with: said to a store before it is filled, they are found without a look at all else. */
export const timersBegin: Uint8Array = Uint8Array.of(entryKinds.timer)
/** All of them, and nothing else. */
const everyTimer = { from: Uint8Array.of(entryKinds.timer), to: Uint8Array.of(entryKinds.timer + 1) }

export class KeyedTimers {
  readonly #shapes: readonly TimerShape[]
  /** What is kept for a key besides them, and stands before them. */
  readonly #stateCount: number
  readonly #byClock: Readonly<Record<TimerClock, Timers>> = { stream: new Timers(), wall: new Timers() }

  constructor(shapes: readonly TimerShape[], stateCount: number) {
    this.#shapes = shapes
    this.#stateCount = stateCount
  }

  /** How many are set. */
  get size(): number {
    return this.#byClock.stream.size + this.#byClock.wall.size
  }

  /** Those of names that the handler does not declare any more stay where they are, and do not fire. */
  load(store: Pick<StateStore, 'keyCount' | 'scan'>): void {
    for (const [bytes, value] of store.scan(everyTimer, Math.max(1, store.keyCount))) {
      const entry = readEntryKey(bytes)
      if (entry?.kind !== 'timer') continue
      const at = this.#shapes.findIndex(({ clock, name }) => clock === entry.clock && name === entry.name)
      if (at < 0) continue
      this.note(this.#stateCount + at, Buffer.from(entry.key).toString('latin1'), StateValue.read(value))
    }
  }

  /** What is kept has changed; null: it is not set any more. */
  note(at: number, key: string, value: StateValue | null): void {
    this.#byClock[this.#shapeAt(at).clock].set(at, key, value === null ? null : dueTimeOf(value))
  }

  /** When the next is due by this clock; null: none is set. */
  nextDueMs(clock: TimerClock): number | null {
    return this.#byClock[clock].nextDueMs
  }

  /** The next that is due by then, to be fired: it stays set until that is done. null: none is. */
  take(clock: TimerClock, untilMs: number): SetTimer | null {
    return this.#byClock[clock].take(untilMs)
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
export function withoutTimer({ at }: SetTimer, changes: readonly StateChange[] = []): readonly StateChange[] {
  return changes.some((change) => change.at === at) ? changes : [...changes, { at, value: null }]
}

function dueTimeOf(value: StateValue): number {
  const dueMs = value.live === unread ? Number(Buffer.from(value.payload).toString('latin1')) : value.live
  if (typeof dueMs === 'number' && Number.isFinite(dueMs)) return dueMs
  throw new TroupeError('CHANGELOG_UNREADABLE', 'a timer in the changelog has a time that is no number')
}
