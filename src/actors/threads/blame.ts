/**
 * Whose fault was it that a thread ended? The rows of its batches tell which records it was at.
 *
 * - One record was at work: it is the culprit. That is the rule for synchronous handlers.
 * - Several were (asynchronous handlers), or the memory ran out, which any of those that ran may
 *   have filled: each of them runs alone next time, in a batch and on a thread of its own, and then
 *   there is one.
 * - None was: a timer or a socket left behind by a record that had ended. Nobody is charged.
 */
import type { Invocation } from '../invocation.ts'
import type { LaneRun } from '../lanes.ts'
import { isAtHandler, recordEnded } from './progress-board.ts'

/** A batch whose thread ended under it. */
export interface LostBatch {
  /** `open` is null where the outcome is known. */
  readonly runs: readonly { readonly length: number; readonly open: LaneRun | null }[]
  /** It had its thread to itself. */
  readonly isAlone: boolean
  /** How far the thread had come with the record at this index of the batch. */
  stateOf(index: number): number
}

/**
 * Finds the culprit among all batches that were lost with one thread, and lets suspects run alone
 * from now on. null: nobody is charged with an attempt; everything goes again.
 */
export function findCulprit(lost: readonly LostBatch[], isOutOfMemory: boolean): Invocation | null {
  for (const batch of lost) {
    if (batch.isAlone && isAtHandler(batch.stateOf(0))) return batch.runs[0]?.open?.invocations[0] ?? null
  }
  const suspects: { readonly invocation: Invocation; readonly run: LaneRun }[] = []
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
  if (only === undefined || suspects.length > 1 || isOutOfMemory) return null
  // Behind others of its lane its turn has not come: their verdicts are lost, so they go again first.
  // Then it runs alone, and what happens then is certain.
  return only.run.invocations[0] === only.invocation ? only.invocation : null
}
