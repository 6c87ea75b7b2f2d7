/** The native client's configuration, from our options: what the engine relies on stands here and nowhere else. */
import type { KafkaBrokerOptions } from './broker-options.ts'
import { producerDefaults } from './producer-settings.ts'
import type { TransactionalProducerOptions } from '../transaction-port.ts'

export type ClientConfig = Record<string, unknown>

const KILOBYTE = 1024

/** The name of the producer of dead letters. */
const DEAD_LETTERS = 'dead-letters'

function common(options: KafkaBrokerOptions, name: string): ClientConfig {
  // The client takes a key without a value for an error, and says nothing about it.
  const given = Object.entries(options.client).filter(([, value]) => value !== undefined && value !== null)
  return {
    ...Object.fromEntries(given),
    'bootstrap.servers': options.brokers.join(','),
    'client.id': `${options.clientId ?? options.groupId}-${name}`,
  }
}

/** What consumer and readers have in common: how much is fetched ahead, and what of a log they see. */
function readingConfig(options: KafkaBrokerOptions, name: string): ClientConfig {
  return {
    // A misjudged prefetch shows as memory or as a saw-tooth, so these may be set by the user.
    'fetch.message.max.bytes': options.fetchMaxBytesPerPartition ?? 256 * KILOBYTE,
    'queued.max.messages.kbytes': options.queuedMaxKbytes ?? 16 * KILOBYTE,
    // A response on its way comes on top, one for each broker; the default of 50 MB is what hundreds of partitions fill.
    // The client refuses less than `message.max.bytes`, which a user raises for large outputs.
    'fetch.max.bytes': Math.max(16 * KILOBYTE * KILOBYTE, Number(options.client['message.max.bytes']) || 0),
    'queued.min.messages': 10_000,
    // A partition that filled the prefetch is fetched again after this long; the default of a second stalls.
    'fetch.queue.backoff.ms': 20,
    ...common(options, name),
    // Starts are set one by one. A position outside the log has to be seen, never silently replaced.
    'auto.offset.reset': 'error',
    'enable.partition.eof': true,
    'isolation.level': options.isolationLevel ?? 'read_committed',
    'allow.auto.create.topics': false,
    'enable.auto.offset.store': false,
  }
}

/** Configuration of the one consumer. Callbacks are added by who answers them. */
export function consumerConfig(options: KafkaBrokerOptions): ClientConfig {
  const classic = options.groupProtocol === 'classic'
  return {
    ...readingConfig(options, 'consumer'),
    'group.id': options.groupId,
    ...(options.groupInstanceId === undefined ? {} : { 'group.instance.id': options.groupInstanceId }),
    'group.protocol': options.groupProtocol,
    // With KIP-848 these three belong to the brokers, and setting them is an error.
    ...(classic
      ? {
          'partition.assignment.strategy': options.assignmentStrategy ?? 'cooperative-sticky',
          ...(options.sessionTimeoutMs === undefined ? {} : { 'session.timeout.ms': options.sessionTimeoutMs }),
          // A cooperative hand-over takes two heartbeats: more frequent than the client's default of 3 s.
          'heartbeat.interval.ms':
            options.heartbeatIntervalMs ?? Math.min(1000, Math.floor((options.sessionTimeoutMs ?? 45_000) / 3)),
        }
      : {}),
    'max.poll.interval.ms': options.maxPollIntervalMs,
    // CommitQueue commits. The client does so too, without its timer: what is stored when partitions are given back.
    'enable.auto.commit': true,
    'auto.commit.interval.ms': 0,
  }
}

/** Configuration of a client that only asks: no record passes here. */
export function adminConfig(options: KafkaBrokerOptions): ClientConfig {
  return { 'reconnect.backoff.max.ms': 1000, ...common(options, 'admin') }
}

/** Configuration of a client that asks what a group has committed, and never joins it. */
export function groupPositionsConfig(options: KafkaBrokerOptions, groupId: string): ClientConfig {
  return {
    'reconnect.backoff.max.ms': 1000,
    ...common(options, 'positions'),
    'group.id': groupId,
    'enable.auto.commit': false,
  }
}

/** Configuration of a client that reads without a group. */
export function readerConfig(options: KafkaBrokerOptions, name: string): ClientConfig {
  const { isolationLevel: _, ...rest } = options
  return {
    ...readingConfig(rest, name),
    // It reads to an end. That a log ends in a marker is known when a request comes back empty, so the client's 500 ms are lost time.
    'fetch.wait.max.ms': 20,
    // The client asks for a name. It never joins, because nothing is subscribed; and that no position of
    // the app's group can change through it, the name is not the group's.
    'group.id': `${options.groupId}-${name}`,
    'enable.auto.commit': false,
  }
}

/** What a broker takes in one batch by default. */
const BROKER_LIMIT = 1_048_588
/**
 * The client measures a record before it compresses it, a broker after: what compresses is for the broker to
 * judge. But a request beyond `socket.request.max.bytes` (100 MiB) ends the connection, again and again.
 */
const LARGEST_RECORD = 100_000_000

