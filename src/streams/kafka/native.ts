/**
 * The only file that reaches the native Kafka client: what we use of it, typed, and loading it with
 * an error that says what to do. The package's own types lack half of these calls.
 *
 * The native client works on the main thread only; in a worker thread it refuses to load, or ends
 * the process.
 */
import { createRequire } from 'node:module'
import { isMainThread } from 'node:worker_threads'
import { TroupeError, describeError } from '../../errors.ts'
import { bundledError, isBundled } from '../../own-program.ts'

/** An error of the client. `code` is librdkafka's: negative for local ones, Kafka's own from the broker. */
export interface NativeError {
  readonly message: string
  readonly code: number
}

/** What a call about transactions failed of. */
export type NativeTransactionError = NativeError &
  Error & {
    /** This client can do nothing more. */
    readonly isFatal?: boolean
    /** It goes on in the background; the same call waits for it again. */
    readonly isRetriable?: boolean
    /** The transaction cannot be committed any more. */
    readonly isTxnRequiresAbort?: boolean
  }

type TransactionDone = (error: NativeTransactionError | null | undefined) => void

export interface NativeTopicPartition {
  readonly topic: string
  readonly partition: number
  readonly offset?: number
  readonly metadata?: string
}

/** One consumed record as the binding builds it. `headers` is missing when there are none. */
export interface NativeRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers?: readonly Readonly<Record<string, Buffer>>[]
}

/** A client's log line: `fac` is librdkafka's facility (FAIL, SSL, …), `severity` is syslog's (3 = error). */
export interface NativeLogEvent {
  readonly severity: number
  readonly fac: string
  readonly message: string
}

export interface NativeMetadata {
  readonly topics: readonly { readonly name: string; readonly partitions: readonly unknown[] }[]
}

export interface NativeWatermarks {
  readonly lowOffset: number
  readonly highOffset: number
}

type Done<Value> = (error: NativeError | null | undefined, value: Value) => void

interface NativeClient {
  connect(options: { timeout: number; allTopics: boolean }, done: Done<NativeMetadata>): void
  disconnect(done: () => void): void
  /** Asking about one `topic` makes it where clients may make topics. */
  getMetadata(
    options: { timeout: number; allTopics: boolean } | { timeout: number; topic: string },
    done: Done<NativeMetadata>,
  ): void
  isConnected(): boolean
  on(event: 'event.error', listener: (error: NativeError) => void): void
  on(event: 'event.log', listener: (event: NativeLogEvent) => void): void
  on(event: 'error', listener: (error: Error) => void): void
}

export type NativeConsumeDone = (
  error: NativeError | null,
  records: readonly NativeRecord[],
  ends: readonly NativeTopicPartition[],
) => void

/** The binding's own object behind a consumer: one crossing for records and ends of partitions, no event per record. */
export interface NativeConsumerHandle {
  consume(timeoutMs: number, count: number, waitForFirstOnly: boolean, done: NativeConsumeDone): void
}

export interface NativeConsumer extends NativeClient {
  getClient(): NativeConsumerHandle
  subscribe(topics: readonly string[]): void
  assign(partitions: readonly NativeTopicPartition[]): void
  unassign(): void
  incrementalAssign(partitions: readonly NativeTopicPartition[]): void
  incrementalUnassign(partitions: readonly NativeTopicPartition[]): void
  /** Ends the process when called after `disconnect`. */
  assignmentLost(): boolean
  rebalanceProtocol(): string
  /** Ends the process when an entry lacks its partition. */
  offsetsStore(positions: readonly NativeTopicPartition[]): void
  /** Asynchronous; the outcome comes by `offset_commit_cb` only. */
  commit(positions: readonly NativeTopicPartition[]): unknown
  committed(
    partitions: readonly NativeTopicPartition[],
    timeoutMs: number,
    done: Done<readonly (NativeTopicPartition | Error)[]>,
  ): void
  queryWatermarkOffsets(topic: string, partition: number, timeoutMs: number, done: Done<NativeWatermarks>): void
  position(partitions: readonly NativeTopicPartition[]): readonly (NativeTopicPartition | Error)[]
  pause(partitions: readonly NativeTopicPartition[]): void
  resume(partitions: readonly NativeTopicPartition[]): void
}

export interface NativeTopicDescription {
  readonly name: string
  /** All zeros of a topic that does not exist, or where the broker does not tell. */
  readonly topicId: { readonly base64: string }
  readonly partitions: readonly unknown[]
  readonly error?: NativeError | null
  readonly authorizedOperations?: readonly number[]
}

