/**
 * What becomes of a record that failed, as data: another attempt, or what the policies say when it has failed for good.
 * Nothing is done here; the partition actor carries the ruling out.
 */
import type { Clock } from '../clock.ts'
import { describeWire, failureCode, ownCode, type ErrorCode, type WireError } from '../errors.ts'
import type { ResolvedActor } from '../options/options.ts'
import type { FailedRecords } from './handlers/handler.ts'
import type { AskedRetry, FailedVerdict, NeedsSchema } from './handlers/verdict.ts'
import type { Failure, Invocation } from './invocation.ts'
import { MAX_THROTTLE_MS, retryDelayMs } from './retry.ts'

export type Ruling = Retry | DeadLetter | Park | Halt | SkipFailed

/** Why a record has failed for good: a code of the table, and the error of its last attempt. */
export interface Fault {
  readonly code: ErrorCode
  readonly error: WireError
}

/** The lane waits, then the record goes again. */
export interface Retry {
  readonly type: 'retry'
  readonly error: WireError
  readonly delayMs: number
  /** The attempt that failed is none of those that `retry.attempts` limits. */
  readonly isUnlimited: boolean
  /** In a call of its own from now on. */
  readonly isAlone: boolean
}

/** To this topic; the lane goes on. */
export interface DeadLetter extends Fault {
  readonly type: 'dead-letter'
  readonly topic: string
}

/** The lane waits until an operator decides. */
export interface Park extends Fault {
  readonly type: 'park'
}

/** The actor stops on the record, which nobody may drop. */
export interface Halt extends Fault {
  readonly type: 'halt'
  /** Of why the actor stops; of the record it is part of the reason. */
  readonly code: ErrorCode
  readonly reason: string
  /** The supervisor has to end as well. */
  readonly escalates: boolean
}

/** It counts as finished; the lane goes on. */
export interface SkipFailed extends Fault {
  readonly type: 'skip'
}

const askedForRetry: WireError = {
  name: 'Error',
  message: 'the handler asked for a retry',
  kind: 'troupe',
  code: 'RETRY_ASKED',
}

/** What triage has to know of a record. */
type Tried = Pick<Invocation, 'attempt' | 'failure'>

/** An attempt has failed: the one that the record is at. */
export function ruleOnAttempt(
  actor: ResolvedActor,
  tried: Tried,
  verdict: FailedVerdict,
  random: () => number,
): Ruling {
  switch (verdict.type) {
    case 'failed':
      return retryOrGiveUp(actor, tried, verdict.error, undefined, random)
    case 'retry': {
      const error = verdict.error ?? askedForRetry
      // That all calls which it shared have failed may be the fault of another: final is only what it does alone.
      if (verdict.isShared === true && error.kind !== 'throttled' && hasNoneLeft(actor, tried)) {
        const delayMs = retryDelayMs(actor.retry, tried.attempt, verdict.afterMs, random)
        return { type: 'retry', error, delayMs, isUnlimited: true, isAlone: true }
      }
      return retryOrGiveUp(actor, tried, error, verdict.afterMs, chanceOf(verdict, random))
    }
    case 'retry-unlimited': {
      const delayMs = retryDelayMs(actor.retry, tried.attempt, verdict.afterMs, chanceOf(verdict, random))
      return { type: 'retry', error: verdict.error ?? askedForRetry, delayMs, isUnlimited: true, isAlone: false }
    }
    case 'skip-failed':
      return giveUp(actor, 'skip', faultOf(verdict.error))
    case 'dead-letter':
    case 'park':
    case 'stop':
    case 'escalate':
      return giveUp(actor, verdict.type, faultOf(verdict.error))
  }
}

/** Records that are to go again together must not be kept apart by chance. */
function chanceOf({ isShared }: AskedRetry, random: () => number): () => number {
  return isShared === true ? () => 0 : random
}

/** A sink has refused an output of a handled record for good. */
export function ruleOnRefusedOutput(actor: ResolvedActor, error: WireError): Ruling {
  return giveUp(actor, actor.failedRecords, { code: refusalCode(error), error })
}

