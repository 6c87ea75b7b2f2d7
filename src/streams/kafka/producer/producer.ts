/**
 * The producer of the broker port: a batch is durable, or each of its records is accounted for.
 *
 * One batch is in flight, so two native clients serve one order: small batches go through one that
 * reports on every record and is fastest to know, large ones through one that reports failures only and
 * is several times cheaper. When the broker refuses a batch of the protocol, the client stops before anything
 * behind it can pass (`enable.gapless.guarantee`), so what failed of a partition is always the end of
 * what was sent to it; that end is sent again, in its order.
 *
 * On a slow line (a quota, a thin pipe) a write says after some seconds what is durable, leaves the rest to the next
 * one, and gives the client no more at a time than goes in as many seconds, through the client that reports on
 * every record: so nothing that was acknowledged is sent again.
 */
import type { Clock } from '../../../clock.ts'
import { TroupeError } from '../../../errors.ts'
import { OpenWaits } from '../../../metrics/open-waits.ts'
import type { BrokerProducer, WriteAnswer } from '../../broker-port.ts'
import type { KafkaBrokerOptions } from '../broker-options.ts'
import { producerConfig, singleRecordProducerConfig } from '../client-config.ts'
import { countPartitions } from '../connection.ts'
import type { NativeKafka } from '../native.ts'
import { Deadline } from './deadline.ts'
import { Pace, isLong } from './pace.ts'
import type { PlaceListener, ReportMode, SendFailure } from './producer-client.ts'
import { NO_ANSWER, ProducerClient, isAboutRecords, unavailable } from './producer-client.ts'
import { refusal, sendSingly } from './single-records.ts'
import type { OutputRecord } from '../../record.ts'

const CONNECT_TIMEOUT_MS = 15_000
const DELIVERY_TIMEOUT_MS = 60_000
const REQUEST_TIMEOUT_MS = 15_000
const LAST_WRITE_TIMEOUT_MS = 1000
/** A client that fails with all it was given, this many times in a row, is not repaired by another one. */
const MAX_FRUITLESS = 3

/** From this many records on, reports of failures only are cheaper than a report for each, and no slower. */
const LARGE_BATCH = 100

export class KafkaBrokerProducer implements BrokerProducer {
  readonly #native: NativeKafka
  readonly #options: KafkaBrokerOptions
  readonly #name: string
  readonly #clock: Clock
  readonly #pace = new Pace()
  /** One for small batches (`all`), and one for large ones (`failures`), which is made when it is first needed. */
  readonly #clients = new Map<ReportMode, ProducerClient>()
  readonly #endings = new Set<Promise<void>>()
  readonly #leaving = new AbortController()
  #writing: Promise<unknown> | undefined
  #deadline: Deadline | undefined
  /** Topics that were seen to exist: a record for any other is refused before it can wait for its topic. */
  readonly #knownTopics = new Set<string>()

  constructor(native: NativeKafka, options: KafkaBrokerOptions, name: string) {
    this.#native = native
    this.#options = options
    this.#clock = options.clock
    this.#name = name
  }

