/**
 * The pool's threads: Piscina starts them, hands them tasks and replaces those that end. This file
 * knows its traps, so that nobody else has to:
 * - it takes a thread for ready before the handlers are loaded;
 * - after a thread that failed early it stops replacing, and later tasks wait for ever;
 * - an exit without a task at hand is not reported;
 * - it ends a thread that is loading modules as readily as any other, and Node.js then aborts the
 *   whole process now and then (`FATAL ERROR: v8::Module::IsGraphAsync`).
 */
import type { HandlerManifest } from '../handlers/handler-manifest.ts'
import { Piscina, queueOptionsSymbol } from 'piscina'
import type { Clock } from '../../clock.ts'
import { TroupeError, describeError, fromWireError, type WireError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { Lookout } from '../../lookout.ts'
import type { ResolvedApp } from '../../options/options.ts'
import { ownProgram } from '../../own-program.ts'
import type { EngineStats } from '../../metrics/stats.ts'
import type { SchemaPort } from '../../streams/registry/schema-port.ts'
import { readableUrl } from '../../typescript-source.ts'
import { describeThreadEnd } from './blame.ts'
import { MEMORY_REPORT_MS, MemoryWatch } from './memory-watch.ts'
import { SchemaBroadcast } from './schemas/schema-broadcast.ts'
import type { OpenNewsOutbox } from './schemas/news-channel.ts'
import type { SharedBoard } from './protocol/progress-board.ts'
import type { SharedData } from '../handlers/shared-data.ts'
import { fieldsOf } from './thread-log.ts'
import type {
  BatchMessage,
  FailedReply,
  HandlerModule,
  LeftOverNotice,
  ThrottleNotice,
  OutcomesNotice,
  ReplyMessage,
  ThreadNotice,
  ThreadSetup,
} from './protocol/thread-protocol.ts'
import { ThreadRoster, type PoolThread } from './thread-roster.ts'

export type TaskPoolOptions = NonNullable<ConstructorParameters<typeof Piscina>[0]>

/** What is used of Piscina. */
export interface TaskPool extends Pick<Piscina, 'threads' | 'run' | 'destroy'> {
  readonly options: { minThreads: number }
  on(event: 'message', listener: (notice: ThreadNotice | null | undefined) => void): unknown
  on(event: 'workerDestroy' | 'error', listener: () => void): unknown
}

export type OpenTaskPool = (options: TaskPoolOptions) => TaskPool

const openPiscina: OpenTaskPool = (options) => new Piscina(options)

export interface ThreadSetOptions {
  readonly threads: ResolvedApp['threads']
  readonly handlers: readonly HandlerModule[]
  readonly board: SharedBoard
  /** What the app shares; nothing unless given. */
  readonly shared?: SharedData
  /** null: no codec of the app needs schemas. */
  readonly schemas: SchemaPort | null
  readonly clock: Clock
  readonly lookout: Lookout
  readonly log: Log
  readonly stats: EngineStats
  /** A thread became ready or has ended. */
  readonly onChanged: () => void
  /** Some of what a thread did not know at its reply. */
  readonly onOutcomes: (notice: OutcomesNotice) => void
  /** What a handler calls has asked to slow down. */
  readonly onThrottle: (notice: ThrottleNotice) => void
  /** A thread has ended, whether it had something to do or not. */
  readonly onEnded: (thread: PoolThread) => void
  /** After the start: there are too few threads, and there will be no more. */
  readonly onFatal: (error: Error) => void
  /** The compiled thread entry; tests that run sources point to the built one. */
  readonly entry?: URL
  /** Opens the pool; Piscina's, unless given. */
  readonly openTaskPool?: OpenTaskPool
  /** Opens what tells threads of schemas; a BroadcastChannel, unless given. */
  readonly openNewsOutbox?: OpenNewsOutbox
  readonly startTimeoutMs?: number
  readonly teardownTimeoutMs?: number
}

/** Loading TypeScript and opening a database file in `setup` can take some seconds on a busy machine. */
export const START_TIMEOUT_MS = 60_000
/** A teardown closes files and connections; what takes longer is dropped. */
const TEARDOWN_TIMEOUT_MS = 5_000
/** Loading takes long only when it waits for something. */
const LOADING_TIMEOUT_MS = 5_000
/** How often it looks for threads that do not become ready. */
const LOOK_INTERVAL_MS = 500

const MIB = 1024 * 1024

/** What Piscina's balancer is told of a task: a batch goes anywhere, a teardown to one thread. */
type Placement = { readonly notePlaced: (thread: PoolThread | undefined) => void } | { readonly only: PoolThread }
type Balancer = NonNullable<TaskPoolOptions['loadBalancer']>

export class ThreadSet {
  /** Resolves when every thread has loaded and set up every handler. Rejects with the first failure. */
  readonly started: Promise<readonly HandlerManifest[]>
  readonly #options: ThreadSetOptions
  readonly #pool: TaskPool
  readonly #broadcast: SchemaBroadcast | null
  readonly #roster: ThreadRoster
  #state: 'starting' | 'running' | 'failed' | 'destroyed' = 'starting'
  #resolveStarted: (manifests: readonly HandlerManifest[]) => void = () => undefined
  #rejectStarted: (error: Error) => void = () => undefined
  #cancelLook: () => void = () => undefined
  #cancelMemoryWatch: () => void = () => undefined
  /** A thread has become ready, failed or ended; `destroy` may be waiting for it. */
  #noteLoadingEnded: () => void = () => undefined

  constructor(options: ThreadSetOptions) {
    this.#options = options
    const { threads, handlers, board, lookout, openTaskPool = openPiscina, schemas, shared = {} } = options
    this.#broadcast = schemas === null ? null : new SchemaBroadcast(schemas, options.openNewsOutbox)
    this.started = new Promise((resolve, reject) => {
      this.#resolveStarted = resolve
      this.#rejectStarted = reject
    })
    const memoryReportMs = threads.maxRssMb === null ? null : MEMORY_REPORT_MS
    const setup: ThreadSetup = {
      handlers,
      board,
      shared,
      schemaChannel: this.#broadcast?.channel ?? null,
      memoryReportMs,
      maxHeapMb: threads.maxHeapMb,
    }
    this.#pool = openTaskPool({
      filename: (options.entry ?? ownProgram('./actors/threads/worker-thread')).href,
      workerData: setup,
      minThreads: threads.count,
      maxThreads: threads.count,
      concurrentTasksPerWorker: threads.slots,
      // Room for every batch and every teardown, so never reached. 0 would run rejected tasks later.
      maxQueue: threads.count * (threads.slots + 1),
      // A thread that waits in Atomics.wait freezes its timers and sockets; this one does not.
      atomics: 'async',
      recordTiming: false,
      // No thread is ended for having nothing to do, also when `destroy` has lowered `minThreads`.
      idleTimeout: Number.POSITIVE_INFINITY,
      loadBalancer: (task, workers) => this.#place(task, workers),
      ...(threads.maxHeapMb === null ? {} : { resourceLimits: { maxOldGenerationSizeMb: threads.maxHeapMb } }),
    })
    this.#roster = new ThreadRoster(() => this.#pool.threads)
    this.#roster.update(lookout.seenMs)
    // A module may post messages of its own, even none at all.
    this.#pool.on('message', (notice: ThreadNotice | null | undefined) => {
      if (notice !== null && notice !== undefined) this.#noteNotice(notice)
    })
    // Emitted just before Piscina takes the thread from its list and, unless it has given up, adds
    // another; and before the thread's tasks are rejected.
    this.#pool.on('workerDestroy', () => {
      queueMicrotask(() => {
        this.#noteEnded()
      })
    })
    // A thread that ended between tasks: the roster sees it too. Unheard, the event would end the process.
    this.#pool.on('error', () => undefined)
    this.#look()
    if (threads.maxRssMb !== null) this.#watchMemory(threads.maxRssMb, new MemoryWatch(threads.maxRssMb * MIB))
  }

  get readyCount(): number {
    return this.#roster.readyCount
  }

  /** Threads that have something to do, be it that they wait for it. */
  get busyCount(): number {
    return this.#roster.busyCount
  }

  /** Hands a batch to a thread. Resolves when that has begun with all of it; rejects when it ends before, and only then. */
  run(
    message: BatchMessage,
    notePlaced: (thread: PoolThread | undefined) => void,
  ): Promise<ReplyMessage | FailedReply> {
    // A symbol does not cross: only the balancer sees it.
    const task = { ...message, [queueOptionsSymbol]: { notePlaced } satisfies Placement }
    return this.#pool.run(task, { transferList: [message.numbers.buffer, message.slab.buffer] }) as Promise<
      ReplyMessage | FailedReply
    >
  }

  /** Ends a thread that is held. Its tasks are rejected, and another takes its place. */
  endHeld(id: number): void {
    const thread = this.#roster.find(id)
    if (thread === undefined || thread.wasHeld) return
    thread.wasHeld = true
    void thread.worker.terminate()
  }

  /** Tears down what the handlers have set up, within a time limit, and ends the threads with whatever they are at. */
  async destroy(): Promise<void> {
    this.#state = 'destroyed'
    this.#cancelLook()
    this.#cancelMemoryWatch()
    // Threads that end from now on are not replaced.
    this.#pool.options.minThreads = 0
    await this.#loadingEnded()
    await this.#tearDown()
    await this.#pool.destroy()
    this.#broadcast?.close()
    for (const thread of this.#roster.threads) this.#endLeftOvers(thread)
  }

  /** Resolves when no thread is loading any more, or after a time limit: what takes longer waits for something, and may be ended. */
  #loadingEnded(): Promise<void> {
    const { clock, lookout, startTimeoutMs = START_TIMEOUT_MS } = this.#options
    const isLoading = ({ hasSpoken, sinceMs }: PoolThread): boolean =>
      !hasSpoken && lookout.seenMs - sinceMs < startTimeoutMs
    return new Promise((resolve) => {
      const cancel = clock.after(LOADING_TIMEOUT_MS, resolve)
      this.#noteLoadingEnded = () => {
        if (this.#roster.threads.some(isLoading)) return
        cancel()
        resolve()
      }
      this.#noteLoadingEnded()
    })
  }

  /** Piscina asks where a task goes: to the least busy thread, and to one that still loads only if there is no other. */
  #place(task: Parameters<Balancer>[0], workers: Parameters<Balancer>[1]): ReturnType<Balancer> {
    const placement = (task as unknown as { readonly [queueOptionsSymbol]: Placement })[queueOptionsSymbol]
    if ('only' in placement) return workers.find(({ id }) => id === placement.only.id) ?? null
    const { slots } = this.#options.threads
    let best: (typeof workers)[number] | null = null
    let bestThread: PoolThread | undefined
    let bestLoad = Number.POSITIVE_INFINITY
    let bestRecords = 0
    for (const worker of workers) {
      const { currentUsage } = worker
      const thread = this.#roster.find(worker.id)
      if (currentUsage >= slots || thread?.isRetiring === true) continue
      const load = currentUsage + (thread?.isReady === true ? 0 : slots)
      const records = thread?.records ?? 0
      // Of two that have the same to begin, the one where fewer wait.
      if (load < bestLoad || (load === bestLoad && records < bestRecords)) {
        best = worker
        bestThread = thread
        bestLoad = load
        bestRecords = records
      }
    }
    placement.notePlaced(bestThread)
    return best
  }

  #noteNotice(notice: ThreadNotice): void {
    if (notice.type === 'log') {
      this.#options.log[notice.level](fieldsOf(notice), notice.message)
      return
    }
    if (notice.type === 'outcomes') {
      this.#options.onOutcomes(notice)
      return
    }
    if (notice.type === 'throttle') {
      this.#options.onThrottle(notice)
      return
    }
    const thread = this.#roster.find(notice.threadId)
    if (thread === undefined) return
    if (notice.type === 'left-over') {
      this.#noteLeftOver(thread, notice)
      return
    }
    if (notice.type === 'memory') {
      const { bytes } = notice
      thread.memory = { bytes, atMs: this.#options.lookout.seenMs, baseBytes: thread.memory?.baseBytes ?? bytes }
      return
    }
    if (notice.type === 'loading') {
      thread.loading = notice.url
      return
    }
    thread.hasSpoken = true
    thread.needsTeardown = notice.needsTeardown
    this.#noteLoadingEnded()
    if (notice.type === 'failed') {
      this.#fail(fromWireError(notice.error))
      return
    }
    thread.isReady = true
    // Before it gets anything to do: what was told while it began, it has not heard.
    this.#broadcast?.tellAll()
    if (this.#state === 'starting' && this.readyCount === this.#options.threads.count) {
      this.#state = 'running'
      this.#resolveStarted(notice.manifests)
    }
    this.#options.onChanged()
  }

  #noteLeftOver({ leftOverCalls }: PoolThread, { actor, change, handler }: LeftOverNotice): void {
    const stats = this.#options.stats.actor(actor)
    leftOverCalls.set(actor, (leftOverCalls.get(actor) ?? 0) + change)
    if (change > 0) stats.noteGivenUp(handler, change)
    else stats.noteLeftOversEnded(-change)
    this.#options.onChanged()
  }

  #endLeftOvers({ leftOverCalls }: PoolThread): void {
    for (const [actor, calls] of leftOverCalls) this.#options.stats.actor(actor).noteLeftOversEnded(calls)
    leftOverCalls.clear()
  }

  /** One or more threads have ended. Piscina has put others in their place, or has given up. */
  #noteEnded(): void {
    const { lookout, log, onChanged, onEnded, stats, threads } = this.#options
    const ended = this.#roster.update(lookout.seenMs)
    for (const thread of ended) this.#endLeftOvers(thread)
    this.#noteLoadingEnded()
    if (this.#state === 'destroyed') return
    for (const thread of ended) {
      const { cause, id, isReady, loading } = thread
      onEnded(thread)
      if (!isReady) {
        const at = loading === null ? 'began' : `loaded and set up handler module ${readableUrl(loading)}`
        const message = `a worker thread ended while it ${at}: ${describeError(cause)}`
        this.#fail(new TroupeError('HANDLER_NOT_LOADED', message, { cause }))
        continue
      }
      stats.threadRestarts += 1
      if (thread.isLeaving) continue
      const [fields, message] = describeThreadEnd(thread)
      log.error({ threadId: id, ...fields }, message)
    }
    onChanged()
    if (this.#roster.threads.length < threads.count) {
      this.#fail(new TroupeError('INTERNAL', 'worker threads ended and were not replaced'))
    }
  }

  /** Looks for threads that do not become ready: a top-level await or a setup that never settles. */
  #look(): void {
    const { clock, lookout, startTimeoutMs = START_TIMEOUT_MS, threads } = this.#options
    this.#cancelLook = clock.after(Math.min(LOOK_INTERVAL_MS, startTimeoutMs), () => {
      const now = lookout.seenMs
      const late = this.#roster.threads.filter(({ isReady, sinceMs }) => !isReady && now - sinceMs >= startTimeoutMs)
      if (late.length > 0) {
        const message = `${late.length} of ${threads.count} threads did not load and set up their handlers within ${startTimeoutMs} ms`
        this.#fail(new TroupeError('HANDLER_NOT_LOADED', message))
      }
      this.#look()
    })
  }

  /** Replaces threads while the process has more memory than it may. */
  #watchMemory(limitMb: number, watch: MemoryWatch): void {
    const { clock, lookout, log, onChanged, stats } = this.#options
    this.#cancelMemoryWatch = clock.after(MEMORY_REPORT_MS, () => {
      for (const thread of this.#roster.threads) {
        if (thread.isRetiring && thread.records === 0) void this.#leave(thread)
      }
      const action = watch.look(lookout.seenMs, process.memoryUsage.rss(), this.#roster.threads)
      const thread = action === null ? undefined : this.#roster.find(action.id)
      if (action !== null && thread !== undefined) {
        const rssMb = Math.round(action.rssBytes / MIB)
        const tooMuch = `the process has ${rssMb} MiB, more than threads.maxRssMb (${limitMb})`
        if (action.type === 'end') {
          thread.cause = outOfMemory(`${tooMuch}, and the thread did not give its share back`)
          void thread.worker.terminate()
        } else {
          stats.threadRecycles += 1
          log.warn({ threadId: thread.id, rssMb }, `${tooMuch}: the worker thread that has grown most is replaced`)
          thread.isRetiring = true
          onChanged()
        }
      }
      this.#watchMemory(limitMb, watch)
    })
  }

  /** Ends a thread that has finished what it had. */
  async #leave(thread: PoolThread): Promise<void> {
    if (thread.isLeaving) return
    thread.isLeaving = true
    const { clock, teardownTimeoutMs = TEARDOWN_TIMEOUT_MS } = this.#options
    if (thread.needsTeardown) {
      await new Promise<void>((resolve) => {
        const cancel = clock.after(teardownTimeoutMs, resolve)
        void this.#tearDownThread(thread).then(() => {
          cancel()
          resolve()
        })
      })
    }
    await thread.worker.terminate()
  }

  #fail(error: Error): void {
    const before = this.#state
    if (before === 'failed' || before === 'destroyed') return
    this.#state = 'failed'
    if (before === 'starting') this.#rejectStarted(error)
    else this.#options.onFatal(error)
  }

  async #tearDown(): Promise<void> {
    const { clock, log, teardownTimeoutMs = TEARDOWN_TIMEOUT_MS } = this.#options
    const threads = this.#roster.threads.filter(({ needsTeardown }) => needsTeardown)
    if (threads.length === 0) return
    let left = threads.length
    const teardowns = threads.map(async (thread) => {
      await this.#tearDownThread(thread)
      left -= 1
    })
    await new Promise<void>((resolve) => {
      const cancel = clock.after(teardownTimeoutMs, () => {
        log.warn({ threads: left }, `stopping: ${left} threads were not torn down within ${teardownTimeoutMs} ms`)
        resolve()
      })
      void Promise.all(teardowns).then(() => {
        cancel()
        resolve()
      })
    })
  }

  async #tearDownThread(only: PoolThread): Promise<void> {
    const task = { [queueOptionsSymbol]: { only } satisfies Placement }
    let failures: WireError[]
    try {
      failures = (await this.#pool.run(task, { name: 'tearDown' })) as WireError[]
    } catch {
      // The thread ended before it came to this: then nothing of it is left.
      return
    }
    for (const wire of failures) {
      const error = fromWireError(wire)
      this.#options.log.warn({ error, threadId: only.id }, `stopping: ${describeError(error)}`)
    }
  }
}

/** As Node.js has it where a thread's heap is full. */
function outOfMemory(message: string): Error {
  return Object.assign(new Error(message), { code: 'ERR_WORKER_OUT_OF_MEMORY' })
}
