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
import type { HandlerManifest } from '../handlers/handler-manifest.ts'
import type { Clock } from '../../clock.ts'
import { TroupeError, fromWireError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { Lookout } from '../../lookout.ts'
import type { ResolvedActor, ResolvedApp } from '../../options/options.ts'
import type { ActorStats, EngineStats } from '../../metrics/stats.ts'
import type { AdaptiveLimit } from '../executors/adaptive-limit.ts'
import { atEnd, deathOf, findCulprit, isOutOfMemory } from './blame.ts'
import type { DispatchedRun, Executor, Settle } from '../executors/executor.ts'
import { ProgressBoard, isAtHandler, recordEnded } from './protocol/progress-board.ts'
import {
  packBatch,
  unpackOutcomes,
  unpackReply,
  type FailedReply,
  type HandlerModule,
  type OutcomesNotice,
  type PackedVerdicts,
  type ReplyMessage,
} from './protocol/thread-protocol.ts'
import type { PoolThread } from './thread-roster.ts'
import { ThreadSet, type ThreadSetOptions } from './thread-set.ts'
import { TurnLimit } from '../executors/turn-limit.ts'
import type { CallLimits } from '../handlers/batch-handler.ts'
import { setFailedApart } from '../executors/call-line.ts'
import { ReturnHabit } from '../executors/return-habit.ts'
import { mayGoWellLater, type Verdict } from '../handlers/verdict.ts'
import { WakeEstimate } from './wake-estimate.ts'
import { Watchdog, type WatchedBatch } from './watchdog.ts'

export interface WorkerPoolOptions extends Pick<
  ThreadSetOptions,
  'entry' | 'openNewsOutbox' | 'openTaskPool' | 'schemas' | 'shared' | 'startTimeoutMs' | 'teardownTimeoutMs'
> {
  readonly threads: ResolvedApp['threads']
  readonly handlers: readonly HandlerModule[]
  readonly clock: Clock
  readonly lookout: Lookout
  readonly log: Log
  readonly stats: EngineStats
  /** How many records of these actors may be in progress now, where that follows the latency of their handlers. */
  readonly limits?: ReadonlyMap<string, AdaptiveLimit>
  /** The running pool can do nothing more, and why. Called once at most; nothing is in flight then. */
  readonly onFatal: (error: Error) => void
  /** When a thread is taken for held: a test need not wait for as long as a busy machine must. */
  readonly watch?: { readonly intervalMs: number; readonly graceMs: number }
}

/** How long main may take in replies and answer them with batches before others have their turn. */
const MAX_TURN_MS = 5
/** How often the watchdog looks, and how much longer than its limit a handler may hold its thread. */
const WATCH = { intervalMs: 500, graceMs: 1_000 }
/** Share that the newest batch has in the running estimate of what a record costs. */
const ESTIMATE_WEIGHT = 0.2
/** Before anything is known of a handler's cost: enough to learn from, too little to hold a thread for long. */
const FIRST_BATCH_RECORDS = 16
/** What has to be ready beside what is at the threads, so that they never wait for the source: a poll brings half of it. */
const LEAST_ENOUGH = 1_000
/** Most memory of the progress board for batches that only wait. Without a free row no batch goes out. */
const MAX_WAITING_BOARD_BYTES = 16 * 1024 * 1024

interface BatchInFlight {
  readonly number: number
  readonly runs: readonly RunInFlight[]
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
  /** The thread has begun with all of it: it takes no slot any more. */
  hasReply: boolean
  /** Runs whose outcome is not known. */
  openRuns: number
}

interface RunInFlight {
  readonly actor: PoolActor
  readonly length: number
  /**
   * null: its outcome is known. Its records have given their credit back then, so their bytes must not stay until a slow
   * one of the same batch has ended too.
   */
  open: DispatchedRun | null
}

/** An actor as the pool knows it. */
interface PoolActor {
  readonly stats: ActorStats
  readonly concurrency: number
  readonly limit: AdaptiveLimit | undefined
  /** Whether its handler returns promises: known by the first reply. */
  readonly habit: ReturnHabit
  /** Records at threads whose outcome is not known. */
  records: number
  /** What a call of its batch handler gets at most; null: its handler gets single records, or is not loaded yet. */
  callLimits: CallLimits | null
}

export class WorkerPool implements Executor {
  readonly mixesKeys = false
  onRoom: () => void = () => undefined
  onThrottle: Executor['onThrottle'] = () => undefined
  readonly #options: WorkerPoolOptions
  readonly #board: ProgressBoard
  readonly #threads: ThreadSet
  readonly #watchdog: Watchdog
  /** By number. */
  readonly #inFlight = new Map<number, BatchInFlight>()
  readonly #actors = new Map<string, PoolActor>()
  /** Batches without a reply. */
  #slotsTaken = 0
  #state: 'running' | 'failed' | 'destroyed' = 'running'
  #destroyed: Promise<void> | null = null
  #lastNumber = 0
  /** What the latest records have cost, older ones with less weight: the estimate of what one costs, crossing excluded. */
  #recent = { busyMs: 0, records: 0 }
  readonly #wake = new WakeEstimate()
  readonly #turn: TurnLimit
  #cancelWatch: () => void = () => undefined

  private constructor(options: WorkerPoolOptions) {
    this.#options = options
    const { threads, handlers, stats, watch: { graceMs } = WATCH } = options
    let waiting = 0
    for (const { actor, concurrency } of handlers) {
      this.#actors.set(actor, {
        stats: stats.actor(actor),
        concurrency,
        limit: options.limits?.get(actor),
        habit: new ReturnHabit(),
        records: 0,
        callLimits: null,
      })
      waiting += concurrency
    }
    const rows = Math.min(waiting, Math.floor(MAX_WAITING_BOARD_BYTES / threads.maxBatchRecords))
    this.#turn = new TurnLimit({
      clock: options.clock,
      maxTurnMs: MAX_TURN_MS,
      onNextTurn: () => {
        this.onRoom()
      },
    })
    this.#board = new ProgressBoard(threads.count * threads.slots + rows, threads.maxBatchRecords)
    this.#watchdog = new Watchdog(Math.max(...handlers.map(({ handlerTimeoutMs }) => handlerTimeoutMs)), graceMs)
    this.#threads = new ThreadSet({
      ...options,
      board: this.#board.shared,
      onChanged: () => {
        this.#noteThreads()
        this.onRoom()
      },
      onOutcomes: (notice) => {
        this.#noteOutcomes(notice)
      },
      onThrottle: ({ actor, forMs, id }) => {
        this.onThrottle(actor, forMs, id)
      },
      onEnded: (thread) => {
        this.#giveBack(thread)
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
      for (const manifest of manifests) pool.#noteManifest(manifest)
      pool.#watch()
      return { pool, manifests }
    } catch (error) {
      await pool.destroy()
      throw error
    }
  }

  /** A batch has a row of the board, which has so many places; and a call begins as a whole. */
  #noteManifest({ actor, call, front = null }: HandlerManifest): void {
    if (front !== null) this.#rename(front.actor, actor)
    const at = this.#actors.get(actor)
    if (at === undefined || call === null) return
    const maxRecords = Math.min(call.maxRecords, this.#options.threads.maxBatchRecords, at.concurrency)
    at.callLimits = { ...call, maxRecords }
  }

  /** The module of an actor has turned out to be an operator: what runs here is its front. */
  #rename(actor: string, front: string): void {
    const at = this.#actors.get(actor)
    if (at === undefined) return
    this.#actors.delete(actor)
    this.#actors.set(front, { ...at, stats: this.#options.stats.actor(front) })
  }

  get freeSlots(): number {
    if (this.#state !== 'running' || this.#turn.isOver) return 0
    const slots = this.#threads.readyCount * this.#options.threads.slots - this.#slotsTaken
    return Math.max(0, Math.min(slots, this.#board.freeRowCount))
  }

  /** As many records as make a batch of the wanted length, by what a record has cost so far. */
  get maxBatchRecords(): number {
    const { batchTargetMs, maxBatchRecords } = this.#options.threads
    const { busyMs, records } = this.#recent
    const wanted = records === 0 ? FIRST_BATCH_RECORDS : Math.floor(batchTargetMs / Math.max(busyMs / records, 1e-6))
    return Math.max(1, Math.min(maxBatchRecords, wanted))
  }

  get maxBatchBytes(): number {
    return this.#options.threads.maxBatchBytes
  }

  /**
   * Of an asynchronous handler one by one: its outputs should not wait for the next record of the lane. Without an order
   * too: whose fault a thread's death was is certain for the first record of a run.
   */
  maxRunRecords({ name, order }: ResolvedActor): number {
    const isSingle = order === 'unordered' || this.#actors.get(name)?.habit.isAsynchronous === true
    return isSingle ? 1 : Number.MAX_SAFE_INTEGER
  }

  /**
   * Twice what all slots take, in lanes for all of them. Of asynchronous handlers it is not known: what they wait for
   * sets their pace. And one actor's backlog must not keep out the records of another.
   */
  hasEnough(records: number, lanes: number): boolean {
    const [only, ...others] = this.#actors.values()
    if (only === undefined || only.habit.isAsynchronous || others.length > 0) return false
    const slots = this.#options.threads.count * this.#options.threads.slots
    return lanes >= 2 * slots && records >= Math.max(LEAST_ENOUGH, 2 * slots * this.maxBatchRecords)
  }

  /**
   * Records of a synchronous handler are in progress one at a time. One that has ever returned a promise may do so again, at all
   * threads at once. A call that was given up takes room until it ends.
   */
  roomOf({ name }: ResolvedActor): number {
    const at = this.#actors.get(name)
    if (at === undefined || at.habit.hasOnlyValues) return Number.POSITIVE_INFINITY
    const room = at.concurrency - at.records - at.stats.leftOverCalls
    return Math.max(0, at.limit === undefined ? room : Math.min(room, at.limit.current - at.records))
  }

  inProgressOf({ name }: ResolvedActor): number {
    return this.#actors.get(name)?.records ?? 0
  }

  callLimitsOf({ name }: ResolvedActor): CallLimits | null {
    return this.#actors.get(name)?.callLimits ?? null
  }

  execute(runs: readonly DispatchedRun[], settle: Settle): void {
    const { clock } = this.#options
    const begunAtMs = clock.now()
    let recordCount = 0
    const inFlight: RunInFlight[] = []
    for (const run of runs) {
      const { length } = run.invocations
      const actor = this.#actorOf(run)
      recordCount += length
      actor.records += length
      inFlight.push({ actor, length, open: run })
    }
    const places = this.#placesOf(inFlight)
    const isAlone = recordCount === 1 && runs[0]?.invocations[0]?.isSuspect === true
    const row = this.#board.takeRow(recordCount)
    const number = (this.#lastNumber += 1)
    const batch: BatchInFlight = {
      number,
      runs: inFlight,
      recordCount,
      row,
      isAlone,
      settle,
      thread: undefined,
      sentAtMs: begunAtMs,
      mainMs: 0,
      hasFoundIdle: false,
      hasReply: false,
      openRuns: runs.length,
    }
    this.#inFlight.set(number, batch)
    this.#slotsTaken += 1
    const message = packBatch(
      { number, row, isAlone, ...(places === null ? {} : { places }) },
      runs.map(({ actor: { actor, keptState }, invocations }) => ({
        ...{ actor: actor.name, records: invocations, state: keptState },
      })),
    )
    // What the posting takes is main's work, and in the round trip too: the wake-up is never taken for shorter than it is.
    batch.sentAtMs = clock.now()
    this.#threads
      .run(message, (thread) => {
        batch.thread = thread
        batch.hasFoundIdle = thread?.records === 0
        if (thread !== undefined) thread.records += recordCount
      })
      .then(
        (reply) => {
          this.#noteReply(batch, reply)
        },
        (error: unknown) => {
          // The thread has ended under this batch, and under all others that it has.
          this.#giveBack(batch.thread, batch, error)
        },
      )
      .catch((error: unknown) => {
        this.#fail(new TroupeError('INTERNAL', 'the outcome of a batch could not be taken', { cause: error }))
      })
    batch.mainMs = clock.now() - begunAtMs
    this.#noteThreads()
  }

  /**
   * Tears down what the handlers have set up, and ends the threads. What is in flight is lost; the
   * caller has waited for what it wants.
   */
  destroy(): Promise<void> {
    this.#destroyed ??= this.#shutDown()
    return this.#destroyed
  }

  async #shutDown(): Promise<void> {
    this.#state = 'destroyed'
    this.#cancelWatch()
    await this.#threads.destroy()
    const { threads } = this.#options.stats
    threads.starting = threads.idle = threads.busy = 0
  }

  #noteReply(batch: BatchInFlight, reply: ReplyMessage | FailedReply): void {
    // A failed pool has given the batch back already.
    if (!this.#inFlight.has(batch.number) || this.#state !== 'running') return
    if (reply.type === 'failed') {
      const cause = fromWireError(reply.error)
      this.#fail(new TroupeError('INTERNAL', 'a worker thread could not run a batch', { cause }))
      return
    }
    const { clock } = this.#options
    const repliedAtMs = clock.now()
    this.#turn.begin(repliedAtMs)
    // What becomes ready while the verdicts are taken is handed out at once.
    this.#turn.end(repliedAtMs)
    const results = unpackReply(reply)
    batch.mainMs += clock.now() - repliedAtMs
    if (batch.hasFoundIdle) this.#wake.note(repliedAtMs - batch.sentAtMs - reply.totalMs)
    this.#freeSlot(batch)
    let records = 0
    for (const [index, result] of results.entries()) {
      this.#noteHabit(batch.runs[index]!.actor, result)
      if (result === null) continue
      records += result.verdicts.length
      this.#settle(batch, index, result)
    }
    this.#noteBatch(batch, reply.packingMs)
    this.#noteCost(reply.busyMs, records)
    this.#noteThreads()
    this.#turn.end(clock.now())
    this.onRoom()
  }

  /** Takes what has settled on a thread since its replies. Of a batch that was given back nothing counts. */
  #noteOutcomes(notice: OutcomesNotice): void {
    if (this.#state !== 'running') return
    try {
      const late = unpackOutcomes(notice)
      for (const result of late) {
        const batch = this.#inFlight.get(result.batch)
        if (batch !== undefined) this.#settle(batch, result.run, result)
      }
      this.#noteCost(notice.busyMs, late.length)
      this.#noteThreads()
      this.onRoom()
    } catch (cause) {
      // As of a reply: nothing above a message of a thread would take it.
      this.#fail(new TroupeError('INTERNAL', 'the outcome of a batch could not be taken', { cause }))
    }
  }

  #settle(batch: BatchInFlight, index: number, { verdicts, elapsedMs, promise }: PackedVerdicts): void {
    const { callLimits, limit, records, stats } = batch.runs[index]!.actor
    if (promise !== null) limit?.note({ elapsedMs, inProgress: records, hasFailed: verdicts.some(mayGoWellLater) })
    const count = verdicts.length
    if (promise !== null) stats.cost.notePromise(promise.heldMs, promise.hasWaited, callLimits === null ? 1 : count)
    stats.handlerSeconds.observe(elapsedMs / 1000 / Math.max(1, count), count)
    this.#end(batch, index, verdicts)
  }

  /** The run is no matter of the pool any more. */
  #end(batch: BatchInFlight, index: number, verdicts: readonly Verdict[]): void {
    const run = batch.runs[index]!
    const { actor, length, open } = run
    if (open === null) return
    run.open = null
    batch.openRuns -= 1
    actor.records -= length
    if (batch.thread !== undefined) batch.thread.records -= length
    this.#release(batch)
    if (actor.callLimits !== null) setFailedApart(open, verdicts)
    batch.settle(open, verdicts)
  }

  /** The thread has ended: hands back what it had, the culprit with a failed attempt, the others unrun. */
  #giveBack(thread: PoolThread | undefined, batch?: BatchInFlight, error?: unknown): void {
    if (this.#state !== 'running' || (batch !== undefined && !this.#inFlight.has(batch.number))) return
    const lost = thread === undefined ? [] : [...this.#inFlight.values()].filter((mate) => mate.thread === thread)
    if (thread === undefined && batch !== undefined) lost.push(batch)
    if (lost.length === 0) return
    const cause = thread?.cause ?? error
    const findings = findCulprit(
      lost.map((mate) => ({
        ...mate,
        stateOf: (index) => this.#board.stateOf(mate.row, index),
      })),
      isOutOfMemory(cause),
    )
    const { culprit } = findings
    if (thread !== undefined) thread.wasAt = atEnd(findings)
    for (const mate of lost) {
      this.#freeSlot(mate)
      for (const [index, { open }] of mate.runs.entries()) {
        if (open === null) continue
        const isCharged = culprit !== null && open.invocations[0] === culprit
        this.#end(mate, index, isCharged ? [deathOf(open, culprit, thread?.wasHeld === true, cause)] : [])
      }
    }
    this.#noteThreads()
    this.onRoom()
  }

  #freeSlot(batch: BatchInFlight): void {
    if (batch.hasReply) return
    batch.hasReply = true
    this.#slotsTaken -= 1
    this.#release(batch)
  }

  /** Forgets a batch of which all is known. */
  #release(batch: BatchInFlight): void {
    if (batch.hasReply && batch.openRuns === 0 && this.#inFlight.delete(batch.number)) this.#board.freeRow(batch.row)
  }

  #noteHabit(actor: PoolActor, result: PackedVerdicts | null): void {
    // Where none has begun the thread has as many waiting as the actor may have.
    if (result === null || result.promise !== null || result.verdicts.length === 0) actor.habit.notePromise()
    else actor.habit.noteValue()
  }

  /** Of actors that were given room without limit: each thread's share, should their handlers begin to return promises. */
  #placesOf(runs: readonly RunInFlight[]): Map<string, number> | null {
    let places: Map<string, number> | null = null
    for (const { actor, open } of runs) {
      if (!actor.habit.hasOnlyValues || open === null) continue
      const share = Math.max(1, Math.floor(actor.concurrency / this.#options.threads.count))
      places = (places ?? new Map<string, number>()).set(open.actor.actor.name, share)
    }
    return places
  }

  #actorOf(run: DispatchedRun): PoolActor {
    const { name } = run.actor.actor
    const actor = this.#actors.get(name)
    if (actor === undefined) throw new TroupeError('INTERNAL', `actor ${name} has no handler on threads`)
    return actor
  }

  /** What a batch has cost beside the work goes to its actors by their share of its records. */
  #noteBatch(batch: BatchInFlight, packingMs: number): void {
    const records = new Map<PoolActor, number>()
    for (const { actor, length } of batch.runs) records.set(actor, (records.get(actor) ?? 0) + length)
    const wakeMs = batch.hasFoundIdle ? (this.#wake.ms ?? 0) : 0
    for (const [{ stats }, count] of records) {
      stats.batchRecords.observe(count)
      const share = count / batch.recordCount
      stats.cost.crossed += count
      stats.cost.mainMs += batch.mainMs * share
      stats.cost.threadMs += packingMs * share
      stats.cost.wakeMs += wakeMs * share
    }
  }

  #noteCost(busyMs: number, records: number): void {
    if (records === 0) return
    const recent = this.#recent
    recent.busyMs += busyMs - ESTIMATE_WEIGHT * recent.busyMs
    recent.records += records - ESTIMATE_WEIGHT * recent.records
  }

  #noteThreads(): void {
    if (this.#state === 'destroyed') return
    const { threads } = this.#options.stats
    const ready = this.#threads.readyCount
    threads.starting = this.#options.threads.count - ready
    threads.busy = this.#threads.busyCount
    threads.idle = ready - threads.busy
  }

  /** Gives everything back unrun and says why, once. */
  #fail(error: Error): void {
    if (this.#state !== 'running') return
    this.#state = 'failed'
    for (const batch of this.#inFlight.values()) {
      this.#freeSlot(batch)
      for (const index of batch.runs.keys()) this.#end(batch, index, [])
    }
    this.#options.onFatal(error)
  }

  /** Ends threads that are held by a record for longer than its handler may take. */
  #watch(): void {
    const { clock, lookout, watch: { intervalMs } = WATCH } = this.#options
    this.#cancelWatch = clock.after(intervalMs, () => {
      for (const id of this.#watchdog.look(lookout.seenMs, this.#watchedBatches())) this.#threads.endHeld(id)
      this.#watch()
    })
  }

  *#watchedBatches(): IterableIterator<WatchedBatch> {
    for (const batch of this.#inFlight.values()) {
      // A thread that still loads has a time limit of its own.
      if (batch.thread?.isReady !== true) continue
      let progress = 0
      let limitMs = 0
      let index = 0
      for (const { length, open } of batch.runs) {
        const end = index + length
        if (open === null) {
          progress += recordEnded * length
          index = end
          continue
        }
        for (; index < end; index += 1) {
          const state = this.#board.stateOf(batch.row, index)
          progress += state
          if (isAtHandler(state)) limitMs = Math.max(limitMs, open.actor.actor.handlerTimeoutMs)
        }
      }
      yield { threadId: batch.thread.id, number: batch.number, progress, limitMs }
    }
  }
}
