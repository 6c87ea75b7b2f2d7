/**
 * Whose fault was it that a thread ended? The rows of its batches tell which records it was at.
 *
 * - One record was at work: it is the culprit. That is the rule for synchronous handlers.
 * - Several were (asynchronous handlers), or the memory ran out, which any of those that ran may
 *   have filled: each of them runs alone next time, in a batch and on a thread of its own, and then
 *   there is one.
 * - None was: a timer or a socket left behind by a record that had ended. Nobody is charged.
 */
import { TroupeError, describeError, toWireError } from '../../errors.ts'
import type { DispatchedRun } from '../executors/executor.ts'
import type { Verdict } from '../handlers/verdict.ts'
import type { Invocation } from '../invocation.ts'
import { idOf } from '../../streams/record-id.ts'
import type { LaneRun } from '../lanes/lanes.ts'
import { isAtHandler, recordEnded } from './protocol/progress-board.ts'

/** A batch whose thread ended under it. */
export interface LostBatch<Run extends LaneRun = LaneRun> {
  /** `open` is null where the outcome is known. */
  readonly runs: readonly { readonly length: number; readonly open: Run | null }[]
  /** It had its thread to itself. */
  readonly isAlone: boolean
  /** How far the thread had come with the record at this index of the batch. */
  stateOf(index: number): number
}

export interface Suspect<Run extends LaneRun = LaneRun> {
  readonly invocation: Invocation
  readonly run: Run
}

export interface Findings<Run extends LaneRun = LaneRun> {
  /** null: nobody is charged with an attempt; everything goes again. */
  readonly culprit: Invocation | null
  /** Each that may have been it. */
  readonly suspects: readonly Suspect<Run>[]
}

/** Finds the culprit among all batches that were lost with one thread, and lets suspects run alone from now on. */
export function findCulprit<Run extends LaneRun>(
  lost: readonly LostBatch<Run>[],
  isOutOfMemory: boolean,
): Findings<Run> {
  for (const batch of lost) {
    if (!batch.isAlone || !isAtHandler(batch.stateOf(0))) continue
    const run = batch.runs[0]?.open
    const culprit = run?.invocations[0]
    if (run == null || culprit === undefined) return { culprit: null, suspects: [] }
    return { culprit, suspects: [{ invocation: culprit, run }] }
  }
  const suspects: Suspect<Run>[] = []
  for (const batch of lost) {
    let index = 0
    for (const { length, open } of batch.runs) {
      const first = index
      index += length
      if (open === null) continue
      for (const [at, invocation] of open.invocations.entries()) {
        const state = batch.stateOf(first + at)
        if (isAtHandler(state) || (isOutOfMemory && state === recordEnded)) suspects.push({ invocation, run: open })
      }
    }
  }
  for (const { invocation } of suspects) {
    invocation.runsAlone = true
    invocation.isSuspect = true
  }
  const [only] = suspects
  if (only === undefined || suspects.length > 1 || isOutOfMemory) return { culprit: null, suspects }
  // Behind others of its lane its turn has not come: their verdicts are lost, so they go again first.
  // Then it runs alone, and what happens then is certain.
  return { culprit: only.run.invocations[0] === only.invocation ? only.invocation : null, suspects }
}

/** What becomes of the attempt that ended its thread. */
export function deathOf(run: DispatchedRun, culprit: Invocation, wasHeld: boolean, cause: unknown): Verdict {
  const { handlerTimeoutMs, name } = run.actor.actor
  const at = `record ${idOf(culprit.record)}`
  const error = wasHeld
    ? new TroupeError('HANDLER_TIMEOUT', `handler ${name} held its thread longer than ${handlerTimeoutMs} ms on ${at}`)
    : new TroupeError('THREAD_DIED', `the worker thread ended while handler ${name} was at ${at}`, { cause })
  return { type: 'failed', error: toWireError(error) }
}

export function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && Reflect.get(error, 'code') === 'ERR_WORKER_OUT_OF_MEMORY'
}

/** A record that a thread was at when it ended. */
export interface RecordAtEnd {
  readonly record: string
  readonly handler: string
  readonly handlerTimeoutMs: number
}

export function atEnd({ suspects }: Findings<DispatchedRun>): RecordAtEnd[] {
  return suspects.map(({ invocation, run }) => {
    const { handlerTimeoutMs, name } = run.actor.actor
    return { record: idOf(invocation.record), handler: name, handlerTimeoutMs }
  })
}

/** Enough to look into; there may be thousands. */
const MAX_NAMED = 10

/** As much of a thread that has ended as the log tells. */
interface EndedThread {
  readonly cause: unknown
  readonly wasAt: readonly RecordAtEnd[]
  readonly wasHeld: boolean
}

/** The line of the log: why it ended, and what it was at. */
export function describeThreadEnd({ cause, wasAt, wasHeld }: EndedThread): [fields: object, message: string] {
  const limitMs = Math.max(0, ...wasAt.map(({ handlerTimeoutMs }) => handlerTimeoutMs))
  const held = wasAt.length === 0 ? 'by what an earlier record left behind' : `for longer than ${limitMs} ms`
  const reason = wasHeld ? `it was held ${held}, and we ended it` : describeError(cause)
  const named = wasAt.slice(0, MAX_NAMED)
  const names = named.map(({ handler, record }) => `${record} (handler ${handler})`).join(', ')
  const more = wasAt.length > named.length ? `, and ${wasAt.length - named.length} more` : ''
  const at =
    wasAt.length > 1
      ? `it was at one of ${wasAt.length} records, each of which runs alone next time: ${names}${more}`
      : `it was at ${wasAt.length === 1 ? `record ${names}` : 'no record'}`
  // How a thread ends that was ended says nothing.
  const fields = { ...(wasHeld ? {} : { error: cause }), records: named.map(({ record }) => record) }
  return [fields, `a worker thread ended and is replaced: ${reason}; ${at}`]
}
