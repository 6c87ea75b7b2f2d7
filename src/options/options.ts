/**
 * The options: the shape the engine runs on, and the one table of default, rule and meaning from
 * which come validation, flags, environment names, `--help`, the docs and the print at start.
 * `options/resolve.ts` reads the table, `options/docs.ts` prints it.
 */
import { availableParallelism } from 'node:os'
import type { AnyHandler } from '../actors/handlers/any-handler.ts'
import type { FailedRecords } from '../actors/handlers/handler.ts'
import type { SharedLoader } from '../actors/handlers/shared-data.ts'
import {
  brokerList,
  bytes,
  clientSettings,
  concurrency,
  count,
  fraction,
  handlerOrModule,
  loaderMap,
  milliseconds,
  name,
  nullable,
  oneOf,
  orWord,
  port,
  rate,
  sinkMap,
  token,
  topicName,
  yesOrNo,
  type AdaptiveConcurrency,
} from './rules.ts'
import type { Sink } from '../streams/delivery/sink.ts'
import type { RegisterSchemas } from '../streams/registry/needed-schemas.ts'
import type { RegistrySettings } from '../streams/registry/registry-settings.ts'
import type { ProducerSettings } from '../streams/kafka/producer-settings.ts'
import type { OptionRow } from './option-row.ts'
import { checkpointOptions, type CheckpointSettings } from './checkpoint-options.ts'
import { producerOptions } from './producer-options.ts'
import { registryOptions } from './registry-options.ts'

// The shape the engine runs on: everything required, in base units.

export type { AdaptiveConcurrency }
export type RunOn = 'main' | 'threads'
export type Order = 'partition' | 'key' | 'unordered'

export interface ResolvedActor {
  readonly name: string
  readonly handler: URL | AnyHandler
  readonly runOn: RunOn
  readonly order: Order
  /** Records of this actor that may be in progress at once, over all partitions (matters for async handlers). */
  readonly concurrency: number | AdaptiveConcurrency
  /** Attempts that may be handed to the handler, over all partitions of this process. */
  readonly rate: {
    /** null: no limit. */
    readonly perSecond: number | null
    /** What may go at once after a pause; null: what comes due in a second, one at least. */
    readonly burst: number | null
  }
  readonly retry: {
    /** Tries of a record, the first included. */
    readonly attempts: number | 'unlimited'
    readonly backoffMs: number
    readonly maxBackoffMs: number
    /** 0..1: share of the delay that is random. */
    readonly jitter: number
  }
  /** The dead-letter topic; null: the actor stops on a record that would need it. */
  readonly deadLetter: string | null
  /** What becomes of a record that failed for good. */
  readonly failedRecords: FailedRecords
  readonly handlerTimeoutMs: number
  /** Where to begin when nothing is committed. */
  readonly startFrom: 'earliest' | 'latest'
  /** What to do when the committed position is not in the log. */
  readonly outOfRange: 'fail' | 'earliest' | 'latest'
  /** Adds `troupe-id` to each output record. */
  readonly idHeader: boolean
}

export interface ResolvedApp extends CheckpointSettings {
  /** Processes under `troupe run`; a supervisor is one of them. */
  readonly instances: number
  readonly kafka: {
    readonly brokers: readonly string[]
    readonly groupId: string
    readonly clientId: string
    readonly groupInstanceId: string | null
    readonly transactionalId: string | null
    readonly groupProtocol: 'classic' | 'consumer'
    readonly assignmentStrategy: 'cooperative-sticky' | 'range' | 'roundrobin'
    readonly connectTimeoutMs: number
    readonly sessionTimeoutMs: number
    readonly maxPollIntervalMs: number
    /** Any key of the client, passed through. */
    readonly client: Readonly<Record<string, unknown>>
  }
  /** Where schemas of Avro topics are kept; `url` empty: nowhere. */
  readonly schemaRegistry: RegistrySettings
  /** Whether a start registers what the app writes with. */
  readonly registerSchemas: RegisterSchemas
  /** How outputs and dead letters are written to Kafka. */
  readonly producer: ProducerSettings
  readonly actors: readonly ResolvedActor[]
  readonly sinks: Readonly<Record<string, Sink>>
  /** Loaders of what handlers on all threads share, by name. */
  readonly shared: Readonly<Record<string, SharedLoader>>
  readonly threads: {
    readonly count: number
    /** Batches at a thread at once: one runs, the next is there already. */
    readonly slots: number
    /** Work per batch that the dispatcher aims at. */
    readonly batchTargetMs: number
    readonly maxBatchRecords: number
    readonly maxBatchBytes: number
    readonly maxHeapMb: number | null
    readonly maxRssMb: number | null
  }
  readonly intake: {
    readonly maxRecords: number
    readonly maxBytes: number
    readonly maxPartitionRecords: number
    readonly maxPartitionBytes: number
  }
  readonly commitIntervalMs: number
  readonly drainTimeoutMs: number
  readonly foreignMetadata: 'ignore' | 'fail'
  /** Restarts of the whole consumer after an unexpected failure: at most `max` within `windowMs`. */
  readonly restart: { readonly max: number; readonly windowMs: number; readonly backoffMs: number }
  /** Whether records' keys are shown as they are, on /status, /parked and in the log. */
  readonly showKeys: boolean
  readonly http: { readonly port: number | null; readonly host: string; readonly token: string | null }
  readonly log: {
    readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent'
    readonly format: 'auto' | 'json' | 'pretty'
  }
}

