/**
 * The state of a run's keys on its way to a thread, and what its records have made of it on the way back. The values of a
 * key cross once in each direction, at its first record of the run; a thread keeps nothing between runs, so it may die at
 * any moment.
 *
 *     run      how many states its handler has, and one more; 0: nothing is kept, and nothing more follows
 *     record   stream time · which timer it stands for: its name, its clock; or -1 · 1 where it is the first of its key, else 0 · then a value for each state, or null
 *     verdict  how many changes · for each: which state, and the value, or null
 */
import type { StateChanges } from '../../handlers/verdict.ts'
import { keyTextOf, type StateReader } from '../../../state/partition-state.ts'
import type { StateChange } from '../../../state/state-value.ts'
import { StateValue } from '../../../state/state-value.ts'
import type { SourceRecord, TimerCause } from '../../../streams/record.ts'
import type { PackReader, PackWriter } from './pack.ts'

/** What main packs of: how many states there are, and who knows their values. */
export interface StateToPack extends StateReader {
  readonly stateCount: number
}

/** What it has to know of a record. */
interface RecordOfState {
  readonly record: Pick<SourceRecord, 'timer'>
  readonly stateKey?: string | null
  readonly streamTime?: number | null
}

/** Names cross once, and are referred to. */
interface NameIndex {
  indexOf(name: string): number
}

/** What a record comes with where something is kept. */
export interface TimeOfRecord {
  readonly streamTime: number | null
  readonly timer: Omit<TimerCause, 'dueMs'> | null
}

const NO_TIME = Number.NEGATIVE_INFINITY
const NO_TIMER = -1

/** null: nothing is kept. */
export function beginState(
  pack: PackWriter,
  names: NameIndex,
  state: StateToPack | null = null,
): RunStateWriter | null {
  pack.putNumber(state === null ? 0 : state.stateCount + 1)
  return state === null ? null : new RunStateWriter(pack, names, state)
}

class RunStateWriter {
  readonly #pack: PackWriter
  readonly #names: NameIndex
  readonly #state: StateToPack
  readonly #seen = new Set<string>()

  constructor(pack: PackWriter, names: NameIndex, state: StateToPack) {
    this.#pack = pack
    this.#names = names
    this.#state = state
  }

  put({ record: { timer }, stateKey = null, streamTime = null }: RecordOfState): void {
    this.#pack.putNumber(streamTime ?? NO_TIME)
    this.#pack.putNumber(timer === undefined ? NO_TIMER : this.#names.indexOf(timer.name))
    if (timer !== undefined) this.#pack.putNumber(timer.clock === 'stream' ? 0 : 1)
    if (stateKey === null || this.#seen.has(stateKey)) {
      this.#pack.putNumber(0)
      return
    }
    this.#seen.add(stateKey)
    this.#pack.putNumber(1)
    for (let at = 0; at < this.#state.stateCount; at += 1) {
      this.#pack.putBytes(this.#state.read(at, stateKey)?.bytes ?? null)
    }
  }
}

/** null: nothing is kept. */
export function takeState(pack: PackReader): PackedState | null {
  const more = pack.takeNumber()
  return more === 0 ? null : new PackedState(pack, more - 1)
}

/** What there was before a run. */
export class PackedState implements StateReader {
  readonly #pack: PackReader
  readonly stateCount: number
  readonly #values = new Map<string, readonly (StateValue | null)[]>()

  constructor(pack: PackReader, stateCount: number) {
    this.#pack = pack
    this.stateCount = stateCount
  }

  /** Of the next record. */
  take(key: Uint8Array | null, names: readonly string[]): TimeOfRecord {
    const time = this.#pack.takeNumber()
    const name = this.#pack.takeNumber()
    const timer = name === NO_TIMER ? null : { name: names[name]!, clock: this.#takeClock() }
    if (this.#pack.takeNumber() === 1 && key !== null) {
      const values: (StateValue | null)[] = []
      for (let at = 0; at < this.stateCount; at += 1) values.push(valueOf(this.#pack.takeBytes()))
      this.#values.set(keyTextOf(key), values)
    }
    return { streamTime: time === NO_TIME ? null : time, timer }
  }

  #takeClock(): TimerCause['clock'] {
    return this.#pack.takeNumber() === 0 ? 'stream' : 'wall'
  }

  read(at: number, key: string): StateValue | null {
    return this.#values.get(key)?.[at] ?? null
  }
}

export function putChanges(pack: PackWriter, changes: StateChanges): void {
  pack.putNumber(changes.length)
  for (const { at, value } of changes) {
    pack.putNumber(at)
    pack.putBytes(value?.bytes ?? null)
  }
}

export function takeChanges(pack: PackReader): StateChanges {
  const changes: StateChange[] = []
  for (let left = pack.takeNumber(); left > 0; left -= 1) {
    const at = pack.takeNumber()
    changes.push({ at, value: valueOf(pack.takeBytes()) })
  }
  return changes
}

/** A copy: what is kept for long must not keep the bytes of a whole batch with it. */
function valueOf(bytes: Uint8Array | null): StateValue | null {
  return bytes === null ? null : StateValue.read(Uint8Array.from(bytes))
}
