/**
 * What becomes of a record that failed, as data: another attempt, or what the policies say when it has failed for good.
 * Nothing is done here; the partition actor carries the ruling out.
 */
import { describeWire, isErrorCode, type ErrorCode, type WireError } from '../errors.ts'
import type { ResolvedActor } from '../options/options.ts'
import type { FailedRecords } from './handlers/handler.ts'
import type { FailedVerdict } from './handlers/verdict.ts'
import { retryDelayMs } from './retry.ts'

export type Ruling = Retry | DeadLetter | Park | Halt | SkipFailed

/** The lane waits, then the record goes again. */
export interface Retry {
  readonly type: 'retry'
  readonly error: WireError
  readonly delayMs: number
}

/** To this topic; the lane goes on. */
export interface DeadLetter {
  readonly type: 'dead-letter'
  readonly error: WireError
  readonly topic: string
}

/** The lane waits until an operator decides. */
export interface Park {
  readonly type: 'park'
  readonly error: WireError
}

/** The actor stops on the record, which nobody may drop. */
export interface Halt {
  readonly type: 'halt'
  readonly error: WireError
  readonly code: ErrorCode
  readonly reason: string
  /** The supervisor has to end as well. */
  readonly escalates: boolean
}

/** It counts as finished; the lane goes on. */
export interface SkipFailed {
  readonly type: 'skip'
  readonly error: WireError
}

const askedForRetry: WireError = {
  name: 'Error',
  message: 'the handler asked for a retry',
  kind: 'retryable',
  code: 'RETRY_ASKED',
}

/** An attempt has failed: `attempt` counts from 1. */
export function ruleOnAttempt(
  actor: ResolvedActor,
  attempt: number,
  verdict: FailedVerdict,
  random: () => number,
): Ruling {
  switch (verdict.type) {
    case 'failed':
      return retryOrGiveUp(actor, attempt, verdict.error, undefined, random)
    case 'retry':
      return retryOrGiveUp(actor, attempt, verdict.error ?? askedForRetry, verdict.afterMs, random)
    case 'skip-failed':
      return giveUp(actor, 'skip', verdict.error)
    case 'dead-letter':
    case 'park':
    case 'stop':
    case 'escalate':
      return giveUp(actor, verdict.type, verdict.error)
  }
}

/** A sink has refused an output of a handled record for good. */
export function ruleOnRefusedOutput(actor: ResolvedActor, error: WireError): Ruling {
  return giveUp(actor, actor.failedRecords, error)
}

/** The dead-letter topic refuses it, which is the end of the line: the record stays unfinished. */
export function ruleOnRefusedLetter(actor: ResolvedActor, error: WireError): Park | Halt {
  const reason = `the dead-letter topic ${actor.deadLetter} refuses it: ${describeWire(error)}`
  if (actor.failedRecords === 'park') return { type: 'park', error: { ...error, message: reason } }
  const code = isErrorCode(error.code) ? error.code : 'NO_DEAD_LETTER_TOPIC'
  return { type: 'halt', error, code, reason, escalates: false }
}

/** A dead letter, or a halt where nobody has said where to. */
export function deadLetterOrHalt(actor: ResolvedActor, error: WireError): DeadLetter | Halt {
  if (actor.deadLetter !== null) return { type: 'dead-letter', error, topic: actor.deadLetter }
  const reason = `it failed for good and actor ${actor.name} has no dead-letter topic: ${describeWire(error)}`
  return { type: 'halt', error, code: 'NO_DEAD_LETTER_TOPIC', reason, escalates: false }
}

/** The record stays the first of its lane. */
export function keepsLane(ruling: Ruling): ruling is Retry | Park | Halt {
  return ruling.type === 'retry' || ruling.type === 'park' || ruling.type === 'halt'
}

function retryOrGiveUp(
  actor: ResolvedActor,
  attempt: number,
  error: WireError,
  ownDelayMs: number | undefined,
  random: () => number,
): Ruling {
  if (attempt >= actor.retry.attempts) return giveUp(actor, actor.failedRecords, error)
  return { type: 'retry', error, delayMs: retryDelayMs(actor.retry, attempt, ownDelayMs, random) }
}

function giveUp(actor: ResolvedActor, policy: FailedRecords, error: WireError): Ruling {
  switch (policy) {
    case 'dead-letter':
      return deadLetterOrHalt(actor, error)
    case 'park':
    case 'skip':
      return { type: policy, error }
    case 'stop': {
      const reason = `its policy is to stop on it: ${describeWire(error)}`
      return { type: 'halt', error, code: 'ACTOR_STOPPED', reason, escalates: false }
    }
    case 'escalate': {
      const reason = `its policy is to end the supervisor: ${describeWire(error)}`
      return { type: 'halt', error, code: 'ESCALATED', reason, escalates: true }
    }
  }
}
