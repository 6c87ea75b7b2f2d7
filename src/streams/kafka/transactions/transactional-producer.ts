/** The transaction port on the native client. */
import { sleepInBackground } from '../../../clock.ts'
import { TroupeError, isTroupeError } from '../../../errors.ts'
import { OpenWaits } from '../../../metrics/open-waits.ts'
import type { BrokerConsumer, StoredPosition, WriteResult } from '../../broker-port.ts'
import type { OutputRecord } from '../../record.ts'
import {
  TransactionError,
  type TransactionalProducer,
  type TransactionalProducerOptions,
} from '../../transaction-port.ts'
import type { KafkaBrokerOptions } from '../broker-options.ts'
import { smallerBatch, transactionalConfig, triedRecordsConfig, type ClientConfig } from '../client-config.ts'
import { codeOf, countPartitions, messageOf } from '../connection.ts'
import { KafkaBrokerConsumer } from '../consumer/consumer.ts'
import type { NativeAdmin, NativeKafka } from '../native.ts'
import { Deadline } from '../producer/deadline.ts'
import { ProducerClient } from '../producer/producer-client.ts'
import { inPortions } from './position-portions.ts'
import { MissingTopics } from './missing-topics.ts'
import { TransactionClient } from './transaction-client.ts'
import { transactionError, type TransactionStep } from './transaction-faults.ts'
import { tryRecords } from './tried-records.ts'

const CONNECT_TIMEOUT_MS = 15_000
const REQUEST_TIMEOUT_MS = 15_000
/** The port promises 15 s for the end. */
const DISCONNECT_TIMEOUT_MS = 14_000
const LAST_ABORT_MS = 5000

const UNSUPPORTED_FEATURE = -165
const UNSUPPORTED_VERSION = 35
const NO_SUCH_TRANSACTION = 48
const ID_NOT_ALLOWED = 53
const TIMEOUT_REFUSED = 50
const CLUSTER_NOT_ALLOWED = 31

export class KafkaTransactionalProducer implements TransactionalProducer {
  readonly #native: NativeKafka
  readonly #options: KafkaBrokerOptions
  readonly #transaction: TransactionalProducerOptions
  readonly #waits: OpenWaits
  readonly #leaving = new AbortController()
  readonly #endings = new Set<Promise<void>>()
  /** Topics that were seen to exist: the client would wait for any other until the transaction is over. */
  readonly #knownTopics = new Set<string>()
  readonly #missing = new MissingTopics()
  #client: TransactionClient | undefined
  /** How much goes over at once, where that is less than is configured. */
  #batch: ClientConfig = {}
  /** What the client is of no use after, until it is made anew. */
  #broken: TransactionError | undefined
  #begun: Promise<void> | undefined
  #ending: Promise<void> | undefined

  constructor(native: NativeKafka, options: KafkaBrokerOptions, transaction: TransactionalProducerOptions) {
    this.#native = native
    this.#options = options
    this.#transaction = transaction
    this.#waits = options.waits ?? new OpenWaits()
  }

