/** The reader of the broker port on the native client: the consumer's parts, without a group and without commits. */
import { sleepInBackground } from '../../../clock.ts'
import { TroupeError, isTroupeError } from '../../../errors.ts'
import { OpenWaits } from '../../../metrics/open-waits.ts'
import type { BrokerReader, StartPosition, Watermarks } from '../../broker-port.ts'
import type { KafkaBrokerOptions } from '../broker-options.ts'
import { readerConfig } from '../client-config.ts'
import { ClientPartitions } from './client-partitions.ts'
import { configurationError, connectClient } from '../connection.ts'
import { readFailure } from './consumer-errors.ts'
import type { NativeConsumer, NativeError, NativeKafka } from '../native.ts'
import { fetchLogEnds } from './position-queries.ts'
import { PositionsOutOfLog } from './positions-out-of-log.ts'
import { RecordPolls } from './record-polls.ts'
import { partitionName, type SourceRecord, type TopicPartition } from '../../record.ts'
import { ClientLog } from '../trouble.ts'

const POSITION_OUT_OF_RANGE = -140

const CONNECT_TIMEOUT_MS = 15_000
/** `disconnect` waits for questions that are open: it has to end within the port's 15 s. */
const REQUEST_TIMEOUT_MS = 5000
const CLOSE_TIMEOUT_MS = 5000

const nothing: readonly SourceRecord[] = Object.freeze([])

export class KafkaBrokerReader implements BrokerReader {
  readonly #native: NativeKafka
  readonly #options: KafkaBrokerOptions
  readonly #config: Readonly<Record<string, unknown>>
  readonly #client: NativeConsumer
  readonly #partitions: ClientPartitions
  readonly #polls: RecordPolls
  readonly #outOfLog: PositionsOutOfLog
  /** The client's own position moves while a `consume` runs: before its records are ours. */
  readonly #positions = new Map<string, number>()
  readonly #questions = new Set<Promise<unknown>>()
  readonly #leaving = new AbortController()
  #state: 'new' | 'connecting' | 'connected' | 'ended' = 'new'
  #connecting: Promise<void> | undefined
  #ending: Promise<void> | undefined
  #isPolling = false
  /** What the next poll rejects with. */
  #failure: TroupeError | undefined

