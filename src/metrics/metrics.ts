/**
 * The metrics: one table of name, type, help, labels and where the number comes from. Nothing is
 * counted here; a scrape reads the engine's plain numbers (`stats.ts`).
 *
 * Labels are topic, partition, actor, sink, outcome, … and never a key, an offset or a code that a user's code made
 * (`code-tally.ts`), so the number of series is bounded by what the app declares and the partitions it has owned.
 */
import type { Metric, Registry } from 'prom-client'
import { checkpointMetrics } from './checkpoint-metrics.ts'
import { waitKinds } from './open-waits.ts'
import { ScrapedMetric, type MetricRow, type Series } from './scraped-metric.ts'
import {
  byName,
  countPartitions,
  perActor,
  perAssigned,
  perOwnedTopicPartition,
  perPartition,
  perSink,
  perTopicPartition,
  readConstraints,
  readOutcomes,
  single,
  sinkResults,
  tallies,
} from './series.ts'
import { stateMetrics } from './state-metrics.ts'
import { troubleNames, type EngineStats } from './stats.ts'

const partitionLabels = ['actor', 'topic', 'partition'] as const

/** One that has ended shows no metrics any more. */
const shownTroubles = troubleNames.filter((name) => name !== 'ended')

export const metricTable = [
  // --- records
  {
    name: 'troupe_records_received_total',
    type: 'counter',
    help: 'Records read from Kafka.',
    labels: partitionLabels,
    read: perPartition((stats) => stats.received),
  },
  {
    name: 'troupe_received_bytes_total',
    type: 'counter',
    help: 'Bytes of the keys, values and headers read from Kafka.',
    labels: partitionLabels,
    read: perPartition((stats) => stats.receivedBytes),
  },
  {
    name: 'troupe_records_processed_total',
    type: 'counter',
    help: 'Finished records by outcome: done, skipped, dead_lettered, or already_finished (before a restart).',
    labels: [...partitionLabels, 'outcome'],
    read: readOutcomes,
  },
  {
    name: 'troupe_records_dropped_total',
    type: 'counter',
    help: 'Records read and given up unfinished, because their partition went or their actor stopped: its next owner reads them again.',
    labels: partitionLabels,
    read: perPartition((stats) => stats.dropped),
  },
  {
    name: 'troupe_record_attempts_total',
    type: 'counter',
    help: 'Tries of the handler, the first of each record included.',
    labels: partitionLabels,
    read: perPartition((stats) => stats.attempts),
  },
  {
    name: 'troupe_record_retries_total',
    type: 'counter',
    help: 'Tries that ended in another try of the same record.',
    labels: partitionLabels,
    read: perPartition((stats) => stats.retries),
  },
  {
    name: 'troupe_attempt_failures_total',
    type: 'counter',
    help: 'Failed tries by error code (docs/errors.md); HANDLER_FAILED: what a handler threw, whatever code of its own it has.',
    labels: ['actor', 'code'],
    read: (stats) => tallies(stats, (actor) => actor.failures.entries()),
  },
  {
    name: 'troupe_attempts_given_up_total',
    type: 'counter',
    help: 'Tries that were given up: the handler ignored its abort signal for another handlerTimeoutMs.',
    labels: ['actor'],
    read: perActor((stats) => stats.attemptsGivenUp),
  },
  {
    name: 'troupe_left_over_calls',
    type: 'gauge',
    help: 'Calls of such tries that have not ended; a call of a batch handler counts as its records. Each takes a place of concurrency; at all of them the actor does nothing more.',
    labels: ['actor'],
    read: perActor((stats) => stats.leftOverCalls),
  },
  {
    name: 'troupe_throttles_total',
    type: 'counter',
    help: 'Times that what a handler calls has asked to slow down: ctx.throttle(), ThrottledError.',
    labels: ['actor'],
    read: perActor((stats) => stats.throttles),
  },
  {
    name: 'troupe_throttled',
    type: 'gauge',
    help: '1 while nothing of the actor is handed out because of that.',
    labels: ['actor'],
    merge: 'max',
    read: perActor((stats) => Number(stats.isThrottled)),
  },
  {
    name: 'troupe_concurrency_limit',
    type: 'gauge',
    help: 'Records that may be in progress at once now: concurrency, or what it follows where it is adaptive.',
    labels: ['actor'],
    read: (stats) =>
      [...stats.actors()].flatMap(({ concurrencyLimit, name }): Series[] =>
        concurrencyLimit === null ? [] : [[[name], concurrencyLimit]],
      ),
  },
  {
    name: 'troupe_set_alone_total',
    type: 'counter',
    help: 'Records that go again alone, since a call that they shared failed as a whole and nobody can tell for which of them. No try of theirs.',
    labels: ['actor'],
    read: perActor((stats) => stats.setAlone),
  },
  {
    name: 'troupe_records_aside_total',
    type: 'counter',
    help: 'Records that an aggregation, a join or a dedup has handled and not counted, by why: late, null_key, null_value, expired, far_future, duplicate. Told once a record, whatever it took to handle it.',
    labels: ['actor', 'reason'],
    read: (stats) =>
      tallies(stats, (actor) => actor.aside.entries().map(([reason, count]) => [reason.replace('-', '_'), count])),
  },
  {
    name: 'troupe_dead_letters_total',
    type: 'counter',
    help: 'Records that went to a dead-letter topic, by the code that says why: ATTEMPTS_EXHAUSTED, DEAD_LETTER, DECODE_FAILED, … (docs/errors.md), as in their header troupe.code.',
    labels: ['actor', 'code'],
    read: (stats) => tallies(stats, (actor) => actor.deadLetters.entries()),
  },
  {
    name: 'troupe_skipped_failures_total',
    type: 'counter',
    help: 'Records that failed for good and were dropped, because failedRecords or onError says skip, by the code that says why (docs/errors.md).',
    labels: ['actor', 'code'],
    read: (stats) => tallies(stats, (actor) => actor.skippedFailures.entries()),
  },
  {
    name: 'troupe_handler_duration_seconds',
    type: 'histogram',
    help: 'Time in the handler, a record and try. In a batch: the mean of the batch.',
    labels: ['actor'],
    read: perActor((stats) => stats.handlerSeconds),
  },
  {
    name: 'troupe_record_latency_seconds',
    type: 'histogram',
    help: 'Time from a record being read to all its outputs being durable, retries included.',
    labels: ['actor'],
    read: perActor((stats) => stats.latencySeconds),
  },
  {
    name: 'troupe_records_in_flight',
    type: 'gauge',
    help: 'Records read, neither finished nor dropped: received − processed − dropped.',
    labels: partitionLabels,
    read: perAssigned((stats) => stats.inFlight),
  },
  {
    name: 'troupe_bytes_in_flight',
    type: 'gauge',
    help: 'What those count against intake.maxBytes: their bytes, and a flat share for the objects around them.',
    labels: partitionLabels,
    read: perAssigned((stats) => stats.bytesInFlight),
  },
  {
    name: 'troupe_parked_records',
    type: 'gauge',
    help: 'Records that failed for good and wait for an operator.',
    labels: partitionLabels,
    read: perAssigned((stats) => stats.parked),
  },
  {
    name: 'troupe_waiting_records',
    type: 'gauge',
    help: 'Records of keys whose first record waits: for its retry, for a schema, or parked. /status names the largest key.',
    labels: partitionLabels,
    read: perAssigned((stats) => stats.waitingRecords),
  },
  {
    name: 'troupe_retrying_records',
    type: 'gauge',
    help: 'Records that have failed and are tried again: between two attempts, or at one. Parked ones are not.',
    labels: ['actor'],
    read: perActor((stats) => stats.retryingRecords),
  },
  {
    name: 'troupe_oldest_retry_age_seconds',
    type: 'gauge',
    help: 'Time since the first failure of the record that has been tried again for longest; 0: there is none.',
    labels: ['actor'],
    merge: 'max',
    read: perActor((stats) => stats.oldestRetryMs / 1000),
  },
  {
    name: 'troupe_intake_stopped_by_waiting_keys',
    type: 'gauge',
    help: '1 while such keys hold so much of a partition that it takes in nothing new.',
    labels: partitionLabels,
    read: perAssigned((stats) => Number(stats.isStoppedByKeys)),
  },
  // --- positions
  {
    name: 'troupe_consumer_lag_records',
    type: 'gauge',
    help: 'Records of the log after the safe position, with those read since the end of the log was asked for.',
    labels: ['topic', 'partition'],
    merge: 'max',
    read: perOwnedTopicPartition((stats) => stats.lag),
  },
  {
    name: 'troupe_safe_position',
    type: 'gauge',
    help: 'Highest position with nothing unfinished below it.',
    labels: ['topic', 'partition'],
    merge: 'max',
    read: perOwnedTopicPartition((stats) => stats.safePosition),
  },
  {
    name: 'troupe_committed_position',
    type: 'gauge',
    help: 'The position the broker accepted last.',
    labels: ['topic', 'partition'],
    merge: 'max',
    read: perOwnedTopicPartition((stats) => stats.committedPosition),
  },
  {
    name: 'troupe_commits_total',
    type: 'counter',
    help: "The broker's answers to commits: accepted, deferred, fenced, too_large, failed.",
    labels: ['result'],
    read: (stats) => Object.entries(stats.commits).map(([result, count]) => [[result.replace('-', '_')], count]),
  },
  {
    name: 'troupe_commit_interval_seconds',
    type: 'gauge',
    help: 'Longest time that a finished record waits for its commit: commitIntervalMs, and more while completion maps are large.',
    labels: [],
    merge: 'max',
    read: (stats) => single(stats.commitIntervalMs / 1000),
  },
  {
    name: 'troupe_completion_map_bytes_total',
    type: 'counter',
    help: 'Bytes of completion maps handed over for commits.',
    labels: [],
    read: (stats) => single(stats.mapBytes),
  },
  {
    name: 'troupe_completion_map_left_out',
    type: 'gauge',
    help: '1 while the position is committed without its completion map, because that is too long: after a crash what is finished beyond it is handled again.',
    labels: ['topic', 'partition'],
    merge: 'max',
    read: perOwnedTopicPartition((stats) => Number(stats.isMapLeftOut)),
  },
  {
    name: 'troupe_out_of_range_total',
    type: 'counter',
    help: 'Times that a committed position was not in the log any more.',
    labels: ['topic', 'partition'],
    read: perTopicPartition((stats) => stats.outOfRange),
  },
  {
    name: 'troupe_topic_replaced_total',
    type: 'counter',
    help: 'Times that a committed position was of a topic that was deleted and made again since.',
    labels: ['topic', 'partition'],
    read: perTopicPartition((stats) => stats.topicReplaced),
  },
  {
    name: 'troupe_foreign_metadata_total',
    type: 'counter',
    help: 'Times that the metadata of a commit was not a readable completion map.',
    labels: ['topic', 'partition'],
    read: perTopicPartition((stats) => stats.foreignMetadata),
  },
  // --- checkpoints, and state
  ...checkpointMetrics,
  ...stateMetrics,
  // --- the group
  {
    name: 'troupe_rebalances_total',
    type: 'counter',
    help: 'Rebalance events: assign, revoke, lost (others own the partitions already).',
    labels: ['type'],
    read: (stats) => byName(stats.rebalances),
  },
  {
    name: 'troupe_partitions_assigned',
    type: 'gauge',
    help: 'Partitions owned now.',
    labels: ['actor', 'topic'],
    read: (stats) => countPartitions(stats, (partition) => partition.isAssigned),
  },
  {
    name: 'troupe_partitions_paused',
    type: 'gauge',
    help: 'Partitions owned now whose intake is stopped.',
    labels: ['actor', 'topic'],
    read: (stats) => countPartitions(stats, (partition) => partition.isAssigned && partition.isPaused),
  },
  {
    name: 'troupe_pauses_total',
    type: 'counter',
    help: 'Times that the intake of a partition was stopped.',
    labels: ['topic', 'partition'],
    read: perTopicPartition((stats) => stats.pauses),
  },
  {
    name: 'troupe_epoch',
    type: 'gauge',
    help: 'Grows with each assignment.',
    labels: [],
    merge: 'max',
    read: (stats) => single(stats.epoch),
  },
  {
    name: 'troupe_drain_duration_seconds',
    type: 'histogram',
    help: 'Time that work in flight took to finish on a revoke or stop.',
    labels: [],
    read: (stats) => single(stats.drainSeconds),
  },
  {
    name: 'troupe_drain_timeouts_total',
    type: 'counter',
    help: 'Drains that were cut off at drainTimeoutMs.',
    labels: [],
    read: (stats) => single(stats.drainTimeouts),
  },
  // --- threads
  {
    name: 'troupe_batch_records',
    type: 'histogram',
    help: 'Records that went to a thread together, or to a handler on main.',
    labels: ['actor'],
    read: perActor((stats) => stats.batchRecords),
  },
  {
    name: 'troupe_binding_constraint',
    type: 'gauge',
    help: 'What keeps an actor from doing more, over the last seconds: 1 at one constraint (input, threads, main, sink, key_skew, hot_partition, limit, retries, rate, throttled, stopped, restoring, checkpoint), 0 at the others. /status says which sink, key or limit. Of several processes (`instances`) each says its own, with the label instance.',
    labels: ['actor', 'constraint'],
    merge: 'max',
    isOfProcess: true,
    read: readConstraints,
  },
  {
    name: 'troupe_threads',
    type: 'gauge',
    help: 'Worker threads by state: starting, idle, busy.',
    labels: ['state'],
    read: (stats) => byName(stats.threads),
  },
  {
    name: 'troupe_thread_restarts_total',
    type: 'counter',
    help: 'Worker threads that ended and were replaced.',
    labels: [],
    read: (stats) => single(stats.threadRestarts),
  },
  {
    name: 'troupe_thread_recycles_total',
    type: 'counter',
    help: 'Worker threads that were to be replaced because the process had more memory than threads.maxRssMb.',
    labels: [],
    read: (stats) => single(stats.threadRecycles),
  },
  // --- sinks
  {
    name: 'troupe_sink_writes_total',
    type: 'counter',
    help: 'Batches given to a sink: durable, or unavailable (the batch is written again).',
    labels: ['sink', 'result'],
    read: (stats) => sinkResults(stats, ({ written, unavailable }) => ({ durable: written, unavailable })),
  },
  {
    name: 'troupe_sink_outputs_total',
    type: 'counter',
    help: 'Outputs by what became of them: durable, refused, or purged (their epoch ended before).',
    labels: ['sink', 'result'],
    read: (stats) => sinkResults(stats, ({ durable, refused, purged }) => ({ durable, refused, purged })),
  },
  {
    name: 'troupe_sink_write_duration_seconds',
    type: 'histogram',
    help: 'Time that one write of one batch took.',
    labels: ['sink'],
    read: perSink((stats) => stats.writeSeconds),
  },
  {
    name: 'troupe_sink_batch_outputs',
    type: 'histogram',
    help: 'Outputs written together.',
    labels: ['sink'],
    read: perSink((stats) => stats.batchOutputs),
  },
  {
    name: 'troupe_sink_queue_outputs',
    type: 'gauge',
    help: 'Outputs that wait for a sink or are being written.',
    labels: ['sink'],
    read: perSink((stats) => stats.queued),
  },
  {
    name: 'troupe_sink_available',
    type: 'gauge',
    help: '1 while the sink answers, 0 while the engine waits for it.',
    labels: ['sink'],
    merge: 'min',
    read: perSink((stats) => Number(stats.isAvailable)),
  },
  // --- the schema registry
  {
    name: 'troupe_schema_registry_requests_total',
    type: 'counter',
    help: 'Requests to the schema registry by what became of them: answered, not_found (no such subject, version or id), incompatible (a schema that it refuses), refused (401, 403), unreachable (no answer, or one that is none).',
    labels: ['outcome'],
    read: ({ registry }) => Object.entries(registry.requests).map(([outcome, n]) => [[outcome.replace('-', '_')], n]),
  },
  {
    name: 'troupe_schemas_awaited',
    type: 'gauge',
    help: 'Ids of schemas that records wait for, because the registry has not told them yet.',
    labels: [],
    read: ({ registry }) => single(registry.waiting()),
  },
  // --- the process
  {
    name: 'troupe_answers_overdue',
    type: 'gauge',
    help: `Answers that are waited for beyond their deadline, by what is waited for: ${waitKinds.join(', ')}. /healthz says each.`,
    labels: ['wait'],
    read: ({ waits }) => waitKinds.map((kind) => [[kind], waits.overdue(kind)]),
  },
  {
    name: 'troupe_answers_overdue_total',
    type: 'counter',
    help: 'Answers that did not come within their deadline, whether they came later or not.',
    labels: ['wait'],
    read: ({ waits }) => waitKinds.map((kind) => [[kind], waits.everOverdue(kind)]),
  },
  {
    name: 'troupe_restarts_total',
    type: 'counter',
    help: 'Restarts of the whole consumer after an unexpected failure.',
    labels: [],
    read: (stats) => single(stats.restarts),
  },
  {
    name: 'troupe_trouble_total',
    type: 'counter',
    help: "Conditions worth an operator's attention, by error code.",
    labels: ['code'],
    read: (stats) => [...stats.trouble.entries()].map(([code, count]) => [[code], count]),
  },
  {
    name: 'troupe_table_rows_unreadable_total',
    type: 'counter',
    help: 'Records of the topic of a global table that are no rows, since they have no key or do not decode. Their keys have no row.',
    labels: ['topic'],
    read: ({ unreadableRows }) => [...unreadableRows].map(([topic, count]): Series => [[topic], count]),
  },
  {
    name: 'troupe_log_lines_dropped_total',
    type: 'counter',
    help: 'Lines of the log that were dropped because nobody read standard error.',
    labels: [],
    read: (stats) => single(stats.droppedLogLines()),
  },
  {
    name: 'troupe_open_troubles',
    type: 'gauge',
    help: `What does not get done now, by what is the matter: ${shownTroubles.join(', ')}. /healthz and the log say each.`,
    labels: ['trouble'],
    read: ({ openTroubles }) => shownTroubles.map((name) => [[name], openTroubles.get(name) ?? 0]),
  },
  {
    name: 'troupe_event_loop_delay_seconds',
    type: 'histogram',
    help: 'How late timers fire on the main thread.',
    labels: [],
    read: (stats) => single(stats.loopDelaySeconds),
  },
] as const satisfies readonly MetricRow[]

