/** What became of one attempt, decided where the handler ran. Plain data: it crosses threads. */
import type { WireError } from '../../errors.ts'
import type { EncodedEffect } from '../../streams/flows/effect-encoder.ts'
import type { StateChange } from '../../state/state-value.ts'
import type { AsideReason } from '../../operators/operator.ts'
import type { FailedRecords } from './handler.ts'

export type Verdict =
  /** Handled; these outputs have to become durable. */
  | {
      readonly type: 'done'
      readonly effects: readonly EncodedEffect[]
      readonly changes?: StateChanges
      readonly aside?: AsideReason
    }
  /** Handled as well: what it has set counts. */
  | { readonly type: 'skip'; readonly changes?: StateChanges; readonly timeMs?: number }
  | AskedRetry
  /** An ordinary failure: another attempt while there are some left. */
  | { readonly type: 'failed'; readonly error: WireError; readonly timeMs?: number }
  | FinalFailure
  | NeedsSchema
  /** Never ran, or its reply was lost through no fault of its own: goes again, and no attempt is counted. */
  | { readonly type: 'unrun' }
  /** Its call failed as a whole, and nobody can tell by whose fault: it goes again in a call of its own, and no attempt is counted. */
  | { readonly type: 'alone' }

/** What became of an attempt that the handler, or somebody for it, has spoken on. */
export type ToldVerdict = Exclude<Verdict, { readonly type: 'unrun' | 'alone' }>

/** What the record has made of the state of its key; missing: nothing. */
export type StateChanges = readonly StateChange[]

/** Cannot be decoded before this schema is known, so it has not come to its handler: it waits, goes again, and no attempt is counted. */
export interface NeedsSchema {
  readonly type: 'needs-schema'
  readonly id: number
}

/** Another attempt is asked for, after its own delay where it names one. `retry-unlimited`: however many there were. */
export interface AskedRetry {
  readonly type: 'retry' | 'retry-unlimited'
  readonly afterMs: number | undefined
  /** undefined: the handler returned `retry()`. */
  readonly error: WireError | undefined
  readonly timeMs?: number
  /** For all records of a call of several: it is nobody's fault, so they go again together. */
  readonly isShared?: true
}

/** The attempt did not go well: what becomes of its record is for triage to say. */
export type FailedVerdict = Exclude<Verdict, { readonly type: 'done' | 'skip' | 'needs-schema' | 'unrun' | 'alone' }>

/** No attempt will change this: by the handler's word, by its `onError`, or by the actor's `failedRecords`. */
export interface FinalFailure {
  readonly type: 'dead-letter' | 'park' | 'stop' | 'escalate' | 'skip-failed'
  readonly error: WireError
  readonly timeMs?: number
  /** Of an operator: why its record does not count. */
  readonly aside?: AsideReason
}

export const skipVerdict: Verdict = { type: 'skip' }
export const aloneVerdict: Verdict = { type: 'alone' }
export const unrunVerdict: Verdict = { type: 'unrun' }
export const doneWithNothing: Verdict = { type: 'done', effects: [] }

/** The handler was not asked, or its word does not count. */
export function isNoAttempt({ type }: Verdict): boolean {
  return type === 'unrun' || type === 'needs-schema'
}

export function finalFailure(policy: FailedRecords, error: WireError): FinalFailure {
  return { type: policy === 'skip' ? 'skip-failed' : policy, error }
}

/** Whoever has handled it has said so. */
export function deadLetterVerdict(reason: string): FinalFailure {
  return { type: 'dead-letter', error: { name: 'DeadLetter', code: 'DEAD_LETTER', message: reason, kind: 'troupe' } }
}

/** The attempt failed, and another one may go well. */
export function mayGoWellLater({ type }: Verdict): boolean {
  return type === 'retry' || type === 'retry-unlimited' || type === 'failed' || type === 'alone'
}

/** What a handled record has set and deleted. undefined: nothing, or it was not handled. */
export function changesOf(verdict: Verdict): StateChanges | undefined {
  return verdict.type === 'done' || verdict.type === 'skip' ? verdict.changes : undefined
}

/** The verdict with what its record has set, which counts where it was handled. */
export function withChanges(verdict: Verdict, changes: StateChanges | null): Verdict {
  if (changes === null) return verdict
  if (verdict.type === 'done') return { type: 'done', effects: verdict.effects, changes }
  return verdict.type === 'skip' ? { type: 'skip', changes } : verdict
}

/** The verdict with the time of its record, which passes though nothing of it goes on. Of outputs each has it already. */
export function withTime(verdict: Verdict, timeMs: number | undefined): Verdict {
  if (timeMs === undefined) return verdict
  switch (verdict.type) {
    case 'done':
    case 'needs-schema':
    case 'unrun':
    case 'alone':
      return verdict
    default:
      return { ...verdict, timeMs }
  }
}

/** undefined: it says none. */
export function timeOf(verdict: Verdict): number | undefined {
  return 'timeMs' in verdict ? verdict.timeMs : undefined
}

/** After these the lane waits or ends, so what comes after it in its run goes back unrun. */
export function endsRun(verdict: Verdict): boolean {
  switch (verdict.type) {
    case 'retry':
    case 'retry-unlimited':
    case 'failed':
    case 'needs-schema':
    case 'unrun':
    case 'alone':
    case 'park':
    case 'stop':
    case 'escalate':
      return true
    case 'done':
    case 'skip':
    case 'dead-letter':
    case 'skip-failed':
      return false
  }
}
