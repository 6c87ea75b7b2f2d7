/** One native producer: sends a run of records and tells which of them failed. It knows no retries. */
import { inBackground, sleep, type Clock } from '../../../clock.ts'
import { TroupeError } from '../../../errors.ts'
import type { KafkaBrokerOptions } from '../broker-options.ts'
import type { Deadline } from './deadline.ts'
import { codeOf, configurationError, connectClient, messageOf } from '../connection.ts'
import type { NativeDeliveryReport, NativeKafka, NativeProducer } from '../native.ts'
import { toNativeBytes, toNativeHeaders } from '../record.ts'
import { ClientLog } from '../trouble.ts'
import type { RecordPlace } from '../../broker-port.ts'
import type { OutputRecord } from '../../record.ts'

const QUEUE_FULL = -184
const FATAL = -150
/** Ours, not the client's: a record was sent, and nobody knows whether it was taken. */
export const NO_ANSWER = -1_000_000
const NOT_ACKNOWLEDGED = 'records were not acknowledged by the deadline'

/** The binding brings at most this many reports in one turn of the loop. */
const REPORTS_A_TURN = 100
/** One `flush` waits at most this long; between two, the deadline is looked at. */
const MAX_FLUSH_MS = 250
/**
 * A client that has stopped for good gets answers for what is on its way for this long. What it takes
 * back into its queue after it has emptied it (a race of its own) it would keep for ever.
 */
const LAST_ANSWERS_MS = 1000
/** An idle client's events are taken this often, so that they do not pile up. */
const IDLE_POLL_MS = 5000

/**
 * How a client learns what became of its records.
 *
 * - `all`: a report for each record, with its number. 3 µs a record more, but `flush` returns as soon as the
 *   last acknowledgement is there. For small batches.
 * - `failures`: reports of failures only. `flush` is woken by reports, so without them it looks every 10 ms
 *   unless it is called for a shorter time again and again. And no numbers: the binding frees a record's number
 *   when its report is taken, so that the numbers of records without one would stay in memory for ever.
 */
export type ReportMode = 'all' | 'failures'

/** Why one record failed. `local`: the client refused this very record before anything was sent. */
export interface SendFailure {
  readonly code: number
  readonly message: string
  readonly local: boolean
}

/** Told of each record that became durable. */
export type PlaceListener = (index: number, place: RecordPlace) => void

export interface ProducerClientSettings {
  readonly native: NativeKafka
  readonly config: Readonly<Record<string, unknown>>
  readonly options: KafkaBrokerOptions
  readonly reports: ReportMode
  readonly timeoutMs: number
  /** Aborted, it gives up connecting. */
  readonly signal: AbortSignal
}

export class ProducerClient {
  readonly client: NativeProducer
  readonly #mode: ReportMode
  readonly #clock: Clock
  readonly #endIdlePoll: () => void
  #failures = new Map<number, SendFailure>()
  /** `all` only: what was given to the client and not reported yet. */
  readonly #unreported = new Set<number>()
  /** `failures` only: the first failure of each topic and key. */
  #failedKeys = new Map<string, SendFailure>()
  #onPlaced: PlaceListener | undefined
  #reports = 0
  #ending: Promise<void> | undefined

  /** The client's last words, once it has stopped for good. */
  readonly #cause: { readonly text: string }