/** What the binding asks on the connections of a client that is there. It must not be asked any more once that has disconnected. */
export interface NativeAdmin {
  describeTopics(
    topics: readonly string[],
    options: { readonly timeout: number; readonly includeAuthorizedOperations?: boolean },
    done: Done<readonly NativeTopicDescription[]>,
  ): void
  /** `offset.timestamp` -2 asks for the log's first offset, -1 for its end. `isolationLevel` 0 counts open transactions, 1 does not. */
  listOffsets(
    partitions: readonly {
      readonly topic: string
      readonly partition: number
      readonly offset: { readonly timestamp: number }
    }[],
    options: { readonly timeout: number; readonly isolationLevel: number },
    done: Done<readonly NativeListedOffset[]>,
  ): void
  /** A replication factor of -1 is the brokers' own. */
  createTopic(
    topic: {
      readonly topic: string
      readonly num_partitions: number
      readonly replication_factor: number
      readonly config: Readonly<Record<string, string>>
    },
    timeoutMs: number,
    done: Done<undefined>,
  ): void
  deleteTopic(topic: string, timeoutMs: number, done: Done<undefined>): void
  listGroups(options: { timeout: number }, done: Done<{ readonly errors: readonly NativeError[] }>): void
  /** Of either group protocol. */
  describeGroups(
    groupIds: readonly string[],
    options: { readonly timeout: number; readonly includeAuthorizedOperations?: boolean },
    done: Done<{ readonly groups: readonly NativeGroup[] }>,
  ): void
  listConsumerGroupOffsets(
    groups: readonly { readonly groupId: string }[],
    options: { readonly timeout: number; readonly requireStableOffsets: boolean },
    done: Done<readonly NativeGroupOffsets[]>,
  ): void
  deleteGroups(
    groupIds: readonly string[],
    options: { timeout: number },
    done: Done<readonly { readonly error?: NativeError }[]>,
  ): void
}

export interface NativeGroup {
  readonly error?: NativeError
  readonly members: readonly { readonly memberId: string }[]
  readonly authorizedOperations?: readonly number[]
}

export interface NativeGroupOffsets {
  readonly error?: NativeError
  readonly partitions: readonly NativeTopicPartition[]
}

export interface NativeListedOffset {
  readonly offset: number
  readonly error?: NativeError
}

export interface NativeDeliveryReport {
  readonly topic: string
  readonly partition: number
  readonly key: Buffer | null
  readonly opaque?: number
  /** −1 where the client does not know it. */
  readonly offset?: number
  readonly timestamp?: number
}

export interface NativeProducer extends NativeClient {
  on(event: 'event.error', listener: (error: NativeError) => void): void
  on(event: 'event.log', listener: (event: NativeLogEvent) => void): void
  on(event: 'error', listener: (error: Error) => void): void
  on(event: 'delivery-report', listener: (error: NativeError | null, report: NativeDeliveryReport) => void): void
  /** Throws a NativeError at once for a full queue, a partition that does not exist, a record beyond message.max.bytes. */
  produce(
    topic: string,
    partition: number | null,
    value: Uint8Array | null,
    key: Uint8Array | null,
    timestamp: number | null,
    opaque: number | undefined,
    headers: readonly Readonly<Record<string, Uint8Array>>[] | undefined,
  ): void
  flush(timeoutMs: number, done: (error: NativeError | null | undefined) => void): void
  poll(): void
  /** The client's own disconnect, without the flush that `disconnect` puts before it. Ends the process while one of the calls below is open. */
  _disconnect(done: () => void): void
  /** These five run in a thread of Node's pool for as long as they take, at most for `timeoutMs`. */
  initTransactions(timeoutMs: number, done: TransactionDone): void
  beginTransaction(done: TransactionDone): void
  /** Ends the process with a consumer that is not connected. */
  sendOffsetsToTransaction(
    positions: readonly NativeTopicPartition[],
    consumer: NativeConsumer,
    timeoutMs: number,
    done: TransactionDone,
  ): void
  commitTransaction(timeoutMs: number, done: TransactionDone): void
  abortTransaction(timeoutMs: number, done: TransactionDone): void
}

/**
 * Both take a topic configuration as well, which must not be given: an empty one replaces all that belongs
 * to topics in the first (the partitioner, `auto.offset.reset`, …) by the client's defaults.
 */
export interface NativeKafka {
  readonly KafkaConsumer: new (config: Readonly<Record<string, unknown>>) => NativeConsumer
  readonly Producer: new (config: Readonly<Record<string, unknown>>) => NativeProducer
  readonly AdminClient: { createFrom(client: NativeConsumer | NativeProducer): NativeAdmin }
}

/** Loads the native client. Throws NATIVE_CLIENT_NOT_LOADED, with the command for this platform, or NOT_MAIN_THREAD. */
export function loadNativeKafka(): NativeKafka {
  if (!isMainThread) {
    throw new TroupeError('NOT_MAIN_THREAD', 'The native Kafka client loads on the main thread only.')
  }
  if (isBundled()) throw bundledError()
  try {
    // Required, not imported: a failure has to become one clear error, and nothing loads before it is needed.
    return createRequire(import.meta.url)('@confluentinc/kafka-javascript') as NativeKafka
  } catch (error) {
    throw new TroupeError(
      'NATIVE_CLIENT_NOT_LOADED',
      `The native Kafka client did not load on ${process.platform}-${process.arch}, Node.js ${process.version} ` +
        `(${describeError(error).split('\n')[0] ?? ''}). Build it with:\n${buildCommand(process.platform)}`,
      { cause: error },
    )
  }
}

/** What builds the native client on `platform`, to be pasted into a shell. */
function buildCommand(platform: NodeJS.Platform): string {
  const rebuild = 'CKJS_LINKING=dynamic npm rebuild @confluentinc/kafka-javascript'
  switch (platform) {
    case 'darwin':
      return `  brew install openssl zstd lz4 curl && ${rebuild}`
    case 'win32':
      return `  npm rebuild @confluentinc/kafka-javascript   # Windows is untested; WSL works`
    default:
      return (
        `  sudo apt-get install -y build-essential python3 libssl-dev zlib1g-dev libzstd-dev liblz4-dev ` +
        `libcurl4-openssl-dev libsasl2-dev && \\\n  ${rebuild}`
      )
  }
}
