/**
 * Takes records from the client, one `consume` call at a time.
 *
 * A call takes what is there and waits for nothing: the client tells when its queue stops being empty, so
 * that an idle consumer holds no thread of libuv's pool, and a record is handed over as soon as it has
 * come. `consume` also delivers the client's callbacks and is what keeps the member in its group.
 */
import type { Clock } from '../../../clock.ts'
import type { ClientPartitions } from './client-partitions.ts'
import type { NativeConsumer, NativeError, NativeRecord, NativeTopicPartition } from '../native.ts'
import { toSourceRecords } from '../record.ts'
import type { SourceRecord, TopicPartition } from '../../record.ts'
import { partitionName } from '../../record.ts'

/** While nothing may be taken, callbacks are served and the member is kept alive this often. */
const KEEP_ALIVE_MS = 1000
/** Pause after an error from `consume`, so that one that repeats does not spin. */
const AFTER_ERROR_MS = 20

export interface RecordPollsOptions {
  readonly client: NativeConsumer
  readonly partitions: ClientPartitions
  readonly clock: Clock
  /** Records of living epochs, and ends of partitions, as they come. */
  readonly onTaken: (records: readonly SourceRecord[]) => void
  readonly onEnd: (at: TopicPartition & { readonly position: number }) => void
  readonly onError: (error: NativeError) => void
}

const nothing: readonly SourceRecord[] = Object.freeze([])

export class RecordPolls {
  readonly #options: RecordPollsOptions
  readonly #partitions: ClientPartitions
  /** False only when the client's queue was seen empty and has not told of anything since. */
  #mayHaveMore = true
  #wakeUp: (() => void) | undefined
  #consuming: Promise<readonly SourceRecord[]> | undefined
  #consumedAt: number
  /** Records that were taken to serve the callbacks behind them, while nothing may be taken. */
  #held: SourceRecord[] = []
  #isStopped = false

  constructor(options: RecordPollsOptions) {
    this.#options = options
    this.#partitions = options.partitions
    this.#consumedAt = options.clock.now()
  }

  /** The client's queue is not empty any more. */
  noteQueue(): void {
    this.#mayHaveMore = true
    this.wake()
  }

  /** Ends a wait. */
  wake(): void {
    this.#wakeUp?.()
  }

  /** Ends waits, now and from now on; `serve` goes on working. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.wake()
    await this.#consuming
  }

  async take(maxRecords: number, timeoutMs: number): Promise<readonly SourceRecord[]> {
    if (!this.#mayHaveMore && this.#held.length === 0 && !this.#partitions.isHeld) await this.#sleep(timeoutMs)
    while (this.#consuming !== undefined) await this.#consuming
    if (this.#isStopped) return nothing
    if (this.#partitions.isHeld) this.#partitions.release()
    // Its partition may have been given back since: the revoke may come just before the record that its call took.
    const held = this.#held.splice(0).filter((record) => this.#partitions.has(partitionName(record)))
    if (held.length > 0) return held
    // Also when nothing woke us: this is what keeps the member alive.
    return await this.#consume(maxRecords)
  }

  /**
   * Nothing may be taken, but callbacks have to be served and the member kept alive, and `consume` does
   * both. It also takes a record when there is one. So the first such record is held here, and all
   * partitions are paused until records may be taken again: that throws the prefetched records away,
   * which is why it happens only when the halt has lasted for `KEEP_ALIVE_MS`.
   */
  async takeNothing(timeoutMs: number): Promise<readonly SourceRecord[]> {
    // While a rebalance goes on, the client brings no records, and what comes is worth being served at once.
    const bringsNothing = (): boolean => this.#partitions.isHeld || this.#partitions.isChanging
    const { clock } = this.#options
    if (!this.#mayHaveMore) await this.#sleep(timeoutMs)
    else if (!bringsNothing()) await this.#sleep(Math.min(timeoutMs, this.#consumedAt + KEEP_ALIVE_MS - clock.now()))
    const isDue = clock.now() - this.#consumedAt >= KEEP_ALIVE_MS
    if (!this.#isStopped && (isDue || (this.#mayHaveMore && bringsNothing()))) await this.serve()
    return nothing
  }

  /** Lets the client deliver its callbacks. A record that comes with them is held for the next `take`. */
  async serve(): Promise<void> {
    if (this.#consuming !== undefined) {
      await this.#consuming
      return
    }
    const records = await this.#consume(1)
    if (records.length === 0) return
    this.#held.push(...records)
    this.#partitions.hold()
    this.wake()
  }

  /** Held records were never handed over: who owns their partition next reads them. */
  dropHeld(partitions: readonly TopicPartition[]): void {
    if (this.#held.length === 0) return
    const gone = new Set(partitions.map(partitionName))
    this.#held = this.#held.filter((record) => !gone.has(partitionName(record)))
  }

  /** Waits until the client tells of something, or somebody wakes us, or the time is over. */
  #sleep(timeoutMs: number): Promise<void> {
    if (timeoutMs <= 0 || this.#isStopped) return Promise.resolve()
    return new Promise((resolve) => {
      const wake = (): void => {
        cancel()
        this.#wakeUp = undefined
        resolve()
      }
      const cancel = this.#options.clock.after(timeoutMs, wake)
      this.#wakeUp = wake
    })
  }

  #consume(count: number): Promise<readonly SourceRecord[]> {
    // Before the call: whatever comes while it runs has to count.
    this.#mayHaveMore = false
    this.#partitions.beginConsume()
    this.#consuming = new Promise((resolve) => {
      this.#options.client.getClient().consume(0, count, false, (error, records, ends) => {
        this.#consuming = undefined
        this.#consumedAt = this.#options.clock.now()
        const taken = error === null ? this.#accept(records, ends, count) : this.#refuse(error)
        this.#partitions.endConsume()
        resolve(taken)
      })
    })
    return this.#consuming
  }

  #accept(
    records: readonly NativeRecord[],
    ends: readonly NativeTopicPartition[],
    asked: number,
  ): readonly SourceRecord[] {
    // Fewer than asked for: the queue was empty, and the client tells when it is not any more.
    if (records.length === asked) this.#mayHaveMore = true
    for (const { topic, partition, offset } of ends) {
      if (offset === undefined || !this.#partitions.isCurrent({ topic, partition })) continue
      this.#options.onEnd({ topic, partition, position: offset })
    }
    const all = toSourceRecords(records)
    const taken = this.#partitions.isSteady ? all : all.filter((record) => this.#partitions.isCurrent(record))
    this.#options.onTaken(taken)
    return taken
  }

  #refuse(error: NativeError): readonly SourceRecord[] {
    if (this.#isStopped) return nothing
    this.#options.onError(error)
    this.#options.clock.after(AFTER_ERROR_MS, () => this.noteQueue())
    return nothing
  }
}