  private constructor(client: NativeProducer, mode: ReportMode, cause: { readonly text: string }, clock: Clock) {
    this.client = client
    this.#clock = clock
    this.#mode = mode
    this.#cause = cause
    client.on('delivery-report', (error, report) => {
      this.#reports += 1
      if (report.opaque !== undefined) this.#unreported.delete(report.opaque)
      if (error == null) {
        if (this.#onPlaced !== undefined && report.opaque !== undefined) this.#onPlaced(report.opaque, placeOf(report))
        return
      }
      // "Fatal error" alone says nothing; the log has said which.
      const message = error.code === FATAL && cause.text !== '' ? cause.text : error.message
      const failure = { code: error.code, message, local: false }
      if (report.opaque !== undefined) this.#failures.set(report.opaque, failure)
      else {
        const group = groupOf(report)
        if (!this.#failedKeys.has(group) || isAboutRecords(failure)) this.#failedKeys.set(group, failure)
      }
    })
    this.#endIdlePoll = inBackground(IDLE_POLL_MS, () => client.poll())
  }

  /** Makes and connects a client. Rejects with a TroupeError that names the cause. */
  static async open({
    native,
    config,
    options,
    reports,
    timeoutMs,
    signal,
  }: ProducerClientSettings): Promise<ProducerClient> {
    const log = new ClientLog(options.log, String(config['client.id']), options.clock)
    const cause = { text: '' }
    let client: NativeProducer
    try {
      client = new native.Producer({ ...config, 'delivery.report.only.error': reports === 'failures' })
    } catch (error) {
      throw configurationError(error, config)
    }
    let connected = false
    client.on('event.log', (event) => {
      if (connected) log.note(event)
      if (event.fac === 'FATAL') cause.text = event.message.replace(/^\[thrd:[^\]]*\]:\s*/, '')
    })
    client.on('error', (error) => options.log('warn', {}, error.message))
    await connectClient(client, config, options.brokers, timeoutMs, signal, options.clock)
    connected = true
    return new ProducerClient(client, reports, cause, options.clock)
  }

  /**
   * Sends `records[i]` for each i of `indices`, in that order. Resolves when what became of each is known:
   * those in the map failed, the others are durable. A client that gets reports of failures only may
   * also name records that are durable, if they share topic and key with one that failed. At the deadline, which
   * each acknowledgement puts off, what is not known counts as failed, and the client is of no use any more; rejects
   * with SINK_UNAVAILABLE when that is all, or a client with reports of failures only cannot tell. `onPlaced` is told by
   * a client with a report for each record only.
   */
  async send(
    records: readonly OutputRecord[],
    indices: readonly number[],
    deadline: Deadline,
    onPlaced?: PlaceListener,
  ): Promise<ReadonlyMap<number, SendFailure>> {
    this.#onPlaced = onPlaced
    this.#failures = new Map()
    this.#failedKeys = new Map()
    for (const index of indices) {
      while (!this.#produce(records[index]!, index)) await this.#makeRoom(deadline)
    }
    const answer = await this.#flush(deadline)
    await this.#takeReports()
    if (this.#failedKeys.size > 0) this.#spreadFailures(records, indices)
    if (answer === 'stopped') this.#failUnanswered(indices, FATAL, this.#cause.text)
    else if (answer === 'overdue') {
      // Without a report for each nobody knows which of them were taken.
      if (this.#mode === 'failures' || this.#unreported.size === indices.length) throw unavailable(NOT_ACKNOWLEDGED)
      this.#failUnanswered(indices, NO_ANSWER, NOT_ACKNOWLEDGED)
    }
    return this.#failures
  }

  /** The client keeps some: whatever is not known to be durable has to go again. */
  #failUnanswered(indices: readonly number[], code: number, message: string): void {
    const failure = { code, message, local: false }
    for (const index of this.#mode === 'all' ? this.#unreported : indices) {
      if (!this.#failures.has(index)) this.#failures.set(index, failure)
    }
  }

  /** A failure without a number stands for every record of its topic and key. */
  #spreadFailures(records: readonly OutputRecord[], indices: readonly number[]): void {
    const found = new Set<string>()
    for (const index of indices) {
      const group = groupOf(records[index]!)
      const failure = this.#failedKeys.get(group)
      if (failure === undefined) continue
      found.add(group)
      if (!this.#failures.has(index)) this.#failures.set(index, failure)
    }
    // Cannot happen; if it did, a lost record would pass for a durable one.
    if (found.size < this.#failedKeys.size) throw unavailable('a failure could not be told to its record')
  }

  /** False when the client's queue is full. */
  #produce(record: OutputRecord, index: number): boolean {
    try {
      this.client.produce(
        record.topic,
        record.partition ?? null,
        record.value && toNativeBytes(record.value),
        record.key && toNativeBytes(record.key),
        record.timestamp ?? null,
        this.#mode === 'all' ? index : undefined,
        toNativeHeaders(record.headers),
      )
    } catch (error) {
      const code = codeOf(error)
      if (code === QUEUE_FULL) return false
      // Not the client's word on this record, but a bug: nothing may be concluded for the record.
      if (code === undefined) throw error
      const failure = { code, message: messageOf(error), local: true }
      this.#failures.set(index, isAboutRecords(failure) ? failure : { ...failure, local: false })
      return true
    }
    if (this.#mode === 'all') this.#unreported.add(index)
    return true
  }

  async #makeRoom(deadline: Deadline): Promise<void> {
    if (deadline.leftMs <= 0) throw unavailable('its queue stayed full')
    await this.#flushFor(10)
  }

  /** Waits until the client holds no record any more; or has stopped and keeps some, or acknowledges nothing for too long. */
  async #flush(deadline: Deadline): Promise<'done' | 'stopped' | 'overdue'> {
    const startedAt = this.#clock.now()
    let reports = this.#reports
    let stoppedAt: number | undefined
    for (;;) {
      const now = this.#clock.now()
      const waitedMs = now - startedAt
      if (this.#reports > reports) deadline.noteProgress()
      reports = this.#reports
      if (deadline.leftMs <= 0) return 'overdue'
      if (this.#cause.text !== '') stoppedAt ??= now
      if (stoppedAt !== undefined && now - stoppedAt >= LAST_ANSWERS_MS) return 'stopped'
      const sliceMs = this.#mode === 'all' ? MAX_FLUSH_MS : Math.min(MAX_FLUSH_MS, Math.max(1, waitedMs >> 3))
      if (await this.#flushFor(Math.min(sliceMs, Math.max(1, deadline.leftMs)))) return 'done'
    }
  }

  #flushFor(timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      this.client.flush(timeoutMs, (error) => resolve(error == null))
    })
  }

  /**
   * Takes the reports that have not reached us yet: `flush` returns when the client has none left, but they
   * cross to this thread at most `REPORTS_A_TURN` in a turn of the loop. A turn that brought fewer was the last.
   */
  async #takeReports(): Promise<void> {
    await sleep(this.#clock, 0)
    for (;;) {
      const before = this.#reports
      await sleep(this.#clock, 0)
      if (this.#reports - before < REPORTS_A_TURN) return
    }
  }

  /** Ends the client at once: what it still holds is dropped. */
  end(): Promise<void> {
    this.#ending ??= new Promise((resolve) => {
      this.#endIdlePoll()
      this.client._disconnect(resolve)
    })
    return this.#ending
  }
}

/** Codes that are not about a record: the client was stopped, ended or overtaken, and what it held goes again. */
const notAboutRecords = new Set([
  NO_ANSWER,
  -150,
  -151,
  -152,
  -144,
  -192,
  -195,
  -197,
  -185,
  -148,
  5,
  6,
  7,
  19,
  20,
  45,
  46,
  47,
  59,
])

export function isAboutRecords(failure: SendFailure): boolean {
  return !notAboutRecords.has(failure.code)
}

/** Records of one topic and key share their fate: they go to one partition, and its refused end is sent again. */
function groupOf({ topic, key }: { readonly topic: string; readonly key: Uint8Array | null }): string {
  // An empty key with those without one: not every allocator tells them apart in a report.
  return key === null || key.byteLength === 0 ? topic : `${topic}:${Buffer.from(key).toString('latin1')}`
}

function placeOf({ partition, offset = -1, timestamp }: NativeDeliveryReport): RecordPlace {
  return { partition, ...(offset < 0 ? {} : { offset }), ...(timestamp === undefined ? {} : { timestamp }) }
}

export function unavailable(why: string, cause?: unknown): TroupeError {
  return new TroupeError('SINK_UNAVAILABLE', `Kafka takes no records for now: ${why}`, { cause })
}
