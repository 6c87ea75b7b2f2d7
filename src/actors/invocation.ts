/**
 * One record on its way through an actor.
 *
 *     queued → at-handler → at-sinks (or at-dead-letters, or at-checkpoint) → finished
 *        ↑         ↓
 *        └───── waiting (for its next attempt), waits-for-schema (before it can be decoded)
 *               or parked (until an operator decides)
 *
 * `in-line`: of a front, done, while those before it are not. `halted` is the record that its actor stopped on. One that waits for its checkpoint counts as finished in its tracker
 * already: the checkpoint makes that true together with its outputs.
 */
import type { ErrorCode, WireError } from '../errors.ts'
import type { EncodedEffect } from '../streams/flows/effect-encoder.ts'
import type { Stamp } from '../state/stamp.ts'
import type { SourceRecord } from '../streams/record.ts'
import { NO_KEY, type Keyed } from './lanes/busy-keys.ts'

export type Stage =
  | 'queued'
  | 'at-handler'
  | 'waiting'
  | 'waits-for-schema'
  | 'in-line'
  | 'parked'
  | 'at-sinks'
  | 'at-dead-letters'
  | 'at-checkpoint'
  | 'halted'

/** What the attempts so far came to. */
export interface Failure {
  /** Wall time of the first one. */
  readonly firstAtMs: number
  /** Clock time since when it is tried again: of the first one, or of an operator's word. */
  readonly sinceMs: number
  /** Wall time of the last one, and its error. */
  readonly atMs: number
  readonly error: WireError
  /** What that counts as; of a record that failed for good, why it did. */
  readonly code: ErrorCode
  /** Of the attempts, those that counted for nothing: an outage, waited for without limit. */
  readonly unlimitedAttempts: number
}

/** Its key is hashed when it is admitted: the bytes belong to the handler, which may write over them. */
export interface Invocation extends Keyed {
  readonly record: SourceRecord
  /** What the offset tracker knows it by. */
  readonly sequence: number
  /** Its key as its actor's state knows it, taken before a handler can write over the bytes; null: it has none, or nothing is kept. */
  stateKey: string | null
  /** The greatest time of it and all earlier ones, where state is kept; where values tell it, not before its turn. */
  streamTime: number | null
  /** Of a record that tells its time by itself; null: its turn has not come, or it does not. */
  stamp: Stamp | null
  /** What it counts against the intake's budget. */
  readonly bytes: number
  /** And what is kept of its outputs, until its checkpoint stands. */
  keptBytes: number
  /** Clock time when it was admitted. */
  readonly admittedAtMs: number
  stage: Stage
  /** The try it is at, or comes to next: 1 before the first. */
  attempt: number
  /** null while no attempt has failed. */
  failure: Failure | null
  /** Clock time of its next attempt, while it waits for one. */
  nextAttemptAtMs: number
  /** Id of the schema that it waits for, while it waits for one. */
  neededSchema: number
  /** It goes in a batch, or in a call, of its own: it shared one that failed, or failed in one. */
  runsAlone: boolean
  /** It shared a batch whose thread died, and nobody could tell whose fault it was: it has its thread to itself as well. */
  isSuspect: boolean
  /** What it became, while some of that is at its sinks. */
  outputs: readonly EncodedEffect[]
  /** The next record of the lane. */
  next: Invocation | null
  /** Its neighbours among all that its actor holds. */
  older: Invocation | null
  newer: Invocation | null
}

export const noOutputs: readonly EncodedEffect[] = []

export function newInvocation(record: SourceRecord, sequence: number, bytes: number, nowMs: number): Invocation {
  return {
    record,
    sequence,
    stateKey: null,
    streamTime: null,
    stamp: null,
    bytes,
    keptBytes: 0,
    admittedAtMs: nowMs,
    stage: 'queued',
    attempt: 1,
    failure: null,
    nextAttemptAtMs: 0,
    neededSchema: 0,
    runsAlone: false,
    isSuspect: false,
    outputs: noOutputs,
    keyPlace: NO_KEY,
    keyCheck: 0,
    next: null,
    older: null,
    newer: null,
  }
}