  constructor(native: NativeKafka, options: KafkaBrokerOptions, name: string) {
    this.#native = native
    this.#options = options
    this.#config = readerConfig(options, name)
    this.#client = this.#makeClient(native, name)
    this.#partitions = new ClientPartitions({
      client: this.#client,
      settle: () => Promise.resolve(),
      onForgotten: (names) => {
        for (const each of names) this.#positions.delete(each)
      },
      onProblem: (message) => this.#fail(new TroupeError('INTERNAL', message)),
    })
    this.#outOfLog = new PositionsOutOfLog({
      clock: options.clock,
      client: this.#client,
      watermarks: (partition) => this.#watermarksOfSilent(partition),
      startOf: (each) => this.#partitions.startOf(each),
      onOutOfRange: (_partition, message) => this.#fail(new TroupeError('OFFSET_OUT_OF_RANGE', message)),
    })
    this.#polls = new RecordPolls({
      clock: options.clock,
      client: this.#client,
      partitions: this.#partitions,
      onTaken: (records) => {
        this.#noteRecords(records)
        this.#outOfLog.noteRecords(records)
        this.#outOfLog.look(() => this.#partitions.running)
      },
      onEnd: (at) => {
        this.#positions.set(partitionName(at), at.position)
        this.#outOfLog.noteActive(at)
      },
      onError: (error) => this.#noteConsumeError(error),
    })
  }

  #makeClient(native: NativeKafka, name: string): NativeConsumer {
    let client: NativeConsumer
    try {
      client = new native.KafkaConsumer({ ...this.#config, queue_non_empty_cb: () => this.#polls.noteQueue() })
    } catch (error) {
      throw configurationError(error, this.#config)
    }
    const log = new ClientLog(this.#options.log, name, this.#options.clock)
    client.on('event.log', (event) => {
      if (this.#state === 'connected') log.note(event)
    })
    // Without a listener the process would end. What passes by itself, the log lines above tell as well.
    const note = (error: NativeError | Error): void => this.#options.log('debug', { client: name }, error.message)
    client.on('event.error', note)
    client.on('error', note)
    return client
  }

  connect(): Promise<void> {
    this.#connecting ??= this.#connect()
    return this.#connecting
  }

  async #connect(): Promise<void> {
    this.#state = 'connecting'
    const timeoutMs = this.#options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS
    try {
      const { brokers, clock } = this.#options
      await connectClient(this.#client, this.#config, brokers, timeoutMs, this.#leaving.signal, clock)
      this.#state = 'connected'
    } catch (error) {
      this.#state = 'ended'
      throw error
    }
  }

  assign(starts: readonly StartPosition[]): void {
    this.#requireConnected()
    this.#failure = undefined
    const event = this.#partitions.open('assign', starts.map(placeOf), false)
    this.#partitions.assign(event.id, starts)
    this.#noteStarts(starts)
  }

  follow(starts: readonly StartPosition[]): void {
    this.#requireConnected()
    this.#partitions.add(starts)
    this.#noteStarts(starts)
  }

  unfollow(partitions: readonly TopicPartition[]): void {
    if (this.#state === 'connected') this.#partitions.remove(partitions)
  }

  pause(partitions: readonly TopicPartition[]): void {
    if (this.#state === 'connected') this.#partitions.pause(partitions)
  }

  resume(partitions: readonly TopicPartition[]): void {
    if (this.#state === 'connected') this.#partitions.resume(partitions)
  }

  #noteStarts(starts: readonly StartPosition[]): void {
    for (const start of starts) {
      this.#outOfLog.noteActive(start)
      if (typeof start.position === 'number') this.#positions.set(partitionName(start), start.position)
    }
  }

  async poll(maxRecords: number, timeoutMs: number): Promise<readonly SourceRecord[]> {
    if (this.#isPolling) throw new TroupeError('INTERNAL', 'poll was called while a poll was outstanding')
    if (this.#state !== 'connected') return nothing
    this.#isPolling = true
    try {
      this.#throwFailure()
      const records = await this.#polls.take(maxRecords, timeoutMs)
      if (records.length === 0) this.#throwFailure()
      return records
    } finally {
      this.#isPolling = false
    }
  }

  position(partition: TopicPartition): number | null {
    return this.#positions.get(partitionName(partition)) ?? null
  }

  async watermarks(partition: TopicPartition): Promise<Watermarks> {
    this.#requireConnected()
    const admin = this.#native.AdminClient.createFrom(this.#client)
    const waits = this.#options.waits ?? new OpenWaits(this.#options.clock)
    const question = fetchLogEnds(admin, partition, REQUEST_TIMEOUT_MS, waits)
    this.#questions.add(question)
    try {
      return await question
    } finally {
      this.#questions.delete(question)
    }
  }

  /** Of a topic that went away the client says nothing. */
  async #watermarksOfSilent(partition: TopicPartition): Promise<Watermarks> {
    try {
      return await this.watermarks(partition)
    } catch (error) {
      if (isTroupeError(error) && !error.retryable) this.#fail(error)
      throw error
    }
  }

  #noteRecords(records: readonly SourceRecord[]): void {
    // The last of each run of one partition: a name costs.
    for (let i = 0; i < records.length; i += 1) {
      const record = records[i]!
      const next = records[i + 1]
      if (next?.partition === record.partition && next.topic === record.topic) continue
      const name = partitionName(record)
      this.#positions.set(name, Math.max(record.offset + 1, this.#positions.get(name) ?? 0))
    }
  }

  #noteConsumeError(error: NativeError): void {
    if (error.code === POSITION_OUT_OF_RANGE) void this.#outOfLog.check(this.#partitions.partitions)
    const failure = readFailure(error)
    if (failure !== undefined) this.#fail(failure)
  }

  #fail(failure: TroupeError): void {
    this.#failure = failure
    this.#polls.wake()
  }

  #throwFailure(): void {
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure
  }

  #requireConnected(): void {
    if (this.#state !== 'connected') throw new TroupeError('BROKER_UNREACHABLE', 'The reader is not connected.')
  }

  disconnect(): Promise<void> {
    this.#ending ??= this.#disconnect()
    return this.#ending
  }

  async #disconnect(): Promise<void> {
    this.#leaving.abort('the reader is disconnected')
    await this.#connecting?.catch(() => undefined)
    const wasConnected = this.#state === 'connected'
    this.#state = 'ended'
    if (!wasConnected) return
    await this.#polls.stop()
    // They are asked on this client's connections.
    await Promise.allSettled(this.#questions)
    const closed = new Promise<void>((resolve) => {
      this.#client.disconnect(resolve)
    })
    await Promise.race([closed, sleepInBackground(CLOSE_TIMEOUT_MS)])
  }
}

function placeOf({ topic, partition }: TopicPartition): TopicPartition {
  return { topic, partition }
}
