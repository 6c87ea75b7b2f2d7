/**
 * What of one partition is tried again: found on demand, from counts and from the order in which lanes were blocked. A
 * walk over all of them would hold the loop for milliseconds, just while a service is down and everything fails.
 */
import type { WireError } from '../../errors.ts'
import { idOf } from '../../streams/record-id.ts'
import type { Lane, Lanes } from '../lanes/lanes.ts'
import type { ParkingLot } from '../parking-lot.ts'

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

/** null: nothing is. Parked records are not tried again by themselves. */
export function findRetrying(lanes: Lanes, parking: ParkingLot): Retrying | null {
  const count = lanes.failed.size - parking.laneCount
  if (count <= 0) return null
  const oldest = firstOf(lanes.failed)
  if (oldest === null) return null
  let records = lanes.failed.recordCount
  for (const { size } of parking.lanes()) records -= size
  return { lanes: count, records, oldest }
}

/** Lanes come in the order in which they were blocked. */
function firstOf(blocked: Iterable<Lane>): OldestRetry | null {
  for (const { head } of blocked) {
    if (head?.failure == null || head.stage === 'parked') continue
    const { attempt, failure, record } = head
    return { id: idOf(record), failures: attempt - 1, sinceMs: failure.sinceMs, error: failure.error }
  }
  return null
}
