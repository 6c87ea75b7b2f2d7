/** What a handler under test keeps: as in the engine, the state of a key is that of its partition. */
import { AttemptState, type CallState } from '../state/attempt-state.ts'
import type { DeclaredStates } from '../state/declared-state.ts'
import { keyTextOf, type StateReader } from '../state/partition-state.ts'
import type { StateChange } from '../state/state-value.ts'
import type { StateValue } from '../state/state-value.ts'
import { StreamTime } from '../state/stream-time.ts'
import type { SourceRecord } from '../streams/record.ts'
import { declaredState, keptValue } from './kept-values.ts'

/** The values of one state, as tests read them. */
export interface HarnessValues<GivenKey> {
  /** What is kept for this key; undefined: nothing, or it has expired. Of partition 0, unless given. */
  get(key: GivenKey, options?: { readonly partition?: number }): unknown
}

class PartitionValues implements StateReader {
  readonly time = new StreamTime(null)
  readonly #values = new Map<string, (StateValue | null)[]>()

  read(at: number, key: string): StateValue | null {
    return this.#values.get(key)?.[at] ?? null
  }

  apply(key: string, changes: readonly StateChange[]): void {
    let values = this.#values.get(key)
    if (values === undefined) this.#values.set(key, (values = []))
    for (const { at, value } of changes) values[at] = value
  }
}

export class HarnessState {
  readonly #states: DeclaredStates
  readonly #partitions = new Map<number, PartitionValues>()

  constructor(states: DeclaredStates) {
    this.#states = states
  }

  attempt(record: SourceRecord): AttemptState {
    const of = this.#partition(record.partition)
    return new AttemptState(of, textOf(record), of.time.note(record.offset, record.timestamp))
  }

  /** Of the next record of a call. */
  attemptIn(call: CallState, record: SourceRecord): AttemptState {
    const of = this.#partition(record.partition)
    return call.attempt(of, textOf(record), of.time.note(record.offset, record.timestamp))
  }

  /** The record was handled. */
  take({ key, partition }: SourceRecord, changes: readonly StateChange[] | undefined): void {
    if (key !== null && changes !== undefined) this.#partition(partition).apply(keyTextOf(key), changes)
  }

  /** As if a record of this time had come in every partition that there was one of. */
  advanceTo(streamTime: number): void {
    for (const { time } of this.#partitions.values()) time.note(-1, streamTime)
  }

  valueOf(name: string, key: Uint8Array, partition: number): unknown {
    const declared = declaredState(this.#states, name)
    const of = this.#partition(partition)
    const text = keyTextOf(key)
    return keptValue([name, declared], text, of.read(Object.keys(this.#states).indexOf(name), text), of.time.current)
  }

  #partition(partition: number): PartitionValues {
    let values = this.#partitions.get(partition)
    if (values === undefined) this.#partitions.set(partition, (values = new PartitionValues()))
    return values
  }
}

function textOf({ key }: SourceRecord): string | null {
  return key === null ? null : keyTextOf(key)
}