type Branch =
  | 'kafka'
  | 'producer'
  | 'schemaRegistry'
  | 'state'
  | 'threads'
  | 'intake'
  | 'restart'
  | 'http'
  | 'log'
  | 'retry'
  | 'rate'
type PathsIn<Shape> = {
  [Key in keyof Shape & string]: Key extends Branch ? `${Key}.${keyof Shape[Key] & string}` : Key
}[keyof Shape & string]
type ValueAt<Shape, Path> = Path extends `${infer Outer}.${infer Inner}`
  ? Outer extends keyof Shape
    ? Inner extends keyof Shape[Outer]
      ? Shape[Outer][Inner]
      : never
    : never
  : Path extends keyof Shape
    ? Shape[Path]
    : never

export type AppPath = Exclude<PathsIn<ResolvedApp>, 'actors'>
export type ActorPath = PathsIn<ResolvedActor>

/** The options of the app, `actors` apart: each of those has `actorOptions`. */
export const appOptions: { readonly [Path in AppPath]: OptionRow<ValueAt<ResolvedApp, Path>> } = {
  instances: {
    rule: count('processes', { min: 1, max: 64 }),
    default: 1,
    doc: 'Processes of this app on this host under `troupe run`, in one group: one HTTP port, one /metrics, signals passed on, a dead one started again. Limits, connections and threads are those of each. Embedded, a supervisor is always one.',
  },
  'kafka.brokers': {
    rule: brokerList(),
    env: ['KAFKA_BROKERS'],
    doc: 'Brokers to find the cluster by.',
  },
  'kafka.groupId': {
    rule: name("a group's name"),
    doc: 'The consumer group. Processes with the same one share the partitions.',
  },
  'kafka.clientId': {
    rule: name("a client's name"),
    default: 'troupe',
    doc: 'Names this process in the logs, quotas and metrics of the brokers. With instances, -1, -2, … follow.',
  },
  'kafka.groupInstanceId': {
    rule: nullable(name("a member's name")),
    default: null,
    doc: 'Makes the member static: it gets its partitions back when it returns within the session time-out. One for each process: with instances, -1, -2, … follow.',
  },
  'kafka.groupProtocol': {
    rule: oneOf('classic', 'consumer'),
    default: 'classic',
    doc: 'consumer is KIP-848, where the brokers assign the partitions (Kafka 4).',
  },
  'kafka.assignmentStrategy': {
    rule: oneOf('cooperative-sticky', 'range', 'roundrobin'),
    default: 'cooperative-sticky',
    doc: 'How the members of a classic group share partitions. All members need the same.',
  },
  'kafka.connectTimeoutMs': {
    rule: milliseconds(),
    default: 15_000,
    doc: 'How long the start waits for a broker to answer before it fails.',
  },
  'kafka.sessionTimeoutMs': {
    rule: milliseconds({ max: 60 * 60 * 1000 }),
    default: 45_000,
    atMost: 'kafka.maxPollIntervalMs',
    doc: 'Without a heartbeat for this long the brokers take a member of a classic group for dead.',
  },
  'kafka.maxPollIntervalMs': {
    rule: milliseconds(),
    default: 300_000,
    doc: 'Without a poll for this long the member leaves the group.',
  },
  'kafka.client': {
    rule: clientSettings(),
    default: {},
    isSecret: true,
    doc: 'Any other key of the native client, such as security.protocol and sasl.*. Keys that the engine owns are refused.',
  },
  ...producerOptions,
  ...registryOptions,
  ...checkpointOptions,
  sinks: {
    rule: sinkMap(),
    default: {},
    isFileOnly: true,
    doc: 'Destinations outside Kafka, by the name that tables refer to.',
  },
  shared: {
    rule: loaderMap(),
    default: {},
    isFileOnly: true,
    doc: 'Read-only data for handlers, by name: functions that return its bytes. Each is called once, at start; all threads share the one copy, which setup gets by `shared(name)`.',
  },
  'threads.count': {
    rule: count('threads'),
    default: () => Math.max(1, availableParallelism()),
    defaultText: 'number of cores; under `troupe run` divided by instances',
    sharedBy: 'instances',
    doc: 'Worker threads of a process. They are started only when an actor runs on threads.',
  },
  'threads.slots': {
    rule: count('batches'),
    default: 2,
    doc: 'Batches at a thread at once: one runs, the next is there already.',
  },
  'threads.batchTargetMs': {
    rule: milliseconds(),
    default: 20,
    doc: 'How much work the dispatcher puts into a batch while there is more than the threads can do at once. What a batch costs beside the work is the same for any length; the outcomes of its records come together.',
  },
  'threads.maxBatchRecords': {
    rule: count('records'),
    default: 500,
    doc: 'Most records in a batch. A batch has a byte of memory for each, so a large number also limits how many batches may wait at once for what their asynchronous records wait for: to 16,777,216 divided by it, however large concurrency is.',
  },
  'threads.maxBatchBytes': {
    rule: bytes(),
    default: 1024 * 1024,
    doc: 'Most bytes in a batch; a larger record goes alone.',
  },
  'threads.maxHeapMb': {
    rule: nullable(count('MiB', { min: 16 })),
    default: null,
    doc: "Heap of a thread, in MiB, not counting room for new objects; Node's own limit unless given. Node's flag --max-old-space-size, also in NODE_OPTIONS, would go before it: with both the start is refused.",
  },
  'threads.maxRssMb': {
    rule: nullable(count('MiB', { min: 64 })),
    default: null,
    doc: 'Memory of the whole process (RSS), in MiB, above which the thread that has grown most is replaced: Buffers escape maxHeapMb. Leave room: it is looked at four times a second.',
  },
  'intake.maxRecords': {
    rule: count('records'),
    default: 100_000,
    doc: 'Records read and not finished, over all partitions. At the limit reading waits.',
  },
  'intake.maxBytes': {
    rule: bytes(),
    default: 64 * 1024 * 1024,
    doc: 'Bytes read and not finished, over all partitions. At the limit reading waits.',
  },
  'intake.maxPartitionRecords': {
    rule: count('records'),
    default: 10_000,
    atMost: 'intake.maxRecords',
    doc: 'Records read and not finished of one partition. At the limit the partition is paused.',
  },
  'intake.maxPartitionBytes': {
    rule: bytes(),
    default: 32 * 1024 * 1024,
    atMost: 'intake.maxBytes',
    doc: 'Bytes read and not finished of one partition. At the limit the partition is paused.',
  },
  commitIntervalMs: {
    rule: milliseconds(),
    default: 200,
    doc: 'Longest time that a finished record waits for its commit. After a crash about this much is handled again. While the completion maps of a process come to more than a megabyte a second it is longer, about 1.1 s at most by default (`troupe_commit_interval_seconds`).',
  },
  drainTimeoutMs: {
    rule: milliseconds(),
    default: 30_000,
    doc: 'Longest time that a revoke or a stop waits for work in flight. What is left then is handled again by the next owner.',
  },
  foreignMetadata: {
    rule: oneOf('ignore', 'fail'),
    default: 'ignore',
    doc: 'When a commit carries metadata that is not ours: ignore it (records beyond the position are handled again), or fail.',
  },
  'restart.max': {
    rule: count('restarts', { min: 0 }),
    default: 5,
    doc: 'Restarts of the consumer after unexpected failures, within the window. One more ends the process. With instances: restarts of processes as well, all together.',
  },
  'restart.windowMs': {
    rule: milliseconds(),
    default: 300_000,
    doc: 'The window in which restarts are counted. Their back-offs are part of it.',
  },
  'restart.backoffMs': { rule: milliseconds(), default: 1000, doc: 'Wait before a restart; it doubles each time.' },
  showKeys: {
    rule: yesOrNo(),
    default: false,
    doc: "Shows records' keys as they are on /status, /parked and in the log. Otherwise each is `sha256:` and the first 16 digits of its SHA-256, the same in every process, as sha256sum gives it.",
  },
  'http.port': {
    rule: port(),
    default: null,
    defaultText: 'none; 9464 under `troupe run`',
    cliDefault: 9464,
    doc: 'Port of /metrics, /healthz, /readyz, /status and /parked; 0: none.',
  },
  'http.host': {
    rule: name('an address or a host name'),
    default: '0.0.0.0',
    doc: 'Address to listen on: all, unless given, since whoever scrapes or probes is elsewhere, and what anybody may read are numbers, positions and errors; decisions need http.token. 127.0.0.1: this machine only.',
  },
  'http.token': {
    rule: nullable(token()),
    default: null,
    isSecret: true,
    doc: 'What a request must carry to decide on parked records (`Authorization: Bearer …`). Without one nobody decides over HTTP. Set it in the environment: flags are seen by every user of the machine.',
  },
  'log.level': {
    rule: oneOf('debug', 'info', 'warn', 'error', 'silent'),
    default: 'info',
    doc: 'The least severe that is logged.',
  },
  'log.format': {
    rule: oneOf('auto', 'json', 'pretty'),
    default: 'auto',
    doc: 'One JSON object a line, or lines for people; auto: pretty where standard error is a terminal.',
  },
}

