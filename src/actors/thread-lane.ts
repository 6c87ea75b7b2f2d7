/** Runs the records of one lane in order, up to the first that fails: the rest goes back unrun. */
import type { HandlerRunner } from './handler-runner.ts'
import type { BatchNotes } from './progress-board.ts'
import type { PackedRecord, PackedVerdicts } from './thread-protocol.ts'
import { endsRun, type Verdict } from './verdict.ts'

/**
 * A promise only when the handler is asynchronous. `first` is the index in the batch of the first
 * of these records; `startedAt` is what `performance` says now, which the caller knows from the lane
 * before.
 */
export function runLane(
  runner: HandlerRunner,
  records: readonly PackedRecord[],
  first: number,
  notes: BatchNotes,
  startedAt: number,
): PackedVerdicts | Promise<PackedVerdicts> {
  const verdicts: Verdict[] = []
  for (let index = 0; index < records.length; index += 1) {
    const { record, attempt } = records[index]!
    notes.beginRecord(first + index)
    const result = runner.run(record, attempt)
    if (result instanceof Promise) {
      return finishLane(runner, records, first, notes, { startedAt, verdicts, pending: result })
    }
    notes.endRecord(first + index)
    verdicts.push(result)
    if (endsRun(result)) break
  }
  return { verdicts, elapsedMs: performance.now() - startedAt, isAsync: false }
}

/** The same from the first promise on. */
async function finishLane(
  runner: HandlerRunner,
  records: readonly PackedRecord[],
  first: number,
  notes: BatchNotes,
  begun: { readonly startedAt: number; readonly verdicts: Verdict[]; readonly pending: Promise<Verdict> },
): Promise<PackedVerdicts> {
  const { startedAt, verdicts } = begun
  let verdict = await begun.pending
  for (;;) {
    notes.endRecord(first + verdicts.length)
    verdicts.push(verdict)
    const next = records[verdicts.length]
    if (next === undefined || endsRun(verdict)) break
    notes.beginRecord(first + verdicts.length)
    verdict = await runner.run(next.record, next.attempt)
  }
  return { verdicts, elapsedMs: performance.now() - startedAt, isAsync: true }
}