/** The dead-letter topic refuses it, which is the end of the line: the record stays unfinished. */
export function ruleOnRefusedLetter(actor: ResolvedActor, error: WireError): Park | Halt {
  const code = refusalCode(error)
  const reason = `the dead-letter topic ${actor.deadLetter} refuses it: ${describeWire(error)}`
  if (actor.failedRecords !== 'park') return { type: 'halt', error, code, reason, escalates: false }
  const { cause: _, ...told } = error
  return { type: 'park', code, error: { ...told, message: reason } }
}

/** A dead letter, or a halt where nobody has said where to. */
export function deadLetterOrHalt(actor: ResolvedActor, { code, error }: Fault): DeadLetter | Halt {
  if (actor.deadLetter !== null) return { type: 'dead-letter', code, error, topic: actor.deadLetter }
  const reason = `it failed for good and actor ${actor.name} has no dead-letter topic: ${describeFault({ code, error })}`
  return { type: 'halt', error, code: 'NO_DEAD_LETTER_TOPIC', reason, escalates: false }
}

/** What keeps a record the first of its lane. */
export type Standing = Retry | Park | Halt | NeedsSchema

export function keepsLane(next: Ruling | NeedsSchema): next is Standing {
  switch (next.type) {
    case 'retry':
    case 'park':
    case 'halt':
    case 'needs-schema':
      return true
    case 'dead-letter':
    case 'skip':
      return false
  }
}

/** The code, that of the error too where it says more, and the error with its causes. */
export function describeFault({ code, error }: Fault): string {
  const own = ownCode(error)
  return `${code}: ${own === code ? '' : `${own}: `}${describeWire(error)}`
}

function faultOf(error: WireError): Fault {
  return { code: failureCode(error), error }
}

/** A sink of somebody's own may answer with any error. */
function refusalCode(error: WireError): ErrorCode {
  return error.kind === 'troupe' ? failureCode(error) : 'SINK_REFUSED'
}

function retryOrGiveUp(
  actor: ResolvedActor,
  tried: Tried,
  error: WireError,
  ownDelayMs: number | undefined,
  random: () => number,
): Ruling {
  const delayMs = retryDelayMs(actor.retry, tried.attempt, ownDelayMs, random)
  if (error.kind === 'throttled') {
    // That is no failure of this record.
    return { type: 'retry', error, delayMs: Math.min(delayMs, MAX_THROTTLE_MS), isUnlimited: true, isAlone: false }
  }
  if (hasNoneLeft(actor, tried)) return giveUp(actor, actor.failedRecords, { code: 'ATTEMPTS_EXHAUSTED', error })
  return { type: 'retry', error, delayMs, isUnlimited: actor.retry.attempts === 'unlimited', isAlone: false }
}

/** The attempt that it is at is the last. What an outage took, attempt by attempt, is not taken from those for other errors. */
function hasNoneLeft({ retry: { attempts } }: ResolvedActor, { attempt, failure }: Tried): boolean {
  return attempts !== 'unlimited' && attempt - (failure?.unlimitedAttempts ?? 0) >= attempts
}

function giveUp(actor: ResolvedActor, policy: FailedRecords, fault: Fault): Ruling {
  const { error } = fault
  switch (policy) {
    case 'dead-letter':
      return deadLetterOrHalt(actor, fault)
    case 'park':
    case 'skip':
      return { type: policy, ...fault }
    case 'stop': {
      const reason = `its policy is to stop on it: ${describeFault(fault)}`
      return { type: 'halt', error, code: 'ACTOR_STOPPED', reason, escalates: false }
    }
    case 'escalate': {
      const reason = `its policy is to end the supervisor: ${describeFault(fault)}`
      return { type: 'halt', error, code: 'ESCALATED', reason, escalates: true }
    }
  }
}

/** What the attempts of a record have come to, after one more of them. */
export function failureAfter(before: Failure | null, ruling: Ruling, clock: Clock): Failure {
  const now = clock.wallNow()
  const { firstAtMs = now, sinceMs = clock.now(), unlimitedAttempts = 0 } = before ?? {}
  return {
    firstAtMs,
    sinceMs,
    atMs: now,
    error: ruling.error,
    code: ruling.type === 'retry' ? failureCode(ruling.error) : ruling.code,
    unlimitedAttempts: unlimitedAttempts + (ruling.type === 'retry' && ruling.isUnlimited ? 1 : 0),
  }
}
