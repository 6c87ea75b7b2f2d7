/**
 * Stands for Piscina under a pool whose threads are simulated: it places tasks, tells of threads that end
 * and replaces them in Piscina's order of events. All above it is the engine's own.
 */
import { EventEmitter } from 'node:events'
import type { Worker } from 'node:worker_threads'
import { queueOptionsSymbol } from 'piscina'
import type { Clock } from '../../../src/clock.ts'
import type { AnyHandler } from '../../../src/actors/handlers/any-handler.ts'
import {
  unpackBatch,
  unpackOutcomes,
  unpackReply,
  type BatchMessage,
  type ReplyMessage,
  type ThreadNotice,
  type ThreadSetup,
} from '../../../src/actors/threads/protocol/thread-protocol.ts'
import type { TaskPool, TaskPoolOptions } from '../../../src/actors/threads/thread-set.ts'
import type { Random } from '../../../src/testing/random.ts'
import { nameOf, originOf, type Journal, type Origin } from '../journal.ts'
import type { HandlerNotes } from '../simulated-handler.ts'
import { SimulatedThread, type ThreadEnd, type ThreadNotes } from './simulated-thread.ts'

export interface SimulatedPoolOptions {
  readonly client: string
  readonly clock: Clock
  readonly random: Random
  readonly journal: Journal
  readonly isAlive: () => boolean
  readonly crossingMs: readonly [number, number]
  readonly handlerOf: (url: string, notes: HandlerNotes, clock: Clock) => AnyHandler
}

interface Task {
  readonly message: BatchMessage
  /** The origins of each run; null: main knows their outcome. */
  readonly runs: (readonly Origin[] | null)[]
  thread: SimulatedThread | null
  hasReply: boolean
  readonly resolve: (reply: unknown) => void
  readonly reject: (error: Error) => void
}

type Balancer = NonNullable<TaskPoolOptions['loadBalancer']>

/** How long a thread takes to load. */
const START_MS: readonly [number, number] = [1, 100]

export class SimulatedPool extends EventEmitter implements TaskPool {
  readonly options: { minThreads: number }
  readonly #options: SimulatedPoolOptions
  readonly #balance: Balancer
  readonly #setup: ThreadSetup
  readonly #threads: SimulatedThread[] = []
  /** By the number of their batches: those of which main does not know everything. */
  readonly #tasks = new Map<number, Task>()
  #queue: Task[] = []
  #lastId = 0

  constructor(options: SimulatedPoolOptions, { loadBalancer, minThreads = 1, workerData }: TaskPoolOptions) {
    super()
    this.#options = options
    this.options = { minThreads }
    this.#balance = loadBalancer!
    this.#setup = workerData as ThreadSetup
    this.#fillUp()
  }

