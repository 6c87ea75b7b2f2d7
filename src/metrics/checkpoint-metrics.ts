/** The rows of the table for checkpoints and their transactions. */
import type { MetricRow } from './scraped-metric.ts'
import { single } from './series.ts'

export const checkpointMetrics = [
  {
    name: 'troupe_checkpoints_total',
    type: 'counter',
    help: 'Checkpoints that stand: outputs, state and positions of what was handled, in one transaction where brokers have them.',
    labels: [],
    read: ({ checkpoints }) => single(checkpoints.committed),
  },
  {
    name: 'troupe_checkpoint_handled_records_total',
    type: 'counter',
    help: 'Handled records that those made durable.',
    labels: [],
    read: ({ checkpoints }) => single(checkpoints.handled),
  },
  {
    name: 'troupe_checkpoint_written_records_total',
    type: 'counter',
    help: 'Records that those have written to Kafka: outputs, dead letters, changelogs of state.',
    labels: [],
    read: ({ checkpoints }) => single(checkpoints.records),
  },
  {
    name: 'troupe_checkpoint_output_bytes_total',
    type: 'counter',
    help: 'Bytes of the outputs and dead letters among them as they weigh against the limits of brokers: uncompressed, with what the protocol adds to each.',
    labels: [],
    read: ({ checkpoints }) => single(checkpoints.bytes),
  },
  {
    name: 'troupe_checkpoint_step_duration_seconds',
    type: 'histogram',
    help: 'Time of a checkpoint by step: rows (databases answer), transaction (brokers answer), base (what stands goes into the stores of state). What a step waits for, intake waits for in the end.',
    labels: ['step'],
    read: ({ checkpoints }) => Object.entries(checkpoints.stepSeconds).map(([step, seconds]) => [[step], seconds]),
  },
  {
    name: 'troupe_oldest_checkpoint_age_seconds',
    type: 'gauge',
    help: 'Time since what the oldest unfinished checkpoint has in it was taken; 0: all that was taken stands.',
    labels: [],
    merge: 'max',
    read: ({ checkpoints, clock }) => {
      const atMs = checkpoints.oldestFrozenAtMs()
      return single(atMs === null ? 0 : Math.max(0, clock.now() - atMs) / 1000)
    },
  },
  {
    name: 'troupe_transactions_aborted_total',
    type: 'counter',
    help: 'Transactions that were aborted, by us or by the brokers, by why: owner_gone (a partition in it was lost or late for its hand-over), stale_generation, not_a_member, fenced, refused, metadata_too_long, not_allowed, unknown, unavailable. What was in one goes with the next.',
    labels: ['reason'],
    read: ({ checkpoints }) =>
      Object.entries(checkpoints.aborts).map(([reason, count]) => [[reason.replaceAll('-', '_')], count]),
  },
  {
    name: 'troupe_checkpoint_rewinds_total',
    type: 'counter',
    help: 'Times that a partition was set back to its last checkpoint, because a destination refuses some of its outputs for good.',
    labels: [],
    read: ({ checkpoints }) => single(checkpoints.rewinds),
  },
] as const satisfies readonly MetricRow[]
