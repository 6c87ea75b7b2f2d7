/**
 * The public API, by name. Handler modules import it on worker threads, so nothing here reaches the
 * native Kafka client, a database driver, prom-client or the HTTP server: `startSupervisor` loads those when
 * it is called.
 */
import { isMainThread } from 'node:worker_threads'
import type { App, AppDefinition } from './app.ts'
import { TroupeError } from './errors.ts'
import { bundledError, isBundled } from './own-program.ts'
import type { Destination } from './streams/flows/flow.ts'
import type { Producer } from './streams/producing/producer.ts'
import type * as ProducingModule from './streams/producing/start-producer.ts'
import type { ProducerOptions } from './streams/producing/start-producer.ts'
import type * as SupervisorModule from './supervisor/supervisor.ts'
import type { StartOptions, Supervisor } from './supervisor/supervisor.ts'

export { around } from './actors/handlers/around.ts'
export type { Next, Wrapper } from './actors/handlers/around.ts'
export { defineBatchHandler } from './actors/handlers/batch-handler.ts'
export type {
  BatchContext,
  BatchErrorContext,
  BatchHandler,
  BatchHandlerDefinition,
  BatchOutcome,
  BatchRecord,
  CallLimits,
  CallRecord,
} from './actors/handlers/batch-handler.ts'
export { compose, deadLetter, defineHandler, done, isOutcome, retry, skip } from './actors/handlers/handler.ts'
export type {
  DeadLetterOutcome,
  DoneOutcome,
  ErrorDecision,
  FailedRecords,
  Handler,
  HandlerContext,
  OnTimer,
  TimerContext,
  TimerOptions,
  HandlerDefinition,
  OnError,
  Outcome,
  RetryDecision,
  RetryOutcome,
  SetupContext,
  SkipOutcome,
  Step,
} from './actors/handlers/handler.ts'
export type { KeyChoice } from './actors/key-text.ts'
export type { Decision, ParkedRecord } from './actors/parking-lot.ts'
export type { SharedLoader } from './actors/handlers/shared-data.ts'
export { defineApp } from './app.ts'
export type { ActorDefinition, App, AppDefinition } from './app.ts'
export { defineDedup } from './operators/dedup/dedup.ts'
export type {
  DedupAside,
  DedupDefinition,
  DedupId,
  DedupRecord,
  PassingDedup,
  ResultDedup,
} from './operators/dedup/definition.ts'
export type { DedupMode } from './operators/dedup/sights.ts'
export { defineJoin } from './operators/join/join.ts'
export type {
  JoinAside,
  JoinDefinition,
  Joined,
  JoinedPair,
  JoinKind,
  JoinWithin,
} from './operators/join/definition.ts'
export type { AsideReason, Operator } from './operators/operator.ts'
export { isTroupeError, RetryableError, TerminalError, ThrottledError, TroupeError } from './errors.ts'
export type { ErrorCode } from './errors.ts'
export type { Log } from './log.ts'
export { defineAggregation } from './operators/aggregation/aggregation.ts'
export type { Aggregation } from './operators/aggregation/aggregation.ts'
export type {
  Aggregate,
  AggregationDefinition,
  AsideRecord,
  FarFutureRecord,
  LateRecord,
  MergedSession,
  NullKeyRecord,
} from './operators/aggregation/definition.ts'
export { average, collect, count, first, last, max, min, reduce, sum } from './operators/values/value.ts'
export type { Value, ValuesOf } from './operators/values/value.ts'
export type { Reducer } from './operators/values/value-folds.ts'
export { hopping, session, sliding, tumbling } from './operators/windows/declared-window.ts'
export type {
  DeclaredWindow,
  HoppingOptions,
  SessionOptions,
  SlidingOptions,
  TumblingOptions,
} from './operators/windows/declared-window.ts'
export type { Window } from './operators/windows/windowing.ts'
export type { AdaptiveConcurrency, Order, ResolvedActor, ResolvedApp, RunOn } from './options/options.ts'
export type { OptionSources } from './options/resolve.ts'
export type { WriteResult } from './streams/broker-port.ts'
export { bytes, json, text } from './streams/flows/codec.ts'
export type { Codec, JsonCheck, JsonOptions, UnsafeIntegers } from './streams/flows/codec.ts'
export type { StandardSchema } from './streams/flows/standard-schema.ts'
export type {
  Contract,
  KnownSchemas,
  OwnSchema,
  Place,
  ReferencedSchema,
  SchemaType,
  SubjectSchema,
  WriterSchema,
} from './streams/flows/contract.ts'
export { table, topic } from './streams/flows/flow.ts'
export type {
  ColumnValue,
  Destination,
  Effect,
  Key,
  RecordEffect,
  RecordOptions,
  RowEffect,
  Table,
  TableOptions,
  Topic,
  TopicOptions,
} from './streams/flows/flow.ts'
export type { Producer } from './streams/producing/producer.ts'
export type { DeliveryReport, Pending } from './streams/producing/send-queue.ts'
export type { ProducerOptions } from './streams/producing/start-producer.ts'
export type { RecordHeader, SourceRecord } from './streams/record.ts'
export type {
  ColumnDefinition,
  EncodedRow,
  Sink,
  SinkContext,
  SinkDestination,
  SinkLog,
  SinkWrite,
} from './streams/delivery/sink.ts'
export { tableOf } from './operators/tables/declared-tables.ts'
export type { DeclaredTable, DeclaredTables, KeyedRow, TablesOf } from './operators/tables/declared-tables.ts'
export { state } from './state/declared-state.ts'
export type { StateChoice } from './state/state-question.ts'
export type { ReportedEntry, ReportedPartition, StateReport } from './state/state-report.ts'
export type { DeclaredState, DeclaredStates, KeyedState, StateOf, StateOptions } from './state/declared-state.ts'
export type { Health, Readiness } from './supervisor/status/health.ts'
export type { StartOptions, Supervisor, SupervisorEnd, SupervisorStatus } from './supervisor/supervisor.ts'