  get threads(): Worker[] {
    return [...this.#threads] as unknown as Worker[]
  }

  run(task: BatchMessage): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const runs = unpackBatch(task).map(({ records }) => records.map(({ record }) => originOf(record)))
      this.#queue.push({ message: task, runs, thread: null, hasReply: false, resolve, reject })
      this.#distribute()
    })
  }

  destroy(): Promise<void> {
    for (const thread of this.#threads.splice(0)) thread.drop()
    return Promise.resolve()
  }

  /** A thread ends that no record can be blamed for: none is at its handler. */
  endIdle(how: ThreadEnd): void {
    const idle = this.#threads.filter(({ isIdle }) => isIdle)
    if (idle.length > 0) this.#options.random.pick(idle).end(how)
  }

  #fillUp(): void {
    while (this.#threads.length < this.options.minThreads) this.#threads.push(this.#open())
  }

  #open(): SimulatedThread {
    const { clock, crossingMs, handlerOf, random } = this.#options
    const id = (this.#lastId += 1)
    const thread: SimulatedThread = new SimulatedThread({
      id,
      clock,
      random: random.fork(`thread ${id}`),
      setup: this.#setup,
      startMs: START_MS,
      crossingMs,
      handlerOf,
      notes: this.#notes,
      onNotice: (notice) => {
        this.#noteNotice(notice)
      },
      onReply: (batch, reply) => {
        this.#noteReply(batch, reply)
      },
      onExit: (end) => {
        this.#noteExit(thread, end)
      },
    })
    return thread
  }

  #distribute(): void {
    const waiting = this.#queue
    this.#queue = []
    for (const task of waiting) {
      const workers = this.#threads.map(({ currentUsage, threadId: id }) => ({ id, currentUsage }))
      const worker = this.#balance(task.message as never, workers as unknown as Parameters<Balancer>[1])
      const thread = this.#threads.find(({ threadId }) => threadId === worker?.id)
      if (thread === undefined) this.#queue.push(task)
      else this.#post(task, thread)
    }
  }

  #post(task: Task, thread: SimulatedThread): void {
    if (!(queueOptionsSymbol in task.message)) throw new Error('a task without a placement')
    const { client, isAlive, journal } = this.#options
    const { number } = task.message
    const records = task.runs.flatMap((run) => run ?? [])
    this.#tasks.set(number, task)
    task.thread = thread
    thread.currentUsage += 1
    if (isAlive()) journal.note({ type: 'handed', client, batch: number, records })
    thread.post(task.message, records.map(nameOf))
  }

  #noteNotice(notice: ThreadNotice): void {
    if (notice.type === 'outcomes') {
      for (const { batch, run } of unpackOutcomes(notice)) this.#close(batch, [run])
    }
    this.emit('message', notice)
  }

  #noteReply(batch: number, reply: ReplyMessage): void {
    const task = this.#tasks.get(batch)
    if (task?.thread == null) throw new Error('a reply to a batch that nobody has')
    task.thread.currentUsage -= 1
    task.hasReply = true
    this.#close(
      batch,
      unpackReply(reply).flatMap((result, run) => (result === null ? [] : [run])),
    )
    task.resolve(reply)
    this.#distribute()
  }

  /** These runs of the batch have their outcome. */
  #close(batch: number, runs: readonly number[]): void {
    const task = this.#tasks.get(batch)
    if (task === undefined) return
    for (const run of runs) task.runs[run] = null
    if (task.hasReply && task.runs.every((run) => run === null)) this.#tasks.delete(batch)
  }

  /** In Piscina's order: told, replaced, its tasks rejected; and only then those hear of it who listen to the thread. */
  #noteExit(thread: SimulatedThread, how: ThreadEnd): void {
    const { client, isAlive, journal } = this.#options
    const error = causeOf(how)
    const lost = [...this.#tasks.values()].filter((task) => task.thread === thread)
    const records = lost.flatMap(({ message, runs }) =>
      runs.flatMap((run) => (run ?? []).map((record) => ({ ...record, batch: message.number }))),
    )
    if (isAlive() && records.length > 0) journal.note({ type: 'lost', client, records })
    for (const { message } of lost) this.#tasks.delete(message.number)
    this.emit('workerDestroy')
    this.#threads.splice(this.#threads.indexOf(thread), 1)
    this.#fillUp()
    for (const { hasReply, reject } of lost) if (!hasReply) reject(error)
    if (how === 'out-of-memory') thread.emit('error', error)
    thread.emit('exit', 1)
    this.#distribute()
  }

  readonly #notes: ThreadNotes = {
    found: (record, handled, recent) => {
      const { client, isAlive, journal } = this.#options
      if (isAlive()) journal.note({ type: 'state-read', client, handled, recent, ...originOf(record) })
    },
    begin: ({ record, ...open }) => {
      const { client, isAlive, journal } = this.#options
      if (isAlive()) journal.note({ type: 'handle-begin', client, ...open, ...originOf(record) })
    },
    end: ({ record, ...open }, result) => {
      const { client, isAlive, journal } = this.#options
      if (isAlive()) journal.note({ type: 'handle-end', client, ...open, result, ...originOf(record) })
    },
  }
}

/** As Node.js and Piscina have it. */
function causeOf(how: ThreadEnd): Error {
  if (how !== 'out-of-memory') return new Error('worker exited with code: 1')
  const message = 'Worker terminated due to reaching memory limit: JS heap out of memory'
  return Object.assign(new Error(message), { code: 'ERR_WORKER_OUT_OF_MEMORY' })
}
