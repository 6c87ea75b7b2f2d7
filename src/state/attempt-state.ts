/**
 * The state of a record's key, as one attempt sees it: what it has set itself, over what there was. It is the attempt's own:
 * what it has changed goes with its verdict, and only if the record is handled. So an attempt that fails, is too late, or
 * dies with its thread leaves no trace.
 */
import type { StateReader } from './partition-state.ts'
import type { Stamp } from './stamp.ts'
import type { StateChange } from './state-value.ts'
import type { StateValue } from './state-value.ts'
import { streamDueMs } from './timers.ts'

export class AttemptState implements StateReader {
  /** null: the record has no key. */
  readonly key: string | null
  /** Of the record. */
  readonly streamTime: number | null
  /** null: it was not stamped, and nothing of it was read. */
  readonly stamp: Stamp | null
  /** The last of each state; null: none. */
  changes: StateChange[] | null = null
  readonly #before: StateReader

  /** `before` has what there was, for the key of the record. */
  constructor(before: StateReader, key: string | null, streamTime: number | null, stamp: Stamp | null = null) {
    this.#before = before
    this.key = key
    this.streamTime = streamTime
    this.stamp = stamp
  }

  read(at: number, key: string): StateValue | null {
    if (this.changes !== null) {
      for (const change of this.changes) {
        if (change.at === at && (change.key === undefined ? key === this.key : change.key === key)) return change.value
      }
    }
    return this.#before.read(at, key)
  }

  set(at: number, value: StateValue | null): void {
    this.#put({ at, value })
  }

  /** The same of another key than the record's, or of one that has none. */
  setOf(key: string, at: number, value: StateValue | null): void {
    this.#put(key === this.key ? { at, value } : { at, value, key })
  }

  #put(change: StateChange): void {
    if (this.changes === null) {
      this.changes = [change]
      return
    }
    const place = this.changes.findIndex((before) => before.at === change.at && before.key === change.key)
    if (place < 0) this.changes.push(change)
    else this.changes[place] = change
  }
}

/** What there was before a run, and how many states its handler has. */
export interface StateOfRun extends StateReader {
  readonly stateCount: number
}

/** What the records of a run have set that are handled, and not settled yet, over what there was before the run. */
export class RunState implements StateReader {
  readonly #before: StateOfRun
  #changed: Map<string, (StateValue | null | undefined)[]> | null = null
  /** Of the timers by stream time that they have set. */
  #firstDueMs = Number.POSITIVE_INFINITY

  constructor(before: StateOfRun) {
    this.#before = before
  }

  /** A timer that they have set comes before a record of this stream time: it belongs to another run. */
  endsBefore(streamTime: number | null): boolean {
    return streamTime !== null && this.#firstDueMs <= streamTime
  }

  read(at: number, key: string): StateValue | null {
    const own = this.#changed?.get(key)?.[at]
    return own === undefined ? this.#before.read(at, key) : own
  }

  /** What its next record of this key has set. */
  take(key: string | null, changes: readonly StateChange[] | undefined): void {
    if (changes === undefined) return
    this.#changed ??= new Map()
    for (const change of changes) {
      const changedKey = change.key ?? key
      if (changedKey === null) continue
      let values = this.#changed.get(changedKey)
      if (values === undefined) this.#changed.set(changedKey, (values = []))
      values[change.at] = change.value
      const dueMs = streamDueMs(change, this.#before.stateCount)
      if (dueMs !== null && dueMs < this.#firstDueMs) this.#firstDueMs = dueMs
    }
  }
}

/**
 * The attempts of one call of a batch handler: a record sees what earlier ones of its key have set by then. Should one of
 * those fail, what came after it was made of what does not count.
 */
export class CallState {
  readonly #last = new Map<StateReader, Map<string, AttemptState>>()
  readonly #previous = new Map<AttemptState, AttemptState>()
  /** Failed, or made of what has. */
  readonly #void = new Set<AttemptState>()

  /** Of the next record. */
  attempt(
    before: StateReader,
    key: string | null,
    streamTime: number | null,
    stamp: Stamp | null = null,
  ): AttemptState {
    if (key === null) return new AttemptState(before, key, streamTime, stamp)
    let lastOf = this.#last.get(before)
    if (lastOf === undefined) {
      lastOf = new Map()
      this.#last.set(before, lastOf)
    }
    const previous = lastOf.get(key)
    const attempt = new AttemptState(previous ?? before, key, streamTime, stamp)
    if (previous !== undefined) this.#previous.set(attempt, previous)
    lastOf.set(key, attempt)
    return attempt
  }

  /** Told in their order. False: its verdict does not count, since an earlier one of its key has failed after it had set something. */
  counts(attempt: AttemptState, isHandled: boolean): boolean {
    const previous = this.#previous.get(attempt)
    const isMadeOfVoid = previous !== undefined && this.#void.has(previous)
    if (isMadeOfVoid || (!isHandled && attempt.changes !== null)) this.#void.add(attempt)
    return !isMadeOfVoid
  }
}
