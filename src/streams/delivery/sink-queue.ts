/**
 * The order of one destination: outputs wait here and are written in natural batches, one batch at
 * a time. While the destination is unavailable the queue waits without limit and writes again from
 * the first output on that is not known to be durable; that costs no record an attempt. Its length is bounded by the intake: a
 * record holds its credit until its outputs are durable.
 *
 * - IDLE     nothing to write.
 * - WRITING  one batch is under way.
 * - WAITING  the destination is unavailable; the batch is kept. → WRITING after the back-off.
 */
import type { Clock } from '../../clock.ts'
import { describeError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { WriteAnswer, WriteResult } from '../broker-port.ts'
import type { SinkWrite } from './sink.ts'
import type { OpenWaits } from '../../metrics/open-waits.ts'
import type { SinkStats } from '../../metrics/stats.ts'

/** Who waits for an output. Once its epoch has ended, nothing of it is written any more. */
export interface OutputOwner {
  readonly isFenced: boolean
}

/** The outputs of one handled record, on their way. */
export interface Ticket {
  readonly owner: OutputOwner
  /**
   * Called once per output, in no particular order among sinks: null when durable, an Error when refused for good.
   * Never within the call that handed the output over, and never after the owner's epoch ended.
   */
  settle(result: WriteResult): void
}

export interface QueuedOutput<Output> extends SinkWrite<Output> {
  readonly ticket: Ticket
}

export interface SinkQueueOptions<Output> {
  readonly name: string
  readonly maxBatch: number
  /** The first output waits so long for others while nothing is written; a full batch does not. Default 0. */
  readonly lingerMs?: number
  readonly write: (batch: readonly SinkWrite<Output>[]) => Promise<readonly WriteAnswer[]>
  readonly clock: Clock
  readonly log: Log
  readonly stats: SinkStats
  readonly waits: OpenWaits
  /** A batch is through: there is room for as many outputs. */
  readonly onWritten?: () => void
}

/** Outputs that wait behind the batch under way: so many batches, and so many at least. */
const ENOUGH_BATCHES = 2
const LEAST_ENOUGH = 2_000

const FIRST_BACKOFF_MS = 100
const MAX_BACKOFF_MS = 5_000

export class SinkQueue<Output> {
  readonly name: string
  /** Taking an answer has failed, which is a bug: nothing more is written. */
  onFailure: (error: unknown) => void = () => undefined
  readonly #options: SinkQueueOptions<Output>
  #waiting: QueuedOutput<Output>[] = []
  /** Index of the first output of #waiting that was not taken yet. */
  #taken = 0
  #isWriting = false
  #isClosed = false
  #unavailableSince: number | null = null
  #lastTrouble: string | null = null
  /** Not null: a batch is being gathered. */
  #cancelLinger: (() => void) | null = null
  #cancelBackoff: (() => void) | null = null
  #resumeBackoff: (() => void) | null = null

  constructor(options: SinkQueueOptions<Output>) {
    this.name = options.name
    this.#options = options
  }

  /** Why and since when (clock time) nothing can be written; null while it can. */
  get trouble(): { readonly sinceMs: number; readonly reason: string } | null {
    if (this.#unavailableSince === null) return null
    return { sinceMs: this.#unavailableSince, reason: this.#lastTrouble ?? 'unavailable' }
  }

  /** What waits keeps the destination busy until long after more could have come. */
  get hasEnough(): boolean {
    return this.#waiting.length - this.#taken >= Math.max(LEAST_ENOUGH, ENOUGH_BATCHES * this.#options.maxBatch)
  }

  push(output: QueuedOutput<Output>): void {
    this.#waiting.push(output)
    this.#options.stats.queued += 1
    if (!this.#isWriting && !this.#isClosed) {
      this.#isWriting = true
      // One turn later at least, so that a batch that is being handed out right now is written as one.
      this.#cancelLinger = this.#begin(this.#options.lingerMs ?? 0)
    } else if (this.#cancelLinger !== null && this.#waiting.length >= this.#options.maxBatch) {
      this.#cancelLinger()
      this.#cancelLinger = null
      this.#begin(0)
    }
  }

  /** Returns what cancels it. */
  #begin(delayMs: number): () => void {
    return this.#options.clock.after(delayMs, () => {
      this.#cancelLinger = null
      this.#writeAll().catch((error: unknown) => {
        this.onFailure(error)
      })
    })
  }

  /** Writes nothing more. What waits stays unsettled; its records are handled again by the next owner. */
  close(): void {
    this.#isClosed = true
    this.#cancelLinger?.()
    this.#cancelBackoff?.()
    this.#resumeBackoff?.()
  }

  async #writeAll(): Promise<void> {
    while (!this.#isClosed) {
      const batch = this.#takeBatch()
      if (batch.length === 0) break
      await this.#writeBatch(batch)
      this.#options.onWritten?.()
    }
    this.#isWriting = false
  }

  /** Whole records, so that a transaction can hold all outputs of one or none. */
  #takeBatch(): QueuedOutput<Output>[] {
    const { maxBatch, stats } = this.#options
    const batch: QueuedOutput<Output>[] = []
    while (this.#taken < this.#waiting.length) {
      const count = this.#outputsOfNextRecord()
      if (batch.length > 0 && batch.length + count > maxBatch) break
      const end = this.#taken + count
      if (this.#waiting[this.#taken]!.ticket.owner.isFenced) {
        stats.purged += count
        stats.queued -= count
      } else {
        for (let at = this.#taken; at < end; at += 1) batch.push(this.#waiting[at]!)
      }
      this.#taken = end
    }
    // Dropping the taken ones at each batch would copy the rest each time; at the half it is paid for.
    if (this.#taken * 2 >= this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#taken)
      this.#taken = 0
    }
    return batch
  }

  /** They stand together, because a record hands them over in one go. */
  #outputsOfNextRecord(): number {
    const first = this.#waiting[this.#taken]!
    let end = this.#taken + 1
    while (this.#waiting[end]?.ticket === first.ticket) end += 1
    return end - this.#taken
  }

  /** Writes until nothing of the batch is open, or the queue is closed. */
  async #writeBatch(first: QueuedOutput<Output>[]): Promise<void> {
    const { stats } = this.#options
    let batch = first
    for (let attempt = 1; !this.#isClosed; attempt += 1) {
      // A partition can be lost while the destination is away: its outputs belong to the next owner now.
      const current = batch.filter((output) => !output.ticket.owner.isFenced)
      stats.purged += batch.length - current.length
      stats.queued -= batch.length - current.length
      batch = current
      if (batch.length === 0) return
      const results = await this.#tryToWrite(batch)
      if (results !== null) {
        const open = this.#settle(batch, results)
        stats.queued -= batch.length - open.length
        if (open.length < batch.length) {
          // It gets on, if slowly.
          attempt = 0
          batch = open
          continue
        }
      }
      await this.#backOff(Math.min(FIRST_BACKOFF_MS * 2 ** (attempt - 1), MAX_BACKOFF_MS))
    }
    // Closed: nobody waits for these any more.
    stats.queued -= batch.length
  }

  /** Null: the destination is unavailable. Only the write itself may say so; what is durable must not be written again. */
  async #tryToWrite(batch: readonly QueuedOutput<Output>[]): Promise<readonly WriteAnswer[] | null> {
    const { clock, stats, waits, write } = this.#options
    const startedAt = clock.now()
    const endWait = waits.begin('sink-write', this.name)
    try {
      const results = await write(batch)
      requireList(results)
      stats.writeSeconds.observe((clock.now() - startedAt) / 1000)
      this.#noteAvailable()
      return results
    } catch (error) {
      stats.unavailable += 1
      this.#noteUnavailable(error)
      return null
    } finally {
      endWait()
    }
  }

  /** Returns what has to be written again: it is not known to be durable yet. */
  #settle(batch: readonly QueuedOutput<Output>[], results: readonly WriteAnswer[]): QueuedOutput<Output>[] {
    const { stats } = this.#options
    stats.written += 1
    const open: QueuedOutput<Output>[] = []
    for (const [index, output] of batch.entries()) {
      // A sink that answers for fewer outputs than it was given has said nothing of the others.
      const result = index < results.length ? (results[index] ?? null) : missingAnswer(this.name)
      if (result === 'again') {
        open.push(output)
        continue
      }
      if (result === null) stats.durable += 1
      else stats.refused += 1
      if (!output.ticket.owner.isFenced) output.ticket.settle(result)
    }
    stats.batchOutputs.observe(batch.length - open.length)
    return open
  }

  #noteAvailable(): void {
    if (this.#unavailableSince === null) return
    const awayMs = Math.round(this.#options.clock.now() - this.#unavailableSince)
    this.#unavailableSince = null
    this.#options.stats.isAvailable = true
    this.#options.log.info({ sink: this.name, awayMs }, `sink ${this.name} writes again`)
  }

  #noteUnavailable(error: unknown): void {
    const reason = describeError(error)
    const hasBegun = this.#unavailableSince === null
    if (hasBegun) {
      this.#unavailableSince = this.#options.clock.now()
      this.#options.stats.isAvailable = false
    }
    // While it lasts, who looks at what does not get done tells of it again.
    if (hasBegun || reason !== this.#lastTrouble) {
      this.#options.log.warn(
        { sink: this.name, reason },
        `sink ${this.name} is unavailable; records wait, nothing is lost: ${reason}`,
      )
    }
    this.#lastTrouble = reason
  }

  #backOff(delayMs: number): Promise<void> {
    if (this.#isClosed) return Promise.resolve()
    return new Promise((resolve) => {
      this.#resumeBackoff = resolve
      this.#cancelBackoff = this.#options.clock.after(delayMs, resolve)
    })
  }
}

/** JavaScript does not ask what a sink's `write` returns. */
function requireList(answer: unknown): void {
  if (!Array.isArray(answer)) throw new TypeError(`its write answered with ${typeof answer}, not with a list`)
}

function missingAnswer(sink: string): Error {
  return new Error(`sink ${sink} gave no answer for this output`)
}
