/** Runs a call of a batch handler: all runs of a batch at once. Each of them is told for itself. */
import { CallState } from '../../state/attempt-state.ts'
import { keyTextOf } from '../../state/partition-state.ts'
import type { BatchRunner, RecordAttempt } from '../handlers/batch-runner.ts'
import type { Verdict } from '../handlers/verdict.ts'
import type { BatchNotes } from './protocol/progress-board.ts'
import type { LaneTime } from './thread-lane.ts'
import type { PackedRun, PackedVerdicts } from './protocol/thread-protocol.ts'

/** What became of each run, in their order; promises only when the handler is asynchronous. */
export function runCall(
  runner: BatchRunner,
  runs: readonly PackedRun[],
  notes: BatchNotes,
  { clock, turns }: LaneTime,
): readonly (PackedVerdicts | Promise<PackedVerdicts>)[] {
  const states = runs.some(({ state }) => (state ?? null) !== null) ? new CallState() : null
  const records = states === null ? runs.flatMap((run) => run.records) : attemptsOf(runs, states)
  const startedAt = clock.now()
  for (let index = 0; index < records.length; index += 1) notes.beginRecord(index)
  const result = runner.run(records, notes, states)
  if (!(result instanceof Promise)) return partsOf(ended(result), runs)
  const heldMs = clock.now() - startedAt
  const hasWaited = turns.begin()
  const parts = result.then((verdicts) =>
    partsOf({ ...ended(verdicts), promise: { heldMs, hasWaited: hasWaited() } }, runs),
  )
  return runs.map((_, at) => parts.then((all) => all[at]!))

  function ended(verdicts: readonly Verdict[]): PackedVerdicts {
    for (let index = 0; index < records.length; index += 1) notes.endRecord(index)
    return { verdicts, elapsedMs: clock.now() - startedAt, promise: null }
  }
}

function attemptsOf(runs: readonly PackedRun[], states: CallState): RecordAttempt[] {
  return runs.flatMap(({ records, state }) =>
    records.map(({ attempt, record, streamTime = null }) => {
      const key = record.key === null ? null : keyTextOf(record.key)
      return {
        record,
        attempt,
        state: state === null || state === undefined ? undefined : states.attempt(state, key, streamTime),
      }
    }),
  )
}

/** Each run has its records' share of what the call took. */
function partsOf(
  { elapsedMs, promise, verdicts }: PackedVerdicts,
  runs: readonly PackedRun[],
): readonly PackedVerdicts[] {
  let first = 0
  return runs.map(({ records }) => {
    const own = verdicts.slice(first, first + records.length)
    first += records.length
    const share = records.length / verdicts.length
    return {
      verdicts: own,
      elapsedMs: elapsedMs * share,
      promise: promise === null ? null : { ...promise, heldMs: promise.heldMs * share },
    }
  })
}
