/** The rows of the table for the state of handlers, and for how it comes back. */
import type { RestoreDescription } from './restore-stats.ts'
import type { MetricRow, Series } from './scraped-metric.ts'
import type { EngineStats } from './stats.ts'
import type { KeptStore } from './state-stats.ts'

const storeLabels = ['actor', 'partition', 'store'] as const

function perStore(read: (kept: KeptStore) => number): MetricRow['read'] {
  return ({ stores }) => [...stores.open()].map((kept) => [[kept.actor, String(kept.partition), kept.kind], read(kept)])
}

/** Unknown numbers (null) are left out rather than shown as 0. */
function perRestore(read: (restore: RestoreDescription) => number | null): MetricRow['read'] {
  return ({ clock, restores }) =>
    [...restores.open()].flatMap((progress): Series[] => {
      const restore = progress.describe(clock.now())
      const value = read(restore)
      return value === null ? [] : [[[restore.actor, String(restore.partition)], value]]
    })
}

function restoredBy(name: 'restores' | 'records' | 'bytes'): MetricRow['read'] {
  return ({ restores }) => [...restores.totals()].map(([actor, totals]) => [[actor], totals[name]])
}

function restoring({ restores }: EngineStats): readonly Series[] {
  const counts = new Map([...restores.totals().keys()].map((actor) => [actor, 0]))
  for (const { actor } of restores.open()) counts.set(actor, (counts.get(actor) ?? 0) + 1)
  return [...counts].map(([actor, count]) => [[actor], count])
}

export const stateMetrics = [
  {
    name: 'troupe_state_keys',
    type: 'gauge',
    help: 'Entries of the store of a partition: a key has one for each state that it has a value of.',
    labels: storeLabels,
    read: perStore(({ size }) => size.keyCount),
  },
  {
    name: 'troupe_state_bytes',
    type: 'gauge',
    help: 'Bytes that those take, and what the store needs for them: of memory, or of disk.',
    labels: storeLabels,
    read: perStore(({ size }) => size.byteCount),
  },
  {
    name: 'troupe_restoring_partitions',
    type: 'gauge',
    help: 'Partitions owned now that take in nothing, because their state is being restored.',
    labels: ['actor'],
    read: restoring,
  },
  {
    name: 'troupe_restores_total',
    type: 'counter',
    help: 'Restores of state that have ended: one for each partition that was assigned.',
    labels: ['actor'],
    read: restoredBy('restores'),
  },
  {
    name: 'troupe_restored_records_total',
    type: 'counter',
    help: 'Records of changelogs that were read to restore state, those of restores under way included.',
    labels: ['actor'],
    read: restoredBy('records'),
  },
  {
    name: 'troupe_restored_bytes_total',
    type: 'counter',
    help: 'Bytes of the keys and values of those.',
    labels: ['actor'],
    read: restoredBy('bytes'),
  },
  {
    name: 'troupe_restore_offsets_left',
    type: 'gauge',
    help: 'Offsets of the changelog that a restore under way has still to read; compaction leaves fewer records than that.',
    labels: ['actor', 'partition'],
    read: perRestore(({ offsetsLeft }) => offsetsLeft),
  },
  {
    name: 'troupe_restore_left_seconds',
    type: 'gauge',
    help: 'Time that a restore under way will take yet, by its rate so far.',
    labels: ['actor', 'partition'],
    read: perRestore(({ leftMs }) => (leftMs === null ? null : leftMs / 1000)),
  },
] as const satisfies readonly MetricRow[]
