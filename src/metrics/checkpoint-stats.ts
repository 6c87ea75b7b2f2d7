/** What is counted of checkpoints. */
import { Histogram } from './histogram.ts'

/** Seconds. Each step of a checkpoint lasts milliseconds, and minutes while brokers or a database are away. */
const stepBounds: readonly number[] = [
  1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
]

/** In their order: rows of other databases, the transaction, and what follows when it stands. */
export const checkpointSteps = ['rows', 'transaction', 'base'] as const
export type CheckpointStep = (typeof checkpointSteps)[number]

/** Why a transaction was aborted, or ended by the brokers. `owner-gone`: a partition in it was lost, or was late for its hand-over. */
export const abortReasons = [
  'owner-gone',
  'stale-generation',
  'not-a-member',
  'fenced',
  'refused',
  'metadata-too-long',
  'not-allowed',
  'unknown',
  'unavailable',
] as const
export type AbortReason = (typeof abortReasons)[number]

export class CheckpointStats {
  /** Transactions that stand. */
  committed = 0
  /** Handled records in those. */
  handled = 0
  /** Records that they have written: outputs, dead letters, changelog. */
  records = 0
  /** Bytes of outputs and dead letters in those. */
  bytes = 0
  readonly stepSeconds: Readonly<Record<CheckpointStep, Histogram>> = {
    rows: new Histogram(stepBounds),
    transaction: new Histogram(stepBounds),
    base: new Histogram(stepBounds),
  }
  readonly aborts: Record<AbortReason, number> = {
    'owner-gone': 0,
    'stale-generation': 0,
    'not-a-member': 0,
    fenced: 0,
    refused: 0,
    'metadata-too-long': 0,
    'not-allowed': 0,
    unknown: 0,
    unavailable: 0,
  }
  /** Partitions that were set back to their last checkpoint, because a destination refuses some of their outputs for good. */
  rewinds = 0
  /** Clock time when the oldest generation was frozen that does not stand yet; null: there is none. */
  oldestFrozenAtMs: () => number | null = () => null
}
