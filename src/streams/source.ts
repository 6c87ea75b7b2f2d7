/**
 * Pulls batches from the broker port while there is credit, and hands each partition's records to
 * whoever owns it. The one poll loop of a member: it never stops while the member lives, because
 * polling is what serves callbacks and keeps the member in its group.
 *
 * Pull-gated: the next poll begins when the batch before it was handed over and there is credit, so
 * nothing is queued inside a stream.
 */
import {
  Subject,
  finalize,
  defer,
  from,
  of,
  race,
  repeat,
  take,
  takeUntil,
  type Observable,
  type Subscription,
} from 'rxjs'
import type { Clock } from '../clock.ts'
import type { Appetite } from './appetite.ts'
import type { BrokerConsumer } from './broker-port.ts'
import type { Credit } from './credit.ts'
import type { SourceRecord, TopicPartition } from './record.ts'

export interface SourceOptions {
  readonly consumer: BrokerConsumer
  readonly credit: Credit
  readonly appetite: Appetite
  readonly clock: Clock
  /** Records of one partition, in offset order. */
  readonly onRecords: (records: readonly SourceRecord[]) => void
  /** A partition's log ends at this position for now; everything below it was handed over. */
  readonly onEnd: (end: EndOfPartition) => void
  /** After all partitions of one poll were handed over. */
  readonly onBatchEnd: () => void
  /** The loop has ended for good, and why. */
  readonly onFailure: (error: unknown) => void
}

export type EndOfPartition = TopicPartition & { readonly position: number }

/** Records per poll: beyond some hundreds the client's cost per record does not fall, and the loop is held longer. */
const MAX_POLL_RECORDS = 500
/** How long one poll waits for a first record. A disconnect has to wait for it. */
const POLL_TIMEOUT_MS = 100
/** Without credit or appetite the member still polls this often, to serve callbacks and stay in its group. */
const KEEPALIVE_MS = 100

export class Source {
  readonly #options: SourceOptions
  readonly #stopped = new Subject<void>()
  #subscription: Subscription | null = null
  #isTaking = true
  /** Ends that the client told of while a poll was under way. */
  #ends: EndOfPartition[] = []
  #lastPollAtMs: number

  constructor(options: SourceOptions) {
    this.#options = options
    this.#lastPollAtMs = options.clock.now()
  }

  start(): void {
    const { onFailure } = this.#options
    this.#subscription = defer(() => from(this.#poll()))
      .pipe(repeat({ delay: () => this.#credit$() }), takeUntil(this.#stopped))
      .subscribe({ error: onFailure })
  }

  /**
   * Takes note of the end of a log. The client tells of it before the poll that found it has brought
   * its records: passed on at once, the position would move past records that nobody has started.
   */
  noteEnd(end: EndOfPartition): void {
    this.#ends.push(end)
  }

  /** Takes no more records, but goes on polling. */
  stopTaking(): void {
    this.#isTaking = false
  }

  /** Ends the loop. A poll that is under way ends by itself; its records are dropped. */
  stop(): void {
    this.#stopped.next()
    this.#subscription?.unsubscribe()
  }

  /** Clock time of the last poll that came back: an old one means that the loop is dead. */
  get lastPollAtMs(): number {
    return this.#lastPollAtMs
  }

  async #poll(): Promise<void> {
    const { appetite, clock, consumer, credit, onBatchEnd } = this.#options
    // Asking for nothing would in the end throw away what the client has fetched; one record more does no harm.
    const wanted = appetite.isSated ? 1 : MAX_POLL_RECORDS
    const room = this.#isTaking ? Math.min(wanted, credit.availableRecords) : 0
    const records = await consumer.poll(room, room === 0 ? 0 : POLL_TIMEOUT_MS)
    this.#lastPollAtMs = clock.now()
    if (this.#subscription?.closed === true) return
    const ends = this.#ends.splice(0)
    if (records.length > 0) this.#handOver(records)
    for (const end of ends) this.#options.onEnd(end)
    if (records.length > 0) onBatchEnd()
  }

  /** A poll brings whole runs of partitions, so cutting at each change of partition is nearly free. */
  #handOver(records: readonly SourceRecord[]): void {
    let begin = 0
    for (let at = 1; at <= records.length; at += 1) {
      const first = records[begin] as SourceRecord
      const next = records[at]
      if (next?.partition === first.partition && next.topic === first.topic) continue
      this.#options.onRecords(begin === 0 && at === records.length ? records : records.slice(begin, at))
      begin = at
    }
  }

  /**
   * Emits when the next poll may begin: at once while there are credit and appetite, else when some came or it is time to
   * poll anyway.
   */
  #credit$(): Observable<unknown> {
    const { appetite, clock, credit } = this.#options
    const hasCredit = credit.availableRecords > 0
    if (this.#isTaking && hasCredit && !appetite.isSated) return of(null)
    const keepalive = new Subject<void>()
    const cancel = clock.after(KEEPALIVE_MS, () => {
      keepalive.next()
    })
    const change = hasCredit ? appetite.hungry$ : credit.freed$
    return race(change, keepalive).pipe(take(1), finalize(cancel))
  }
}
