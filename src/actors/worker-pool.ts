/**
 * Runs handlers on worker threads. A batch crosses as one packed, transferred message each way; the
 * originals stay here until the verdicts are in, so a batch whose thread died is simply run again.
 *
 * A thread that ends takes only its own batches with it. What it had noted on the progress board
 * tells whose fault it was: that record has failed an attempt, its batch mates go again at no cost.
 *
 * - RUNNING    hands out batches to the threads that are ready. → FAILED, DESTROYED.
 * - FAILED     there are too few threads and there will be no more: has handed everything back,
 *              takes nothing, and has said so once. → DESTROYED.
 * - DESTROYED  late replies change nothing.
 */
import type { Clock } from '../clock.ts'
import { TroupeError, fromWireError, toWireError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { ResolvedActor, ResolvedApp } from '../options.ts'
import type { ActorStats, EngineStats } from '../streams/stats.ts'
import { findCulprit } from './blame.ts'
import type { DispatchedRun, Executor, Settle } from './executor.ts'
import { idOf, type Invocation } from './invocation.ts'
import { ProgressBoard, recordRuns } from './progress-board.ts'
import {
  packBatch,
  unpackReply,
  type FailedReply,
  type HandlerManifest,
  type HandlerModule,
  type ReplyMessage,
} from './thread-protocol.ts'
import type { PoolThread } from './thread-roster.ts'
import { ThreadSet, type ThreadSetOptions } from './thread-set.ts'
import type { Verdict } from './verdict.ts'
import { WakeEstimate } from './wake-estimate.ts'
import { Watchdog, type WatchedBatch } from './watchdog.ts'

export interface WorkerPoolOptions extends Pick<ThreadSetOptions, 'entry' | 'startTimeoutMs' | 'teardownTimeoutMs'> {
  readonly threads: ResolvedApp['threads']
  readonly handlers: readonly HandlerModule[]
  readonly clock: Clock
  readonly log: Log
  readonly stats: EngineStats
  /** The running pool can do nothing more, and why. Called once at most; nothing is in flight then. */
  readonly onFatal: (error: Error) => void
}

/** How often the watchdog looks. */
const WATCHDOG_INTERVAL_MS = 500
/** Share that the newest batch has in the running estimate of what a record costs. */
const ESTIMATE_WEIGHT = 0.2
/** Before anything is known of a handler's cost: enough to learn from, too little to hold a thread for long. */
const FIRST_BATCH_RECORDS = 16
/** Records that wait for something cost little, so many would fit; but a batch is back when its slowest is. */
const MAX_ASYNC_BATCH_RECORDS = 64

interface BatchInFlight {
  readonly number: number
  readonly runs: readonly DispatchedRun[]
  readonly recordCount: number
  /** Its row of the progress board. */
  readonly row: number
  readonly isAlone: boolean
  readonly settle: Settle
  thread: PoolThread | undefined
  /** Clock time when it was handed over. */
  sentAtMs: number
  /** What main has spent on it so far. */
  mainMs: number
  /** Its thread had nothing else to do: what the round trip took beside the work is the waking up. */
  hasFoundIdle: boolean
}

export class WorkerPool implements Executor {
  onRoom: () => void = () => undefined
  readonly #options: WorkerPoolOptions
  readonly #board: ProgressBoard
  readonly #threads: ThreadSet
  readonly #watchdog: Watchdog
  readonly #inFlight = new Set<BatchInFlight>()
  readonly #actorStats = new Map<string, ActorStats>()
  /** Actors whose handler was seen to return a promise. */
  readonly #asynchronous = new Set<string>()
  #state: 'running' | 'failed' | 'destroyed' = 'running'
  #destroyed: Promise<void> | null = null
  #lastNumber = 0
  /** Batches whose thread ended, until all that were lost with it are known. */
  #lost: { readonly batch: BatchInFlight; readonly error: unknown }[] = []
  /** Running estimate of milliseconds per record, crossing excluded; null before the first reply. */
  #costMs: number | null = null
  readonly #wake = new WakeEstimate()
  #cancelWatch: () => void = () => undefined

  private constructor(options: WorkerPoolOptions) {
    this.#options = options
    const { threads, handlers, stats } = options
    this.#board = new ProgressBoard(threads.count * threads.slots, threads.maxBatchRecords)
    for (const { actor } of handlers) this.#actorStats.set(actor, stats.actor(actor))
    this.#watchdog = new Watchdog(Math.max(...handlers.map(({ handlerTimeoutMs }) => handlerTimeoutMs)))
    this.#threads = new ThreadSet({
      ...options,
      board: this.#board.shared,
      onChanged: () => {
        this.#noteThreads()
        this.onRoom()
      },
      onFatal: (error) => {
        this.#fail(error)
      },
    })
  }

  /**
   * Starts the threads; resolves when every one has loaded and set up every handler. Rejects with
   * HANDLER_NOT_LOADED or SETUP_FAILED, when all threads have ended again.
   */
  static async start(options: WorkerPoolOptions): Promise<{ pool: WorkerPool; manifests: readonly HandlerManifest[] }> {
    const pool = new WorkerPool(options)
    pool.#noteThreads()
    try {
      const manifests = await pool.#threads.started
      pool.#watch()
      return { pool, manifests }
    } catch (error) {
      await pool.destroy()
      throw error
    }
  }

  get freeSlots(): number {
    if (this.#state !== 'running') return 0
    return Math.max(0, this.#threads.readyCount * this.#options.threads.slots - this.#inFlight.size)
  }

  /** As many records as make a batch of the wanted length, by what a record has cost so far. */
  get maxBatchRecords(): number {
    const { batchTargetMs, maxBatchRecords } = this.#options.threads
    const most = this.#asynchronous.size === 0 ? maxBatchRecords : Math.min(maxBatchRecords, MAX_ASYNC_BATCH_RECORDS)
    const wanted =
      this.#costMs === null ? FIRST_BATCH_RECORDS : Math.floor(batchTargetMs / Math.max(this.#costMs, 1e-6))
    return Math.max(1, Math.min(most, wanted))
  }

  get maxBatchBytes(): number {
    return this.#options.threads.maxBatchBytes
  }

  /**
   * Of an asynchronous handler one by one: its outputs should not wait for the next record of the lane. Without an order
   * too: whose fault a thread's death was is certain for the first record of a run.
   */
  maxRunRecords({ name, order }: ResolvedActor): number {
    return order === 'unordered' || this.#asynchronous.has(name) ? 1 : Number.MAX_SAFE_INTEGER
  }

  execute(runs: readonly DispatchedRun[], settle: Settle): void {
    const { clock } = this.#options
    const begunAtMs = clock.now()
    const row = this.#board.takeRow()
    let recordCount = 0
    for (const run of runs) recordCount += run.invocations.length
    const isAlone = recordCount === 1 && runs[0]?.invocations[0]?.runsAlone === true
    const number = (this.#lastNumber += 1)
    const batch: BatchInFlight = {
      number,
      runs,
      recordCount,
      row,
      isAlone,
      settle,
      thread: undefined,
      sentAtMs: begunAtMs,
      mainMs: 0,
      hasFoundIdle: false,
    }
    this.#inFlight.add(batch)
    const message = packBatch(
      row,
      runs.map((run) => ({ actor: run.actor.actor.name, records: run.invocations })),
      isAlone,
    )
    this.#threads
      .run(message, (thread) => {
        batch.thread = thread
        batch.hasFoundIdle = ![...this.#inFlight].some((other) => other !== batch && other.thread === thread)
      })
      .then(
        (reply) => {
          this.#noteReply(batch, reply)
        },
        (error: unknown) => {
          this.#noteLoss(batch, error)
        },
      )
      .catch((error: unknown) => {
        this.#fail(new TroupeError('INTERNAL', 'the outcome of a batch could not be taken', { cause: error }))
      })
    batch.sentAtMs = clock.now()
    batch.mainMs = batch.sentAtMs - begunAtMs
    this.#noteThreads()
  }

  /**
   * Tears down what the handlers have set up, and ends the threads. What is in flight is lost; the
   * caller has waited for what it wants.
   */
  destroy(): Promise<void> {
    this.#destroyed ??= this.#end()
    return this.#destroyed
  }

  async #end(): Promise<void> {
    this.#state = 'destroyed'
    this.#cancelWatch()
    await this.#threads.destroy()
    const { threads } = this.#options.stats
    threads.starting = threads.idle = threads.busy = 0
  }

  #noteReply(batch: BatchInFlight, reply: ReplyMessage | FailedReply): void {
    // A failed pool has given the batch back already.
    if (!this.#inFlight.has(batch) || this.#state !== 'running') return
    if (reply.type === 'failed') {
      const cause = fromWireError(reply.error)
      this.#fail(new TroupeError('INTERNAL', 'a worker thread could not run a batch', { cause }))
      return
    }
    const { clock } = this.#options
    const repliedAtMs = clock.now()
    const results = unpackReply(reply)
    batch.mainMs += clock.now() - repliedAtMs
    if (batch.hasFoundIdle) this.#wake.note(repliedAtMs - batch.sentAtMs - reply.totalMs)
    this.#release(batch)
    for (const [index, run] of batch.runs.entries()) {
      const { verdicts, elapsedMs, promise } = results[index]!
      const { name } = run.actor.actor
      const stats = this.#actorStats.get(name)
      if (promise !== null) {
        this.#asynchronous.add(name)
        stats?.cost.notePromise(promise.heldMs, promise.hasWaited)
      }
      const count = verdicts.length
      stats?.handlerSeconds.observe(elapsedMs / 1000 / Math.max(1, count), count)
      batch.settle(run, verdicts)
    }
    this.#noteBatch(batch, reply.packingMs)
    this.#estimate(reply.busyMs / batch.recordCount)
    this.onRoom()
  }

  /** The thread died under this batch. What else was lost with it is known at the end of this turn. */
  #noteLoss(batch: BatchInFlight, error: unknown): void {
    if (!this.#inFlight.has(batch) || this.#state !== 'running') return
    this.#lost.push({ batch, error })
    if (this.#lost.length > 1) return
    queueMicrotask(() => {
      this.#giveBackLost()
    })
  }

  /** Hands back what was lost with ended threads: the culprit with a failed attempt, the others unrun. */
  #giveBackLost(): void {
    const lost = this.#lost
    this.#lost = []
    for (const thread of new Set(lost.map(({ batch }) => batch.thread))) {
      const mates = lost.filter(({ batch }) => batch.thread === thread)
      const cause = thread?.cause ?? mates[0]?.error
      const culprit = findCulprit(
        mates.map(({ batch }) => ({ ...batch, stateOf: (index) => this.#board.stateOf(batch.row, index) })),
        isOutOfMemory(cause),
      )
      for (const { batch } of mates) {
        this.#release(batch)
        for (const run of batch.runs) {
          const isCharged = culprit !== null && run.invocations[0] === culprit
          batch.settle(run, isCharged ? [deathOf(run, culprit, thread?.wasHeld === true, cause)] : [])
        }
      }
    }
    this.onRoom()
  }

  #release(batch: BatchInFlight): void {
    this.#inFlight.delete(batch)
    this.#board.freeRow(batch.row)
    this.#noteThreads()
  }

  /** What a batch has cost beside the work goes to its actors by their share of its records. */
  #noteBatch(batch: BatchInFlight, packingMs: number): void {
    const records = new Map<string, number>()
    for (const run of batch.runs) {
      const { name } = run.actor.actor
      records.set(name, (records.get(name) ?? 0) + run.invocations.length)
    }
    const wakeMs = batch.hasFoundIdle ? (this.#wake.ms ?? 0) : 0
    for (const [actor, count] of records) {
      const stats = this.#actorStats.get(actor)
      if (stats === undefined) continue
      stats.batchRecords.observe(count)
      const share = count / batch.recordCount
      stats.cost.crossed += count
      stats.cost.mainMs += batch.mainMs * share
      stats.cost.threadMs += packingMs * share
      stats.cost.wakeMs += wakeMs * share
    }
  }

  #estimate(costMs: number): void {
    this.#costMs = this.#costMs === null ? costMs : this.#costMs + ESTIMATE_WEIGHT * (costMs - this.#costMs)
  }

  #noteThreads(): void {
    if (this.#state === 'destroyed') return
    const { threads } = this.#options.stats
    const busy = new Set<PoolThread | undefined>()
    for (const { thread } of this.#inFlight) busy.add(thread)
    const ready = this.#threads.readyCount
    threads.starting = this.#options.threads.count - ready
    threads.busy = Math.min(ready, busy.size)
    threads.idle = ready - threads.busy
  }

  /** Gives everything back unrun and says why, once. */
  #fail(error: Error): void {
    if (this.#state !== 'running') return
    this.#state = 'failed'
    for (const batch of this.#inFlight) {
      this.#release(batch)
      for (const run of batch.runs) batch.settle(run, [])
    }
    this.#options.onFatal(error)
  }

  /** Ends threads that are held by a record for longer than its handler may take. */
  #watch(): void {
    const { clock } = this.#options
    this.#cancelWatch = clock.after(WATCHDOG_INTERVAL_MS, () => {
      for (const id of this.#watchdog.look(clock.now(), this.#watchedBatches())) this.#threads.endHeld(id)
      this.#watch()
    })
  }

  *#watchedBatches(): IterableIterator<WatchedBatch> {
    for (const batch of this.#inFlight) {
      // A thread that still loads has a time limit of its own.
      if (batch.thread?.isReady !== true) continue
      let progress = 0
      let limitMs = 0
      let index = 0
      for (const run of batch.runs) {
        for (let end = index + run.invocations.length; index < end; index += 1) {
          const state = this.#board.stateOf(batch.row, index)
          progress += state
          if (state === recordRuns) limitMs = Math.max(limitMs, run.actor.actor.handlerTimeoutMs)
        }
      }
      yield { threadId: batch.thread.id, number: batch.number, progress, limitMs }
    }
  }
}

/** What becomes of the attempt that ended its thread. */
function deathOf(run: DispatchedRun, culprit: Invocation, wasHeld: boolean, cause: unknown): Verdict {
  const { handlerTimeoutMs, name } = run.actor.actor
  const at = `record ${idOf(culprit.record)}`
  const error = wasHeld
    ? new TroupeError('HANDLER_TIMEOUT', `handler ${name} held its thread longer than ${handlerTimeoutMs} ms on ${at}`)
    : new TroupeError('THREAD_DIED', `the worker thread ended while handler ${name} was at ${at}`, { cause })
  return { type: 'failed', error: toWireError(error) }
}

function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && Reflect.get(error, 'code') === 'ERR_WORKER_OUT_OF_MEMORY'
}
