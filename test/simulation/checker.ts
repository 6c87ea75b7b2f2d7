/** What a checker is: a pure function over the journal of a world, which returns the violations it found, in words. */
import type { JournalEvent } from './journal.ts'

export interface WorldFacts {
  readonly order: 'key' | 'partition' | 'unordered'
  /** Records that one member may have in progress at handlers. */
  readonly concurrency: number
  /** So long after an abort signal, which comes so long after the begin, a call is given up. */
  readonly handlerTimeoutMs: number
  /** Records that one member may have read and not finished. */
  readonly maxRecords: number
  readonly guarantee: 'at-least-once' | 'exactly-once'
  /** What its handlers keep; missing: nothing. */
  readonly state?: {
    readonly ttlMs: number
    /** They set timers by stream time. */
    readonly timers?: boolean
    /** Its handlers get many records in a call. */ readonly inCalls?: boolean
  }
  /** Nothing but clean starts, stops and hand-overs happened: nothing may be repeated. */
  readonly isCalm: boolean
}

export type Checker = (events: readonly JournalEvent[], facts: WorldFacts) => string[]

const MAX_VIOLATIONS = 5

/** The first few, and how many more there are. */
export function shortened(violations: readonly string[]): string[] {
  if (violations.length <= MAX_VIOLATIONS) return [...violations]
  return [...violations.slice(0, MAX_VIOLATIONS), `and ${violations.length - MAX_VIOLATIONS} more`]
}

/** The value of a key, made at its first use. */
export function entry<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  let value = map.get(key)
  if (value === undefined) map.set(key, (value = make()))
  return value
}
