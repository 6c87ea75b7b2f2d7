/** What of one partition is tried again. Found on demand, among the lanes whose first record has failed and is still their first. */
import type { WireError } from '../errors.ts'
import { idOf } from './invocation.ts'
import type { Lane } from './lanes.ts'

export interface Retrying {
  /** Records that have failed and are tried again: each is the first of its lane. */
  readonly lanes: number
  /** Those, and what stands behind them. */
  readonly records: number
  readonly oldest: OldestRetry
}

/** The record that failed first of those that are tried again. */
export interface OldestRetry {
  /** `topic/partition/offset`. */
  readonly id: string
  /** Attempts that have failed. */
  readonly failures: number
  /** Clock time of the first of them. */
  readonly sinceMs: number
  /** Of the last of them. */
  readonly error: WireError
}

/** null: nothing is. Parked records, and the one that the actor stopped on, are not tried again by themselves. */
export function findRetrying(blocked: Iterable<Lane>): Retrying | null {
  let lanes = 0
  let records = 0
  let oldest: OldestRetry | null = null
  for (const { head, size } of blocked) {
    if (head?.failure == null || head.stage === 'parked' || head.stage === 'halted') continue
    lanes += 1
    records += size
    const { attempt, failure, record } = head
    if (oldest !== null && failure.sinceMs >= oldest.sinceMs) continue
    oldest = { id: idOf(record), failures: attempt - 1, sinceMs: failure.sinceMs, error: failure.error }
  }
  return oldest === null ? null : { lanes, records, oldest }
}
