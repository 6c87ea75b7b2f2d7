/** What a partition actor is doing, for those who look at it from outside. */

import type { ErrorCode } from '../errors.ts'

/** Why a partition goes no further by itself. */
export interface HaltedRecord {
  /** Of why the actor stopped. */
  readonly code: ErrorCode
  readonly id: string
  readonly offset: number
  readonly attempt: number
  readonly reason: string
  readonly sinceMs: number
}

/** Records, by where they stand. What is missing from `held` stands behind others of its lane. */
export interface ActorLoad {
  readonly held: number
  readonly ready: number
  readonly atHandler: number
  readonly atSinks: number
  /** Handled: their outputs, state and position become durable at once, at the next checkpoint. */
  readonly atCheckpoint: number
  /** Parked, between two attempts, in need of a schema, or behind such a one. */
  readonly waiting: number
  /** Of those, the ones that cannot be decoded before a schema is known, and what stands behind them. */
  readonly waitingForSchemas: number
  readonly parked: number
}

export interface LargestLane {
  /** null: the record at its head has none. */
  readonly key: string | null
  readonly records: number
}

/** Why the intake of a partition is stopped. */
export type IntakeStop = 'halted' | 'completion-map' | 'waiting-keys' | 'restoring' | 'refused-outputs' | 'read-ahead'