/** What the parent of several processes shows of them (`supervisor/instances.ts`). */
export const instanceMetrics = {
  instances: {
    name: 'troupe_instances',
    type: 'gauge',
    help: 'Processes of `instances` by state: starting, running, restarting, ended.',
    labels: ['state'],
  },
  restarts: {
    name: 'troupe_instance_restarts_total',
    type: 'counter',
    help: 'Processes of `instances` that ended and were started again.',
    labels: [],
  },
} as const satisfies Record<string, Omit<MetricRow, 'read'>>

/** The supervisors whose numbers a registry shows. */
const attached = new WeakMap<Registry, Set<EngineStats>>()

/**
 * Shows these numbers on this registry, until the returned function is called. Two supervisors may
 * share a registry (their equal series become one: counts add up), and a supervisor that is
 * started again leaves nothing behind.
 */
export function registerMetrics(registry: Registry, stats: EngineStats): () => void {
  const sources = attached.get(registry) ?? new Set()
  attached.set(registry, sources)
  sources.add(stats)
  for (const row of metricTable) {
    if (registry.getSingleMetric(row.name) === undefined) {
      registry.registerMetric(new ScrapedMetric(row, sources) as unknown as Metric)
    }
  }
  return () => {
    if (!sources.delete(stats) || sources.size > 0) return
    for (const row of metricTable) registry.removeSingleMetric(row.name)
  }
}

/** The table of metrics in Markdown, for the docs. */
export function describeMetrics(): string {
  const table: readonly Omit<MetricRow, 'read'>[] = [...metricTable, ...Object.values(instanceMetrics)]
  const rows = table.map(({ name, type, labels, help }) => `| \`${name}\` | ${type} | ${labels.join(', ')} | ${help} |`)
  return ['| metric | type | labels | meaning |', '|---|---|---|---|', ...rows, ''].join('\n')
}