/** Clients under either name of the option. */
function compresses({ client, producer }: KafkaBrokerOptions): boolean {
  return (client['compression.codec'] ?? client['compression.type'] ?? producer?.compression ?? 'none') !== 'none'
}

/** The largest record that the client takes. What came out of Kafka must be able to go back as a dead letter, whatever the outputs' limit is. */
function recordLimit(options: KafkaBrokerOptions, name: string): number {
  const given = Number(options.client['message.max.bytes']) || 0
  if (name === DEAD_LETTERS) return Math.max(given, LARGEST_RECORD)
  return given || (compresses(options) ? LARGEST_RECORD : BROKER_LIMIT)
}

/** Configuration of a producer whose records have to be durable, and in order. */
export function producerConfig(options: KafkaBrokerOptions, name: string): ClientConfig {
  const { acks, batchBytes, compression, partitioner } = { ...producerDefaults, ...options.producer }
  return {
    // No batch leaves while a write hands its records over; its flush then waits for nothing.
    'linger.ms': 5,
    'retry.backoff.ms': 50,
    'reconnect.backoff.max.ms': 1000,
    // `none` is left out: the client knows the key by two names, and takes what it is told last.
    ...(compression === 'none' ? {} : { 'compression.codec': compression }),
    'batch.size': batchBytes,
    ...common(options, name),
    acks,
    'message.max.bytes': recordLimit(options, name),
    'enable.idempotence': true,
    // A refused batch stops the client before the next batch of that partition can pass it.
    'enable.gapless.guarantee': true,
    // No time-out may drop the first record of a key and let the second pass: waiting is bounded by `write` itself.
    'message.timeout.ms': 0,
    partitioner,
    dr_cb: true,
  }
}

/** Configuration of the client that sends the rest of a refused batch again: one record to a batch, one batch at a time. */
export function singleRecordProducerConfig(options: KafkaBrokerOptions, name: string): ClientConfig {
  return {
    ...producerConfig(options, name),
    // What arrived compressed would be too large otherwise, and nobody says whether it did. Every client reads gzip.
    ...(name === DEAD_LETTERS && !compresses(options) ? { 'compression.codec': 'gzip' } : {}),
    'enable.gapless.guarantee': false,
    // An idempotent client starts a new epoch after each refusal, which costs a round trip or more; with one
    // batch in flight order holds without.
    'enable.idempotence': false,
    acks: 'all',
    'max.in.flight.requests.per.connection': 1,
    'batch.num.messages': 1,
    'linger.ms': 0,
  }
}

/** Whoever begins a transaction right after another is told to come again after this; the client's own 100 ms make 10 of them a second. */
const NEXT_TRANSACTION_MS = 10
/** The client waits so long for an answer at least, and takes no less. */
const SHORTEST_TRANSACTION_MS = 1000

/**
 * Configuration of a producer whose records, with positions, become visible together or not at all. `batch`: how much goes at
 * once, where that is less than is configured.
 */
export function transactionalConfig(
  options: KafkaBrokerOptions,
  { transactionalId, transactionTimeoutMs }: TransactionalProducerOptions,
  batch: ClientConfig = {},
): ClientConfig {
  const timeoutMs = Math.max(SHORTEST_TRANSACTION_MS, transactionTimeoutMs)
  return {
    ...producerConfig(options, 'transactions'),
    ...batch,
    // Dead letters are among the records, so the brokers judge how large one may be.
    'message.max.bytes': recordLimit(options, DEAD_LETTERS),
    'transactional.id': transactionalId,
    'transaction.timeout.ms': timeoutMs,
    // The client takes neither longer than its transaction.
    'message.timeout.ms': timeoutMs,
    'socket.timeout.ms': Math.min(timeoutMs, Number(options.client['socket.timeout.ms']) || SOCKET_TIMEOUT_MS),
    'retry.backoff.ms': NEXT_TRANSACTION_MS,
    'enable.gapless.guarantee': false,
    // A commit fails with the first record that does. With reports it takes 10 ms, whatever is in it.
    dr_cb: false,
  }
}

const SMALLEST_BATCH_BYTES = 4_000

/** A quarter of what this configuration sends at once, and in the end each record alone. null: that is what it does. */
export function smallerBatch(config: ClientConfig): ClientConfig | null {
  if (config['batch.num.messages'] === 1) return null
  const bytes = Math.floor(Number(config['batch.size']) / 4)
  return bytes < SMALLEST_BATCH_BYTES ? { 'batch.num.messages': 1 } : { 'batch.size': bytes }
}

/** The client's default. */
const SOCKET_TIMEOUT_MS = 60_000

/** The same for records that are tried one by one: a report for each, and a refusal is the record's own. */
export function triedRecordsConfig(
  options: KafkaBrokerOptions,
  transaction: TransactionalProducerOptions,
): ClientConfig {
  return {
    ...transactionalConfig(options, transaction),
    'max.in.flight.requests.per.connection': 1,
    'batch.num.messages': 1,
    'linger.ms': 0,
    dr_cb: true,
  }
}
