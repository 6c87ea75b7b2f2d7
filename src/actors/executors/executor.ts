/** Where handlers run: worker threads, or inline on main. The dispatcher does not know which. */
import type { ResolvedActor } from '../../options/options.ts'
import type { CallLimits } from '../handlers/batch-handler.ts'
import type { LaneRun } from '../lanes/lanes.ts'
import type { PartitionActor } from '../partition-actor.ts'
import type { Verdict } from '../handlers/verdict.ts'

/** A run of one lane on its way to a handler. */
export interface DispatchedRun extends LaneRun {
  readonly actor: PartitionActor
}

/**
 * Verdicts in the order of the run's records; fewer than records when the rest never ran. `nowMs` is what the clock says,
 * where that is known already.
 */
export type Settle = (run: DispatchedRun, verdicts: readonly Verdict[], nowMs?: number) => void

export interface Executor {
  /** Batches that may be handed over now. */
  readonly freeSlots: number
  /** Most records that a next batch may hold; at least 1 while there is a free slot. */
  readonly maxBatchRecords: number
  readonly maxBatchBytes: number
  /** Most consecutive records of one lane of this actor that may share a batch. */
  maxRunRecords(actor: ResolvedActor): number
  /** So many ready records, in so many lanes, keep it busy until long after more have come. */
  hasEnough(records: number, lanes: number): boolean
  /** How many more records of this actor may be in progress now. */
  roomOf(actor: ResolvedActor): number
  /** How many are. */
  inProgressOf(actor: ResolvedActor): number
  /** What a call of its batch handler gets at most; null: its handler gets single records. */
  callLimitsOf(actor: ResolvedActor): CallLimits | null
  /** It takes the first records of several keys as one run, where they have no order among each other. */
  readonly mixesKeys: boolean
  /** Runs a batch; calls `settle` once per run, then `onRoom` whenever a slot or room came free. Never throws. */
  execute(batch: readonly DispatchedRun[], settle: Settle): void
  /** Set by the dispatcher. */
  onRoom: () => void
  /** Set by the dispatcher: what this actor's handler calls has asked, at the record of this id, to slow down. */
  onThrottle: (actor: string, forMs: number, id: string) => void
}
