/**
 * A worker thread without a thread: the sources that run on a real one, on a clock of its own. All that
 * comes and goes is bytes, by two ports that may overtake each other. It ends as a real one does: nothing
 * of it goes on, what it had sent may be lost, and the board shows what it was at.
 */
import { EventEmitter } from 'node:events'
import type { Clock } from '../../../src/clock.ts'
import { manifestOf } from '../../../src/actors/handlers/handler-module.ts'
import { openUserRunner, type UserRunner } from '../../../src/actors/handlers/open-runner.ts'
import type { HandlerManifest } from '../../../src/actors/handlers/handler-manifest.ts'
import type { AnyHandler } from '../../../src/actors/handlers/any-handler.ts'
import { partOnThreads } from '../../../src/actors/handlers/front-handler.ts'
import { ThreadBatches, type OpenHandler } from '../../../src/actors/threads/thread-batches.ts'
import type {
  BatchMessage,
  ReplyMessage,
  ThreadNotice,
  ThreadSetup,
} from '../../../src/actors/threads/protocol/thread-protocol.ts'
import { Lookout } from '../../../src/lookout.ts'
import { silentLog } from '../../../src/log.ts'
import type { SourceRecord } from '../../../src/streams/record.ts'
import { ProcessClock } from '../../../src/testing/process-clock.ts'
import type { Random } from '../../../src/testing/random.ts'
import { nameOf, type HandlerResult } from '../journal.ts'
import type { HandlerNotes } from '../simulated-handler.ts'
import { Link } from './link.ts'

/** How a thread comes to its end: by itself, for want of memory, or because it was ended. */
export type ThreadEnd = 'exited' | 'out-of-memory' | 'ended'

/** What a thread notes of its handlers: as a handler on main, and by which batch it came to the record. */
export interface ThreadNotes extends Pick<HandlerNotes, 'found'> {
  begin(open: OpenRecord): void
  end(open: OpenRecord, result: HandlerResult): void
}

export interface OpenRecord {
  readonly record: SourceRecord
  readonly attempt: number
  readonly batch: number
  /** Of several records; missing: it is alone. */
  readonly call?: number
}

export interface SimulatedThreadOptions {
  readonly id: number
  /** The process's. */
  readonly clock: Clock
  readonly random: Random
  readonly setup: ThreadSetup
  readonly startMs: readonly [number, number]
  readonly crossingMs: readonly [number, number]
  readonly handlerOf: (url: string, notes: HandlerNotes, clock: Clock) => AnyHandler
  readonly notes: ThreadNotes
  readonly onNotice: (notice: ThreadNotice) => void
  readonly onReply: (batch: number, reply: ReplyMessage) => void
  readonly onExit: (end: ThreadEnd) => void
}

interface TakenBatch {
  readonly message: BatchMessage
  /** Names of the records that it has not begun with. */
  readonly left: Set<string>
}

export class SimulatedThread extends EventEmitter {
  readonly threadId: number
  /** Batches at the thread, as Piscina counts them. */
  currentUsage = 0
  readonly #options: SimulatedThreadOptions
  /** Stands still while the thread is held, and with its end. */
  readonly #clock: ProcessClock
  readonly #lookout: Lookout
  /** Ends when main knows that the thread has: what is on its way by then is lost. */
  readonly #ports: ProcessClock
  readonly #handlers = new Map<string, OpenHandler>()
  readonly #batches: ThreadBatches
  readonly #tasks: Link<TakenBatch>
  readonly #replies: Link<{ readonly batch: number; readonly reply: ReplyMessage }>
  readonly #notices: Link<ThreadNotice>
  readonly #taken: TakenBatch[] = []
  readonly #open = new Set<OpenRecord>()
  #load: Promise<void>
  #hasEnded = false