  async connect(): Promise<void> {
    this.#drop()
    // Ended before the id is taken again: otherwise its last words would be those of a client that was fenced.
    await this.#untilEnded()
    const config = transactionalConfig(this.#options, this.#transaction, this.#batch)
    const client = await this.#open(config)
    try {
      await this.#take(client)
    } catch (error) {
      this.#end(client)
      throw error
    }
    this.#client = client
    this.#broken = undefined
  }

  async #open(config: Readonly<Record<string, unknown>>): Promise<TransactionClient> {
    const { signal } = this.#leaving
    const timeoutMs = this.#options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS
    const opening = TransactionClient.open({
      native: this.#native,
      config,
      options: this.#options,
      timeoutMs,
      signal,
    })
    // A client that connects while the producer disconnects has nobody else to end it.
    this.#awaitEnd(
      opening.then(
        (client) => (signal.aborted ? client.end() : undefined),
        () => undefined,
      ),
    )
    const client = await opening
    this.#refuseWhenLeaving()
    return client
  }

  async #take(client: TransactionClient): Promise<void> {
    try {
      await client.init(this.#options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS)
    } catch (error) {
      throw idError(error, this.#transaction)
    }
  }

  #refuseWhenLeaving(): void {
    if (this.#leaving.signal.aborted) {
      throw new TroupeError('BROKER_UNREACHABLE', 'The transactional producer is disconnected.')
    }
  }

  // --- one transaction

  begin(): void {
    if (this.#begun !== undefined) throw new TroupeError('INTERNAL', 'a transaction was begun inside another')
    const begun = this.#usable().begin()
    this.#begun = begun
    // Whoever makes the next call is told.
    begun.catch(() => undefined)
  }

  async send(records: readonly OutputRecord[]): Promise<void> {
    await this.#step('send', async (client) => {
      await this.#refuseUnknownTopics(client, records)
      await client.produce(records, this.#transaction.transactionTimeoutMs)
    })
  }

  async sendPositions(consumer: BrokerConsumer, positions: readonly StoredPosition[]): Promise<void> {
    if (!(consumer instanceof KafkaBrokerConsumer)) {
      throw new TroupeError('INTERNAL', 'positions are sent as a member of another kind of broker')
    }
    await this.#step('positions', async (client) => {
      for (const portion of inPortions(positions, this.#options.groupId)) {
        const offsets = portion.map(({ topic, partition, position, metadata }) => ({
          topic,
          partition,
          offset: position,
          metadata,
        }))
        await consumer.asMember((member) =>
          client.sendPositions(offsets, member, this.#transaction.transactionTimeoutMs),
        )
      }
    })
  }

  async commit(): Promise<void> {
    await this.#step('commit', (client) => client.commit(this.#transaction.transactionTimeoutMs))
    this.#begun = undefined
  }

  async abort(): Promise<void> {
    if (this.#begun === undefined) return
    try {
      await this.#step('abort', (client) => client.abort(this.#transaction.transactionTimeoutMs))
    } catch (error) {
      // The brokers have no transaction to abort, as where its first partition was refused; the client does not get over that.
      if (!(error instanceof TransactionError) || codeOf(error.cause) !== NO_SUCH_TRANSACTION) throw error
      await this.connect()
    }
    this.#begun = undefined
  }

  /** Rejects with a TransactionError for whatever went wrong with the client. */
  async #step(step: TransactionStep, run: (client: TransactionClient) => Promise<void>): Promise<void> {
    const client = this.#usable()
    if (this.#begun === undefined) throw new TroupeError('INTERNAL', `there is no transaction (${step})`)
    try {
      await this.#begun
      await run(client)
    } catch (error) {
      if (isTroupeError(error) || codeOf(error) === undefined) throw error
      const failed = await this.#named(transactionError(error, step), client)
      if (failed.fault === 'fenced' || failed.fault === 'unknown') this.#broken = failed
      // A topic that went away is asked for again.
      if (failed.fault === 'unavailable' || failed.fault === 'refused') this.#knownTopics.clear()
      throw failed
    }
  }

  /** The client does not say which topic there is no right to; the brokers do. */
  async #named(error: TransactionError, client: TransactionClient): Promise<TransactionError> {
    if (error.fault !== 'not-allowed' || codeOf(error.cause) !== TOPIC_NOT_ALLOWED) return error
    const admin = this.#native.AdminClient.createFrom(client.client)
    const found = await describeByName(admin, [...this.#knownTopics]).catch(() => [])
    const closed = found.filter(({ mayWrite }) => !mayWrite).map(({ name }) => name)
    return new TransactionError(error.fault, `${error.message}: ${closed.join(', ')}`, { cause: error.cause })
  }

  #usable(): TransactionClient {
    if (this.#broken !== undefined) throw this.#broken
    if (this.#client === undefined) throw new TransactionError('unavailable', 'The producer is not connected.')
    return this.#client
  }

  async #refuseUnknownTopics(client: TransactionClient, records: readonly OutputRecord[]): Promise<void> {
    const missing = await this.#missingTopics(client, records)
    if (missing.length === 0) return
    const answers = await describeByName(this.#native.AdminClient.createFrom(client.client), missing).catch(unanswered)
    const hidden = answers.filter(({ code }) => code === TOPIC_NOT_ALLOWED).map(({ name }) => name)
    if (hidden.length > 0) {
      throw new TransactionError('not-allowed', `There is no right to write to ${hidden.join(', ')}, or to see it.`)
    }
    throw new TransactionError('refused', `There is no topic ${missing.join(', ')}.`)
  }

  async #missingTopics(client: TransactionClient, records: readonly OutputRecord[]): Promise<readonly string[]> {
    const unknown = new Set<string>()
    let last = ''
    for (const { topic } of records) {
      // Mostly they come in runs of one topic.
      if (topic === last) continue
      last = topic
      if (!this.#knownTopics.has(topic)) unknown.add(topic)
    }
    if (unknown.size === 0) return []
    let counts: ReadonlyMap<string, number>
    try {
      counts = await countPartitions(client.client, [...unknown], REQUEST_TIMEOUT_MS, this.#waits)
    } catch (error) {
      return unanswered(error)
    }
    for (const topic of counts.keys()) {
      this.#knownTopics.add(topic)
      this.#missing.noteSeen(topic)
      unknown.delete(topic)
    }
    // A broker that has just come back may know less than it did before.
    const hidden = [...unknown].find((topic) => !this.#missing.isGone(topic, this.#options.clock.now()))
    if (hidden !== undefined) {
      throw new TransactionError('unavailable', `The brokers know no topic ${hidden} just now, and they did before.`)
    }
    return [...unknown]
  }

  // --- records that are tried

  async tryRecords(records: readonly OutputRecord[]): Promise<readonly WriteResult[]> {
    if (this.#begun !== undefined) throw new TroupeError('INTERNAL', 'records are tried inside a transaction')
    const client = this.#usable()
    const missing = new Set(await this.#missingTopics(client, records))
    // The same id, because another may not be allowed: so one client at a time.
    this.#drop()
    await this.#untilEnded()
    try {
      const known = records.filter(({ topic }) => !missing.has(topic))
      const results = (known.length === 0 ? [] : await this.#tryKnown(known)).values()
      return records.map(({ topic }) =>
        missing.has(topic)
          ? new TroupeError('TOPIC_MISSING', `The topic ${topic} does not exist.`)
          : (results.next().value ?? null),
      )
    } finally {
      await this.connect().catch((error: unknown) => {
        this.#broken = new TransactionError('unknown', messageOf(error), { cause: error })
      })
    }
  }

  async #tryKnown(records: readonly OutputRecord[]): Promise<WriteResult[]> {
    const { clock } = this.#options
    const config = triedRecordsConfig(this.#options, this.#transaction)
    const { signal } = this.#leaving
    const callMs = this.#transaction.transactionTimeoutMs
    const reports = await ProducerClient.open({
      native: this.#native,
      config,
      options: this.#options,
      reports: 'all',
      timeoutMs: this.#options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
      signal,
    })
    const transactions = new TransactionClient(reports.client, clock, signal)
    try {
      await this.#take(transactions)
      return await tryRecords(records, {
        reports,
        transactions,
        isCompressed: (config['compression.codec'] ?? config['compression.type'] ?? 'none') !== 'none',
        deadline: () => new Deadline(clock, callMs),
        callMs,
      })
    } finally {
      this.#end(transactions)
      this.#awaitEnd(reports.end())
      await this.#untilEnded()
    }
  }

  sendSmaller(): boolean {
    const smaller = smallerBatch(transactionalConfig(this.#options, this.#transaction, this.#batch))
    if (smaller === null) return false
    this.#batch = smaller
    return true
  }

  // --- the end

  /** The next client is made by `connect`; this one drops what it holds. */
  #drop(): void {
    const client = this.#client
    this.#client = undefined
    this.#begun = undefined
    if (client !== undefined) this.#end(client)
  }

  #end(client: TransactionClient): void {
    this.#awaitEnd(client.end())
  }

  #awaitEnd(ending: Promise<void>): void {
    this.#endings.add(ending)
    void ending.then(() => this.#endings.delete(ending))
  }

  /** One that never ends holds up nobody for ever: the next one fences it. */
  async #untilEnded(): Promise<void> {
    if (this.#endings.size === 0) return
    await Promise.race([Promise.all(this.#endings), sleepInBackground(DISCONNECT_TIMEOUT_MS)])
  }

  disconnect(): Promise<void> {
    this.#ending ??= this.#disconnect()
    return this.#ending
  }

  async #disconnect(): Promise<void> {
    const isOver = sleepInBackground(DISCONNECT_TIMEOUT_MS)
    if (this.#begun !== undefined && this.#broken === undefined && this.#client !== undefined) {
      // What cannot be aborted now the brokers abort after the time-out.
      await this.#client.abort(LAST_ABORT_MS).catch(() => undefined)
    }
    // The default reason, an error, would keep whoever called this reachable through its stack.
    this.#leaving.abort('the producer is disconnected')
    this.#drop()
    await Promise.race([Promise.all(this.#endings), isOver])
  }
}

const TOPIC_NOT_ALLOWED = 29

function unanswered(cause: unknown): never {
  throw new TransactionError('unavailable', messageOf(cause), { cause })
}

/** As the client counts operations. */
const WRITE = 4

interface NamedTopic {
  readonly name: string
  readonly code: number
  readonly mayWrite: boolean
}

/** What is not among all topics is not there, or not to be seen by this user: only asked for by name the brokers say which. */
function describeByName(admin: NativeAdmin, topics: readonly string[]): Promise<readonly NamedTopic[]> {
  return new Promise((resolve, reject) => {
    const options = { timeout: REQUEST_TIMEOUT_MS, includeAuthorizedOperations: true }
    admin.describeTopics(topics, options, (error, list) => {
      if (error != null) reject(new Error(`code ${error.code}: ${messageOf(error)}`))
      else {
        resolve(
          list.map(({ name, error: failed, authorizedOperations = [] }) => ({
            name,
            code: failed?.code ?? 0,
            mayWrite: authorizedOperations.includes(WRITE),
          })),
        )
      }
    })
  })
}

function idError(error: unknown, { transactionalId, transactionTimeoutMs }: TransactionalProducerOptions): Error {
  const code = codeOf(error)
  const text = messageOf(error)
  switch (code) {
    case ID_NOT_ALLOWED:
    case CLUSTER_NOT_ALLOWED:
      return new TroupeError(
        'TRANSACTION_NOT_ALLOWED',
        `This user may not use the transactional id ${transactionalId}: ${text}. It needs Write and Describe on it, ` +
          'or on the prefix that ends before its last part.',
        { cause: error },
      )
    case TIMEOUT_REFUSED:
      return new TroupeError(
        'OPTIONS_INVALID',
        `transactionTimeoutMs: ${transactionTimeoutMs} is more than transaction.max.timeout.ms of these brokers: ${text}`,
        { cause: error },
      )
    case UNSUPPORTED_FEATURE:
    case UNSUPPORTED_VERSION:
      return new TroupeError('TRANSACTIONS_UNSUPPORTED', `These brokers have no transactions: ${text}`, {
        cause: error,
      })
    default:
      return new TroupeError('BROKER_UNREACHABLE', `The brokers did not give out ${transactionalId}: ${text}`, {
        cause: error,
      })
  }
}