/**
 * Starts an app: joins the group and works until `stop()`, the signal, or a failure that no restart
 * mends. Installs no signal handlers and never ends the process.
 *
 * Resolves when the group was joined. Rejects with one TroupeError that names the cause: an option,
 * a module that does not load, a broker or a database that cannot be reached, a missing topic.
 *
 * @example
 * const supervisor = await startSupervisor(app)
 * process.once('SIGTERM', () => void supervisor.stop())
 * const end = await supervisor.finished
 */
export async function startSupervisor(app: App | AppDefinition, options?: StartOptions): Promise<Supervisor> {
  if (!isMainThread) {
    throw new TroupeError(
      'NOT_MAIN_THREAD',
      'startSupervisor was called in a worker thread, where the native Kafka client cannot load; call it on the main thread',
    )
  }
  const supervisor = await importSupervisor()
  return await supervisor.startSupervisor(app, options)
}

/**
 * Starts a producer of one's own, for records that no handler makes: a web service, a job, a test. With the safety of an
 * app's sinks: idempotent, in the order of each key, and each promise resolves when its record is durable.
 *
 * Resolves when a broker answered and all topics were found. Rejects with one TroupeError that names the cause.
 *
 * @example
 * const producer = await startProducer({ kafka: { brokers: ['localhost:9092'] }, topics: [orders] })
 * const { partition, offset } = await producer.send(orders.record(order, { key: order.id }))
 * await producer.stop()
 */
export async function startProducer<const Topics extends readonly Destination[]>(
  options: ProducerOptions<Topics>,
): Promise<Producer<Topics>> {
  if (!isMainThread) {
    throw new TroupeError(
      'NOT_MAIN_THREAD',
      'startProducer was called in a worker thread, where the native Kafka client cannot load; call it on the main thread',
    )
  }
  const producing = await importProducing()
  return await producing.startProducer(options)
}

async function importProducing(): Promise<typeof ProducingModule> {
  try {
    return await import('./streams/producing/start-producer.ts')
  } catch (error) {
    throw isBundled() ? bundledError(error) : error
  }
}

async function importSupervisor(): Promise<typeof SupervisorModule> {
  try {
    return await import('./supervisor/supervisor.ts')
  } catch (error) {
    throw isBundled() ? bundledError(error) : error
  }
}