  constructor(options: SimulatedThreadOptions) {
    super()
    this.#options = options
    const { clock, crossingMs, random, setup } = options
    this.threadId = options.id
    this.#clock = new ProcessClock(clock)
    this.#lookout = new Lookout(this.#clock).start()
    this.#ports = new ProcessClock(clock)
    this.#batches = new ThreadBatches({
      board: setup.board,
      handlers: this.#handlers,
      clock: this.#clock,
      busy: { begin: () => undefined, take: () => random.pick([0, 0.1, 5]) },
      send: (notice) => {
        this.#notify(structuredClone(notice, { transfer: [notice.numbers.buffer, notice.slab.buffer] }))
      },
    })
    this.#tasks = new Link(this.#clock, random, crossingMs, (task) => void this.#run(task))
    this.#replies = new Link(this.#ports, random, crossingMs, ({ batch, reply }) => {
      options.onReply(batch, reply)
    })
    this.#notices = new Link(this.#ports, random, crossingMs, options.onNotice)
    this.#load = this.#start()
  }

  /** No record of it is at its handler. */
  get isIdle(): boolean {
    return this.#open.size === 0 && this.#handlers.size > 0 && this.#clock.isRunning
  }

  post(message: BatchMessage, names: readonly string[]): void {
    const { isAlone, names: packed, number, numbers, row, slab } = message
    const crossed = structuredClone(
      { isAlone, names: packed, number, numbers, row, slab },
      { transfer: [numbers.buffer, slab.buffer] },
    )
    this.#tasks.send({ message: crossed, left: new Set(names) })
  }

  terminate(): Promise<number> {
    this.end('ended')
    return Promise.resolve(1)
  }

  /** Nothing of it goes on any more; main hears of it after a while. */
  end(how: ThreadEnd): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#standStill()
    this.#clock.kill()
    for (const open of this.#open) {
      this.#options.notes.end(open, 'died')
    }
    const { crossingMs, onExit, random } = this.#options
    this.#ports.after(random.next() * crossingMs[1], () => {
      this.#ports.kill()
      onExit(how)
    })
  }

  /** An endless loop: not even its timers go on. */
  hold(): void {
    this.#standStill()
    this.#clock.freeze()
  }

  /** At once, with whatever it is at: its process ends it. */
  drop(): void {
    this.#hasEnded = true
    this.#clock.kill()
    this.#ports.kill()
    for (const open of this.#open) {
      this.#options.notes.end(open, 'died')
    }
    this.#open.clear()
  }

  async #start(): Promise<void> {
    const { handlerOf, random, setup, startMs } = this.#options
    const [least, most] = startMs
    await new Promise<void>((resolve) => this.#clock.after(least + random.next() * (most - least), resolve))
    const manifests: HandlerManifest[] = []
    for (const module of setup.handlers) {
      const { url } = module
      this.#notify({ type: 'loading', threadId: this.threadId, url })
      const loaded = handlerOf(url, this.#handlerNotes, this.#clock)
      const { handler, settings } = partOnThreads(loaded, module)
      const { actor, concurrency, failedRecords, handlerTimeoutMs, idHeader } = settings
      const runner = await openUserRunner({
        handler,
        name: actor,
        handlerTimeoutMs,
        idHeader,
        failedRecords,
        log: silentLog,
        clock: this.#lookout,
      })
      runner.onThrottle = (forMs, id) => {
        this.#notify({ type: 'throttle', threadId: this.threadId, actor, forMs, id })
      }
      runner.onLeftOver = (change) => {
        this.#notify({ type: 'left-over', threadId: this.threadId, actor, handler: runner.name, change })
      }
      this.#handlers.set(actor, { runner: this.#guarded(runner), concurrency })
      manifests.push(manifestOf(actor, handler))
    }
    this.#notify({
      type: 'ready',
      threadId: this.threadId,
      manifests: structuredClone(manifests),
      needsTeardown: false,
    })
  }

  async #run(task: TakenBatch): Promise<void> {
    await this.#load
    this.#taken.push(task)
    const reply = await this.#batches.run(task.message)
    this.#taken.splice(this.#taken.indexOf(task), 1)
    if (!this.#clock.isRunning) return
    const crossed = structuredClone(reply, { transfer: [reply.numbers.buffer, reply.slab.buffer] })
    this.#replies.send({ batch: task.message.number, reply: crossed })
  }

  #notify(notice: ThreadNotice): void {
    if (this.#clock.isRunning) this.#notices.send(notice)
  }

  /** A real thread that has ended within a batch comes to no other record of it. */
  #guarded(runner: UserRunner): UserRunner {
    return new Proxy(runner, {
      get: (target, name): unknown => {
        if (name === 'run' && !this.#clock.isRunning) return () => new Promise(() => undefined)
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }

  /** And notes no other on the board. */
  #standStill(): void {
    if (!this.#clock.isRunning) return
    const { cells, recordsPerRow } = this.#options.setup.board
    const rows = this.#taken.map(({ message: { row } }) => {
      const first = row * recordsPerRow
      return { first, states: cells.slice(first, first + recordsPerRow) }
    })
    // What is left of this turn would still be noted; main looks in another one.
    this.#ports.after(0, () => {
      for (const { first, states } of rows) cells.set(states, first)
    })
  }

  readonly #handlerNotes: HandlerNotes = {
    begin: (record, attempt, call) => {
      const name = nameOf(record)
      // Batches begin in the order in which they came, and a record once in each.
      const batch = this.#taken.find(({ left }) => left.delete(name))?.message.number
      if (batch === undefined) throw new Error(`${name} is in no batch of its thread`)
      const open = { record, attempt, batch, ...(call === undefined ? {} : { call }) }
      this.#open.add(open)
      this.#options.notes.begin(open)
      return (result) => {
        if (!this.#clock.isRunning || !this.#open.delete(open)) return
        this.#options.notes.end(open, result)
      }
    },
    found: (record, handled, recent) => {
      if (this.#clock.isRunning) this.#options.notes.found(record, handled, recent)
    },
    endThread: (how) => {
      if (how === 'loops') this.hold()
      else this.end(how === 'exits' ? 'exited' : 'out-of-memory')
    },
  }
}