  async connect(): Promise<void> {
    if (this.#clients.has('all')) return
    const timeoutMs = this.#options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS
    this.#clients.set('all', await this.#open(producerConfig(this.#options, this.#name), 'all', timeoutMs))
  }

  async #open(config: Record<string, unknown>, reports: ReportMode, timeoutMs: number): Promise<ProducerClient> {
    const { signal } = this.#leaving
    const opening = ProducerClient.open({
      native: this.#native,
      config,
      options: this.#options,
      reports,
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
    if (signal.aborted) throw unavailable('the producer is disconnected')
    return client
  }

  /** The client for one kind of batch, connected. Rejects with SINK_UNAVAILABLE. */
  async #usable(mode: ReportMode, deadline: Deadline): Promise<ProducerClient> {
    if (this.#leaving.signal.aborted) throw unavailable('the producer is disconnected')
    const present = this.#clients.get(mode)
    if (present !== undefined) return present
    const config = producerConfig(this.#options, this.#name)
    const client = await this.#open(config, mode, untilAtMost(deadline, CONNECT_TIMEOUT_MS)).catch(asUnavailable)
    this.#clients.set(mode, client)
    return client
  }

  async partitionCounts(topics: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const { client } = await this.#usable('all', new Deadline(this.#clock, REQUEST_TIMEOUT_MS))
    const counts = await countPartitions(client, topics, REQUEST_TIMEOUT_MS, this.#options.waits ?? new OpenWaits())
    for (const topic of counts.keys()) this.#knownTopics.add(topic)
    return counts
  }

  write(records: readonly OutputRecord[], onPlaced?: PlaceListener): Promise<readonly WriteAnswer[]> {
    if (this.#writing !== undefined) {
      return Promise.reject(new TroupeError('INTERNAL', 'write was called while a write was outstanding'))
    }
    const timeoutMs = this.#options.deliveryTimeoutMs ?? DELIVERY_TIMEOUT_MS
    this.#deadline = new Deadline(this.#clock, timeoutMs)
    const writing = this.#write(records, this.#deadline, onPlaced)
    this.#writing = writing
    const done = (): void => {
      this.#writing = undefined
    }
    writing.then(done, done)
    return writing
  }

  async #write(
    records: readonly OutputRecord[],
    deadline: Deadline,
    onPlaced: PlaceListener | undefined,
  ): Promise<readonly WriteAnswer[]> {
    const results = new Array<WriteAnswer>(records.length).fill(null)
    const open = await this.#refuseUnknownTopics(records, results)
    const startedAt = this.#clock.now()
    for (let from = 0; from < open.length;) {
      const { end, bytes } = this.#pace.endOf(records, open, from)
      const piece = end - from === open.length ? open : open.slice(from, end)
      const pieceAt = this.#clock.now()
      let isWritten = false
      try {
        await this.#writePiece(records, results, piece, bytes, deadline, onPlaced)
        deadline.noteProgress()
        isWritten = true
      } catch (error) {
        // What went before is durable, and that counts.
        if (from === 0) throw error
        for (const index of piece) results[index] = 'again'
      } finally {
        // A quick failure says nothing of the line; after a long one the next piece is smaller.
        const tookMs = this.#clock.now() - pieceAt
        if (isWritten || isLong(tookMs)) this.#pace.note(bytes, tookMs)
      }
      const now = this.#clock.now()
      from = end
      if (isLong(now - startedAt) || piece.some((index) => results[index] === 'again')) {
        for (const index of open.slice(from)) results[index] = 'again'
        break
      }
    }
    return results
  }

  async #writePiece(
    records: readonly OutputRecord[],
    results: WriteAnswer[],
    piece: readonly number[],
    bytes: number,
    deadline: Deadline,
    onPlaced: PlaceListener | undefined,
  ): Promise<void> {
    let open = piece
    try {
      let fruitless = 0
      while (open.length > 0) {
        const wantsAll = onPlaced !== undefined || open.length < LARGE_BATCH || !this.#pace.isSmall(bytes)
        const failures = await this.#send(wantsAll ? 'all' : 'failures', records, open, deadline, onPlaced)
        const left = open.filter((index) => {
          const failure = failures.get(index)
          if (failure?.local === true) results[index] = refusal(failure, records[index]!)
          return failure?.local === false
        })
        if (left.some((index) => failures.get(index)!.code === NO_ANSWER)) {
          for (const index of left) results[index] = 'again'
          return
        }
        if (left.some((index) => isAboutRecords(failures.get(index)!))) {
          open = left
          await this.#writeSingly(records, results, left, deadline, onPlaced)
          return
        }
        // What is left was with the client when it stopped: it goes again with a new one.
        fruitless = left.length < open.length ? 0 : fruitless + 1
        if (fruitless >= MAX_FRUITLESS)
          throw unavailable(`its client stops at once: ${failures.get(left[0]!)!.message}`)
        open = left
      }
    } catch (error) {
      // What a client before has made durable, or refused, stays so.
      if (open.length === piece.length) throw error
      for (const index of open) results[index] = 'again'
    }
  }

  async #send(
    mode: ReportMode,
    records: readonly OutputRecord[],
    indices: readonly number[],
    deadline: Deadline,
    onPlaced: PlaceListener | undefined,
  ): Promise<ReadonlyMap<number, SendFailure>> {
    const client = await this.#usable(mode, deadline)
    try {
      const failures = await client.send(records, indices, deadline, onPlaced)
      // A refusal by the broker has stopped the client, and one that failed otherwise is not to be trusted.
      if ([...failures.values()].some((failure) => !failure.local)) this.#drop(mode)
      return failures
    } catch (error) {
      this.#drop(mode)
      throw error
    }
  }

  /** Some of these were in a refused batch: each goes in a batch of its own, so that a refusal is the record's own. */
  async #writeSingly(
    records: readonly OutputRecord[],
    results: WriteAnswer[],
    indices: readonly number[],
    deadline: Deadline,
    onPlaced: PlaceListener | undefined,
  ): Promise<void> {
    const config = singleRecordProducerConfig(this.#options, this.#name)
    const client = await this.#open(config, 'all', untilAtMost(deadline, CONNECT_TIMEOUT_MS)).catch(asUnavailable)
    try {
      // Compressed, a longer record may pass where a shorter one did not.
      const compressed = (config['compression.codec'] ?? config['compression.type'] ?? 'none') !== 'none'
      const answers = await sendSingly(client, records, indices, deadline, compressed, onPlaced)
      for (const [index, failure] of answers) {
        results[index] = failure === 'again' ? failure : refusal(failure, records[index]!)
      }
    } finally {
      this.#end(client)
    }
  }

  /** Asks for topics not seen before; records of those that do not exist are refused. Returns the indices of the others. */
  async #refuseUnknownTopics(records: readonly OutputRecord[], results: WriteAnswer[]): Promise<number[]> {
    const unknown = new Set<string>()
    for (const { topic } of records) if (!this.#knownTopics.has(topic)) unknown.add(topic)
    if (unknown.size > 0) {
      try {
        for (const topic of (await this.partitionCounts([...unknown])).keys()) unknown.delete(topic)
      } catch (error) {
        throw unavailable('its topics could not be read', error)
      }
    }
    const open: number[] = []
    for (let index = 0; index < records.length; index += 1) {
      const { topic } = records[index]!
      if (!unknown.has(topic)) open.push(index)
      else results[index] = new TroupeError('TOPIC_MISSING', `The topic ${topic} does not exist.`)
    }
    return open
  }

  /** The next write of that kind gets a new client; the old one drops what it holds. */
  #drop(mode: ReportMode): void {
    const client = this.#clients.get(mode)
    this.#clients.delete(mode)
    if (client !== undefined) this.#end(client)
  }

  #end(client: ProducerClient): void {
    this.#awaitEnd(client.end())
  }

  #awaitEnd(ending: Promise<void>): void {
    this.#endings.add(ending)
    void ending.then(() => this.#endings.delete(ending))
  }

  async disconnect(): Promise<void> {
    // The default reason, an error, would keep whoever called this reachable through its stack.
    this.#leaving.abort('the producer is disconnected')
    // Who ends the producer has waited for its writes as long as it wanted to.
    this.#deadline?.drawIn(LAST_WRITE_TIMEOUT_MS)
    await this.#writing?.catch(() => undefined)
    this.#drop('all')
    this.#drop('failures')
    await Promise.all(this.#endings)
  }
}

function untilAtMost(deadline: Deadline, limitMs: number): number {
  return Math.max(1, Math.min(limitMs, deadline.leftMs))
}

function asUnavailable(error: unknown): never {
  throw unavailable('no connection', error)
}
