/**
 * What a producer was given and is not known to be durable yet, in one line, in the order given:
 *
 *     [ in flight | accepted, to be written next | waiting for room ]
 *
 * One batch is in flight. What Kafka does not take for now is written again, before anything else, until each of its
 * records is answered or has reached its deadline. So nothing of a key overtakes another.
 */
import type { Clock } from '../../clock.ts'
import { TroupeError, describeError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { BrokerProducer, RecordPlace, WriteAnswer } from '../broker-port.ts'
import type { OutputRecord } from '../record.ts'

/** Where a durable record stands. */
export interface DeliveryReport extends RecordPlace {
  readonly topic: string
}

/** What is given and not answered yet. */
export interface Pending {
  /** Accepted: they count against maxPendingRecords. */
  readonly records: number
  /** Theirs: they count against maxPendingBytes. */
  readonly bytes: number
  /** In line for room. */
  readonly waiting: number
}

export interface SendLimits {
  readonly maxPendingRecords: number
  readonly maxPendingBytes: number
  readonly deliveryTimeoutMs: number
  readonly lingerMs: number
  readonly retries: number | 'unlimited'
}

export const sendDefaults: SendLimits = {
  maxPendingRecords: 10_000,
  maxPendingBytes: 32 * 1024 * 1024,
  deliveryTimeoutMs: 120_000,
  lingerMs: 0,
  retries: 'unlimited',
}

export interface SendQueueOptions extends SendLimits {
  readonly producer: Pick<BrokerProducer, 'write'>
  readonly clock: Clock
  readonly log: Log
}

/** One record in the line. */
interface Entry {
  readonly record: OutputRecord
  readonly bytes: number
  readonly deadlineMs: number
  readonly resolve: (report: DeliveryReport) => void
  readonly reject: (error: Error) => void
  isSettled: boolean
  /** Writes that Kafka did not take, of which it was part. */
  failedWrites: number
}

/** As the engine's own sinks do: one batch is in flight, so it is what a round trip is worth. */
const MAX_RECORDS_PER_BATCH = 2_000
const FIRST_BACKOFF_MS = 100
const MAX_BACKOFF_MS = 5_000

export class SendQueue {
  readonly #options: SendQueueOptions
  #line: Entry[] = []
  /** Of the line: what is in flight, and what is accepted, that included. */
  #inFlight = 0
  #accepted = 0
  #bytes = 0
  #isWriting = false
  /** Why nothing more is taken; null: it is. */
  #refusal: string | null = null
  #isClosed = false
  #trouble: { readonly sinceMs: number; readonly reason: string } | null = null
  /** Not null: a batch is being gathered, and may be written sooner. */
  #cancelLinger: (() => void) | null = null
  #cancelDeadline: (() => void) | null = null
  #endBackoff: () => void = () => undefined
  readonly #roomWaiters: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = []
  readonly #flushes = new Set<{ readonly entries: Set<Entry>; readonly resolve: () => void }>()

  constructor(options: SendQueueOptions) {
    this.#options = options
  }

  get pending(): Pending {
    return { records: this.#accepted, bytes: this.#bytes, waiting: this.#line.length - this.#accepted }
  }

  get hasRoom(): boolean {
    const { maxPendingBytes, maxPendingRecords } = this.#options
    const isEveryoneIn = this.#accepted === this.#line.length
    return isEveryoneIn && this.#accepted < maxPendingRecords && this.#bytes < maxPendingBytes
  }

  /** Why, and since when by the clock, Kafka takes nothing; null while it does. */
  get trouble(): { readonly sinceMs: number; readonly reason: string } | null {
    return this.#trouble
  }

  /** Puts a record at the end of the line. The promise is of nobody but the caller. */
  add(record: OutputRecord): Promise<DeliveryReport> {
    if (this.#refusal !== null) return Promise.reject(new TroupeError('PRODUCER_STOPPED', this.#refusal))
    return new Promise((resolve, reject) => {
      const deadlineMs = this.#options.clock.now() + this.#options.deliveryTimeoutMs
      this.#line.push({ record, bytes: sizeOf(record), deadlineMs, resolve, reject, isSettled: false, failedWrites: 0 })
      this.#watchDeadline()
      this.#admit()
      this.#wake()
    })
  }

  /** Resolves as soon as there is room; rejects with PRODUCER_STOPPED. */
  room(): Promise<void> {
    if (this.#refusal !== null) return Promise.reject(new TroupeError('PRODUCER_STOPPED', this.#refusal))
    if (this.hasRoom) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.#roomWaiters.push({ resolve, reject })
    })
  }

  /** Resolves when all that is in the line now has its answer. */
  flush(): Promise<void> {
    if (this.#cancelLinger !== null) this.#begin(0)
    const entries = new Set(this.#line.filter(({ isSettled }) => !isSettled))
    if (entries.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#flushes.add({ entries, resolve })
    })
  }

  /** Takes nothing more. What is in the line goes on. */
  refuse(why: string): void {
    this.#refusal ??= why
    const error = new TroupeError('PRODUCER_STOPPED', this.#refusal)
    for (const { reject } of this.#roomWaiters.splice(0)) reject(error)
  }

  /** Writes nothing more, and rejects what is left. */
  close(why: string): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.refuse(why)
    this.#cancelLinger?.()
    for (const [at, entry] of this.#line.entries()) {
      const fate = at < this.#inFlight || entry.failedWrites > 0 ? ' It may be in the topic all the same.' : ''
      this.#reject(entry, new TroupeError('PRODUCER_STOPPED', `${nameOf(entry)} was not written: ${why}.${fate}`))
    }
    this.#line = []
    this.#inFlight = this.#accepted = this.#bytes = 0
    this.#watchDeadline()
    this.#endBackoff()
  }

  /** Accepts as many of those that wait as there is room for. One that is larger than all the room goes alone. */
  #admit(): void {
    const { maxPendingBytes, maxPendingRecords } = this.#options
    for (;;) {
      const next = this.#line[this.#accepted]
      if (next === undefined) break
      const fits = this.#accepted < maxPendingRecords && this.#bytes + next.bytes <= maxPendingBytes
      if (!fits && this.#accepted > 0) break
      this.#accepted += 1
      this.#bytes += next.bytes
    }
    if (this.hasRoom) for (const { resolve } of this.#roomWaiters.splice(0)) resolve()
  }

  #wake(): void {
    if (this.#isClosed || this.#accepted === 0) return
    if (!this.#isWriting) {
      this.#isWriting = true
      // One turn later at least, so that what is sent in one go is written as one.
      this.#begin(this.#options.lingerMs)
    } else if (this.#cancelLinger !== null && this.#accepted >= MAX_RECORDS_PER_BATCH) this.#begin(0)
  }

  #begin(delayMs: number): void {
    this.#cancelLinger?.()
    const cancel = this.#options.clock.after(delayMs, () => {
      this.#cancelLinger = null
      void this.#writeAll()
    })
    // What begins next turn is put off no more: who sends in every turn would put it off for ever.
    this.#cancelLinger = delayMs > 0 ? cancel : null
  }

  #hasWork(): boolean {
    return !this.#isClosed && this.#accepted > 0
  }

  async #writeAll(): Promise<void> {
    let failures = 0
    while (this.#hasWork()) {
      failures = (await this.#writeBatch()) ? 0 : failures + 1
      if (failures > 0 && this.#hasWork()) {
        await this.#backOff(Math.min(FIRST_BACKOFF_MS * 2 ** (failures - 1), MAX_BACKOFF_MS))
      }
    }
    this.#isWriting = false
  }

  /** False: nothing of it could be written. */
  async #writeBatch(): Promise<boolean> {
    const batch = this.#line.slice(0, Math.min(this.#accepted, MAX_RECORDS_PER_BATCH))
    const places: RecordPlace[] = []
    this.#inFlight = batch.length
    const outcome = await this.#tryToWrite(batch, places)
    // Closed meanwhile, it has given each its answer.
    if (this.#line.length === 0) return false
    this.#inFlight = 0
    if ('failure' in outcome) this.#noteFailure(batch, outcome.failure)
    else this.#settle(batch, outcome.answers, places)
    const open = batch.filter(({ isSettled }) => !isSettled)
    this.#line.splice(0, batch.length, ...open)
    this.#accepted -= batch.length - open.length
    this.#bytes -= bytesOf(batch) - bytesOf(open)
    this.#admit()
    this.#watchDeadline()
    return 'answers' in outcome && open.length < batch.length
  }

  async #tryToWrite(
    batch: readonly Entry[],
    places: RecordPlace[],
  ): Promise<{ readonly answers: readonly WriteAnswer[] } | { readonly failure: unknown }> {
    try {
      const records = batch.map(({ record }) => record)
      const answers = await this.#options.producer.write(records, (index, place) => {
        places[index] = place
      })
      return { answers }
    } catch (failure) {
      return { failure }
    }
  }

  #settle(batch: readonly Entry[], answers: readonly WriteAnswer[], places: readonly RecordPlace[]): void {
    this.#noteAvailable()
    for (const [index, entry] of batch.entries()) {
      // Without an answer nothing is known of it.
      const answer = index < answers.length ? (answers[index] ?? null) : 'again'
      if (answer instanceof Error) this.#reject(entry, answer)
      else if (answer === null) this.#resolve(entry, { topic: entry.record.topic, ...placeOf(places[index]) })
    }
  }

  #noteFailure(batch: readonly Entry[], failure: unknown): void {
    const { clock, log, retries } = this.#options
    const reason = describeError(failure)
    if (this.#trouble?.reason !== reason) log.warn({ reason }, `Kafka takes no records for now; they wait: ${reason}`)
    this.#trouble = { sinceMs: this.#trouble?.sinceMs ?? clock.now(), reason }
    for (const entry of batch) {
      entry.failedWrites += 1
      if (retries === 'unlimited' || entry.failedWrites <= retries) continue
      const text = `${nameOf(entry)} was given up after ${entry.failedWrites} writes, and may be in it all the same: ${reason}`
      this.#reject(entry, new TroupeError('SINK_UNAVAILABLE', text, { cause: failure }))
    }
  }

  #noteAvailable(): void {
    if (this.#trouble === null) return
    const awayMs = Math.round(this.#options.clock.now() - this.#trouble.sinceMs)
    this.#trouble = null
    this.#options.log.info({ awayMs }, 'Kafka takes records again')
  }

  /** One timer, for the first in line: who comes later has a later deadline. */
  #watchDeadline(): void {
    if (this.#line.length === 0) {
      this.#cancelDeadline?.()
      this.#cancelDeadline = null
    }
    if (this.#cancelDeadline !== null) return
    const first = this.#line.find(({ isSettled }) => !isSettled)
    if (first === undefined) return
    const leftMs = Math.max(1, first.deadlineMs - this.#options.clock.now())
    this.#cancelDeadline = this.#options.clock.after(leftMs, () => {
      this.#cancelDeadline = null
      this.#expire()
      this.#watchDeadline()
    })
  }

  /** What is in flight keeps its place, which is its room, until the write has its answer. */
  #expire(): void {
    const now = this.#options.clock.now()
    const from = this.#inFlight
    let due = 0
    while (due < this.#line.length && this.#line[due]!.deadlineMs <= now) {
      const entry = this.#line[due]!
      this.#reject(entry, this.#timeout(entry, due))
      due += 1
    }
    if (due <= from) return
    const gone = this.#line.splice(from, due - from)
    const accepted = gone.slice(0, Math.max(0, this.#accepted - from))
    this.#accepted -= accepted.length
    this.#bytes -= bytesOf(accepted)
    this.#admit()
    this.#wake()
  }

  #timeout(entry: Entry, at: number): TroupeError {
    const { deliveryTimeoutMs } = this.#options
    const isUntouched = at >= this.#inFlight && entry.failedWrites === 0
    const fate = isUntouched ? 'and was not written' : 'and may be in it all the same'
    const stillWaits = at >= this.#accepted ? 'it waited for room' : 'the brokers have not answered'
    const why = this.#trouble?.reason ?? stillWaits
    return new TroupeError(
      'DELIVERY_TIMEOUT',
      `${nameOf(entry)} was not acknowledged within ${deliveryTimeoutMs} ms, ${fate}: ${why}`,
    )
  }

  #resolve(entry: Entry, report: DeliveryReport): void {
    if (this.#markSettled(entry)) entry.resolve(report)
  }

  #reject(entry: Entry, error: Error): void {
    if (this.#markSettled(entry)) entry.reject(error)
  }

  /** False: it had its answer already. */
  #markSettled(entry: Entry): boolean {
    if (entry.isSettled) return false
    entry.isSettled = true
    for (const flush of this.#flushes) {
      if (!flush.entries.delete(entry) || flush.entries.size > 0) continue
      this.#flushes.delete(flush)
      flush.resolve()
    }
    return true
  }

  #backOff(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(delayMs, resolve)
      this.#endBackoff = () => {
        cancel()
        resolve()
      }
    })
  }
}

/** The port tells the place of each. It would be a bug if it did not, and the record durable all the same. */
function placeOf(place: RecordPlace | undefined): RecordPlace {
  return place ?? { partition: -1 }
}

function nameOf({ record }: Entry): string {
  return `A record for ${record.topic}`
}

function bytesOf(entries: readonly Entry[]): number {
  return entries.reduce((sum, { bytes }) => sum + bytes, 0)
}

/** Objects around the bytes of a record, roughly: many small records are more than their bytes. */
const RECORD_OVERHEAD_BYTES = 256

function sizeOf({ headers = [], key, value }: OutputRecord): number {
  const own = (key?.byteLength ?? 0) + (value?.byteLength ?? 0) + RECORD_OVERHEAD_BYTES
  return headers.reduce((sum, [name, bytes]) => sum + Buffer.byteLength(name) + (bytes?.byteLength ?? 0), own)
}
