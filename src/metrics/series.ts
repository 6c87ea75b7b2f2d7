/** Ways to read the series of one row of the table in `metrics.ts` from the engine's numbers. */
import type { MetricRow, Series } from './scraped-metric.ts'
import type { Histogram } from './histogram.ts'
import { constraintNames, type ActorStats, type EngineStats, type PartitionStats, type SinkStats } from './stats.ts'

export function single(value: number | Histogram): readonly Series[] {
  return [[[], value]]
}

export function byName(counts: Readonly<Record<string, number>>): readonly Series[] {
  return Object.entries(counts).map(([name, count]) => [[name], count])
}

export function perPartition(read: (stats: PartitionStats) => number): MetricRow['read'] {
  return (stats) => [...stats.partitions()].map((partition) => [labelsOf(partition), read(partition)])
}

export function perAssigned(read: (stats: PartitionStats) => number): MetricRow['read'] {
  return (stats) =>
    [...stats.partitions()]
      .filter(({ isAssigned }) => isAssigned)
      .map((partition) => [labelsOf(partition), read(partition)])
}

export function perTopicPartition(read: (stats: PartitionStats) => number): MetricRow['read'] {
  return (stats) =>
    [...stats.partitions()].map((partition) => [[partition.topic, String(partition.partition)], read(partition)])
}

/** Unknown numbers (null) and partitions that others own are left out rather than shown as 0. */
export function perOwnedTopicPartition(read: (stats: PartitionStats) => number | null): MetricRow['read'] {
  return (stats) =>
    [...stats.partitions()].flatMap((partition): Series[] => {
      const value = partition.isAssigned ? read(partition) : null
      return value === null ? [] : [[[partition.topic, String(partition.partition)], value]]
    })
}

export function perActor(read: (stats: ActorStats) => number | Histogram): MetricRow['read'] {
  return (stats) => [...stats.actors()].map((actor) => [[actor.name], read(actor)])
}

export function perSink(read: (stats: SinkStats) => number | Histogram): MetricRow['read'] {
  return (stats) => [...stats.sinks()].map((sink) => [[sink.name], read(sink)])
}

function labelsOf(partition: PartitionStats): readonly string[] {
  return [partition.actor, partition.topic, String(partition.partition)]
}

export function readOutcomes(stats: EngineStats): readonly Series[] {
  return [...stats.partitions()].flatMap((partition): Series[] => {
    const labels = labelsOf(partition)
    return [
      [[...labels, 'done'], partition.done],
      [[...labels, 'skipped'], partition.skipped],
      [[...labels, 'dead_lettered'], partition.deadLettered],
      [[...labels, 'already_finished'], partition.alreadyFinished],
    ]
  })
}

export function readConstraints(stats: EngineStats): readonly Series[] {
  return [...stats.actors()].flatMap(({ constraint, name }) =>
    constraint === null
      ? []
      : constraintNames.map((one): Series => [[name, one.replace('-', '_')], Number(one === constraint)]),
  )
}

export function tallies(
  stats: EngineStats,
  entriesOf: (actor: ActorStats) => Iterable<[string, number]>,
): readonly Series[] {
  return [...stats.actors()].flatMap((actor) =>
    [...entriesOf(actor)].map(([code, count]): Series => [[actor.name, code], count]),
  )
}

export function sinkResults(
  stats: EngineStats,
  resultsOf: (sink: SinkStats) => Readonly<Record<string, number>>,
): readonly Series[] {
  return [...stats.sinks()].flatMap((sink) =>
    Object.entries(resultsOf(sink)).map(([result, count]): Series => [[sink.name, result], count]),
  )
}

export function countPartitions(
  stats: EngineStats,
  isCounted: (partition: PartitionStats) => boolean,
): readonly Series[] {
  const counts = new Map<string, { labels: readonly string[]; count: number }>()
  for (const partition of stats.partitions()) {
    const key = `${partition.actor}/${partition.topic}`
    const entry = counts.get(key) ?? { labels: [partition.actor, partition.topic], count: 0 }
    counts.set(key, entry)
    if (isCounted(partition)) entry.count += 1
  }
  return [...counts.values()].map(({ labels, count }) => [labels, count])
}
