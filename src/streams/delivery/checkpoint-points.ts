/**
 * Where a checkpoint stands, named by what it is about to do. Each is passed in every checkpoint that commits something, in this
 * order; outputs and changelog once for each partition.
 */
export const checkpointPoints = [
  /** What was handled so far is still of no checkpoint. */
  'before-freeze',
  'before-rows',
  /** From here on one is open at the brokers. */
  'before-transaction',
  'before-outputs',
  'before-changelog',
  'before-positions',
  'before-commit',
  /** All of it stands, and here nobody knows it: neither the store nor whoever waits for it. */
  'before-base',
  /** The store has it. */
  'before-credit',
] as const
export type CheckpointPoint = (typeof checkpointPoints)[number]

/** Told when one is come to, before anything of it is done. */
export type CheckpointListener = (point: CheckpointPoint) => void