/** The options of each actor. */
export const actorOptions: {
  readonly [Path in ActorPath]: OptionRow<
    Path extends 'handler' ? URL | string | AnyHandler : ValueAt<ResolvedActor, Path>
  >
} = {
  handler: {
    rule: handlerOrModule(),
    isFileOnly: true,
    doc: 'The handler, or the URL of its module: new URL("./enrich.js", import.meta.url). On threads it has to be a module.',
  },
  name: {
    rule: name('a name'),
    isFileOnly: true,
    default: '',
    defaultText: "the module's name; of a handler in the app itself its own name, or its input's",
    doc: 'Names the actor in metrics, logs and /status.',
  },
  runOn: {
    rule: oneOf('main', 'threads'),
    default: 'main',
    doc: 'main for handlers that wait (I/O), threads for those that compute.',
  },
  order: {
    rule: oneOf('key', 'partition', 'unordered'),
    default: 'key',
    doc: 'What is handled one at a time, in offset order: the records of a key, those of a partition, or none.',
  },
  concurrency: {
    rule: concurrency(),
    default: 1000,
    doc: "Records in progress at once, over all partitions and threads. Limits what an asynchronous handler asks of its service; raise it when /status names it as the constraint and the service can take more. With { min, max, target: 'latency' } the limit follows the service's latency (docs/pacing.md).",
  },
  'rate.perSecond': {
    rule: nullable(rate()),
    default: null,
    doc: 'Most attempts that are handed to the handler in a second, retries included, over all partitions and threads of this process; with instances each has its own.',
  },
  'rate.burst': {
    rule: nullable(count('attempts')),
    default: null,
    defaultText: 'rate.perSecond, at least 1',
    doc: 'How many may go at once after a pause. A process begins with all of it, so in any second at most perSecond + burst go.',
  },
  'retry.attempts': {
    rule: orWord(count('attempts'), 'unlimited'),
    default: 5,
    doc: 'Tries of a record, the first included, before it has failed for good. unlimited: it is tried again for ever, at most retry.maxBackoffMs apart, its key waits, and only an error that no attempt changes makes it fail for good. Better for one kind of error by `onError` than for all.',
  },
  'retry.backoffMs': {
    rule: milliseconds(),
    default: 100,
    atMost: 'retry.maxBackoffMs',
    doc: 'Wait before the second try; it doubles each time.',
  },
  'retry.maxBackoffMs': { rule: milliseconds(), default: 30_000, doc: 'Longest wait between two tries.' },
  'retry.jitter': { rule: fraction(), default: 0.2, doc: 'Share of the wait that is random.' },
  deadLetter: {
    rule: nullable(topicName()),
    default: null,
    doc: 'Topic for records that failed for good. Without one the actor stops on such a record.',
  },
  failedRecords: {
    rule: oneOf('dead-letter', 'park', 'skip', 'stop', 'escalate'),
    default: 'dead-letter',
    doc: 'What becomes of a record that failed for good. park: it is kept and its key waits until an operator decides; skip: it is dropped; stop: its partition stops; escalate: the supervisor ends.',
  },
  handlerTimeoutMs: {
    rule: milliseconds(),
    default: 60_000,
    doc: 'Longest time a handler may take for one record; then its signal is aborted and the try counts as failed. One that ignores its signal for as long again is given up, and takes a place of concurrency until it ends.',
  },
  startFrom: {
    rule: oneOf('earliest', 'latest'),
    default: 'earliest',
    doc: 'Where to begin in a partition of which nothing is committed; latest only in those that were there when the group began.',
  },
  outOfRange: {
    rule: oneOf('fail', 'earliest', 'latest'),
    default: 'fail',
    doc: 'When the committed position is not in the log any more: fail, or go on from there.',
  },
  idHeader: {
    rule: yesOrNo(),
    default: false,
    doc: 'Adds the header troupe-id to each output record: the same on every attempt, so that repeats are recognised.',
  },
}
