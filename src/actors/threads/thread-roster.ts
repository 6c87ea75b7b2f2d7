/**
 * Knows the pool's threads: which are ready, which still load, which have ended and why. Piscina
 * replaces a thread that ends, but says neither when the new one can work nor when it has given up
 * replacing; both can be told from the threads it holds.
 */
import type { RecordAtEnd } from './blame.ts'
import type { ThreadMemory } from './memory-watch.ts'
import type { Worker } from 'node:worker_threads'

export interface PoolThread {
  readonly id: number
  readonly worker: Worker
  /** When it was first seen, by the lookout's time. */
  readonly sinceMs: number
  /** URL of the handler module that it has begun to load last; null: none yet. */
  loading: string | null
  /** It has loaded and set up every handler. */
  isReady: boolean
  /** It has said that it is ready, or that it failed to become so: it does not load any more. */
  hasSpoken: boolean
  /** One of its handlers has a teardown. */
  needsTeardown: boolean
  /** The watchdog ended it. */
  wasHeld: boolean
  /** The records that may have ended it, once it has. */
  wasAt: readonly RecordAtEnd[]
  /** What it holds; null: it has not told. */
  memory: ThreadMemory | null
  /** It gets nothing more, and is replaced when it has finished what it has. */
  isRetiring: boolean
  /** It has finished, and is being torn down. */
  isLeaving: boolean
  /** Records that it has and of which no outcome is known. */
  records: number
  /** Calls that were given up and have not ended, by actor. They end with the thread. */
  readonly leftOverCalls: Map<string, number>
  /** Why it ended, once it has. */
  cause: unknown
}

export class ThreadRoster {
  readonly #listThreads: () => readonly Worker[]
  readonly #threads = new Map<Worker, PoolThread>()

  constructor(listThreads: () => readonly Worker[]) {
    this.#listThreads = listThreads
  }

  get threads(): readonly PoolThread[] {
    return [...this.#threads.values()]
  }

  get readyCount(): number {
    let count = 0
    for (const thread of this.#threads.values()) if (thread.isReady && !thread.isRetiring) count += 1
    return count
  }

  get busyCount(): number {
    let count = 0
    for (const thread of this.#threads.values())
      if (thread.isReady && !thread.isRetiring && thread.records > 0) count += 1
    return count
  }

  find(id: number): PoolThread | undefined {
    for (const thread of this.#threads.values()) if (thread.id === id) return thread
    return undefined
  }

  /** Compares with the threads that there are: takes in new ones, and returns those that have ended since. */
  update(nowMs: number): readonly PoolThread[] {
    const now = new Set(this.#listThreads())
    const ended = this.threads.filter(({ worker }) => !now.has(worker))
    for (const { worker } of ended) this.#threads.delete(worker)
    for (const worker of now) if (!this.#threads.has(worker)) this.#threads.set(worker, meet(worker, nowMs))
    return ended
  }
}

function meet(worker: Worker, nowMs: number): PoolThread {
  const thread: PoolThread = {
    id: worker.threadId,
    worker,
    sinceMs: nowMs,
    loading: null,
    isReady: false,
    hasSpoken: false,
    needsTeardown: false,
    wasHeld: false,
    wasAt: [],
    memory: null,
    isRetiring: false,
    isLeaving: false,
    records: 0,
    leftOverCalls: new Map(),
    cause: undefined,
  }
  // An uncaught error comes first and the exit after it; a plain exit comes alone.
  worker.once('error', (error: unknown) => {
    thread.cause ??= error
  })
  worker.once('exit', (code) => {
    thread.cause ??= new Error(`the thread exited with code ${code}`)
  })
  return thread
}
