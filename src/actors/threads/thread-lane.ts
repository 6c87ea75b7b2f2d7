/** Runs the records of one lane in order, up to the first that fails or waits: the rest goes back unrun. */
import type { Clock } from '../../clock.ts'
import { AttemptState, RunState, type StateOfRun } from '../../state/attempt-state.ts'
import { keyTextOf, type StateReader } from '../../state/partition-state.ts'
import type { HandlerRunner } from '../handlers/handler-runner.ts'
import type { BatchNotes } from './protocol/progress-board.ts'
import type { TurnWatch } from '../executors/turn-watch.ts'
import type { PackedRecord, PackedVerdicts } from './protocol/thread-protocol.ts'
import { changesOf, endsRun, type Verdict } from '../handlers/verdict.ts'

/** The thread's time. */
export interface LaneTime {
  readonly clock: Clock
  readonly turns: TurnWatch
}

/**
 * A promise only when the handler is asynchronous: then the run ends with that record, so that its
 * outputs need not wait for those of the next. `first` is the index in the batch of the first of
 * these records; `startedAt` is what the clock says now, which the caller knows from the lane
 * before. `state` is what there was of its keys; null: nothing is kept.
 */
export function runLane(
  runner: HandlerRunner,
  records: readonly PackedRecord[],
  first: number,
  notes: BatchNotes,
  { clock, turns }: LaneTime,
  startedAt: number,
  state: StateOfRun | null = null,
): PackedVerdicts | Promise<PackedVerdicts> {
  const verdicts: Verdict[] = []
  const runState = state === null ? null : new RunState(state)
  for (let index = 0; index < records.length; index += 1) {
    const packed = records[index]!
    if (runState?.endsBefore(packed.streamTime ?? null) === true) break
    const { record, attempt } = packed
    const own = runState === null ? null : attemptOf(packed, runState)
    notes.beginRecord(first + index)
    const result = runner.run(record, attempt, notes, first + index, own)
    if (result instanceof Promise) {
      const heldMs = (clock.now() - startedAt) / (index + 1)
      const hasWaited = turns.begin()
      return result.then((verdict) => {
        notes.endRecord(first + index)
        const promise = { heldMs, hasWaited: hasWaited() }
        return { verdicts: [...verdicts, verdict], elapsedMs: clock.now() - startedAt, promise }
      })
    }
    notes.endRecord(first + index)
    verdicts.push(result)
    if (own !== null) runState?.take(own.key, changesOf(result))
    if (endsRun(result)) break
  }
  return { verdicts, elapsedMs: clock.now() - startedAt, promise: null }
}

function attemptOf({ record: { key }, streamTime = null }: PackedRecord, state: StateReader): AttemptState {
  return new AttemptState(state, key === null ? null : keyTextOf(key), streamTime)
}
