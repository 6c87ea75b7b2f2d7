/** Runs the records of one lane in order, up to the first that fails: the rest goes back unrun. */
import { systemClock } from '../clock.ts'
import type { HandlerRunner } from './handler-runner.ts'
import type { BatchNotes } from './progress-board.ts'
import { TurnWatch } from './turn-watch.ts'
import type { PackedRecord, PackedVerdicts } from './thread-protocol.ts'
import { endsRun, type Verdict } from './verdict.ts'

const turns = new TurnWatch(systemClock)

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
  return { verdicts, elapsedMs: performance.now() - startedAt, promise: null }
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
  const heldMs = (performance.now() - startedAt) / (verdicts.length + 1)
  const hasWaited = turns.begin()
  let verdict = await begun.pending
  const promise = { heldMs, hasWaited: hasWaited() }
  for (;;) {
    notes.endRecord(first + verdicts.length)
    verdicts.push(verdict)
    const next = records[verdicts.length]
    if (next === undefined || endsRun(verdict)) break
    notes.beginRecord(first + verdicts.length)
    verdict = await runner.run(next.record, next.attempt)
  }
  return { verdicts, elapsedMs: performance.now() - startedAt, promise }
}
