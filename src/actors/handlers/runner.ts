/**
 * A handler that is open: it was set up, is called, and will be torn down. What its calls are given, and what is made of
 * what they return, is for the kinds of handlers to say (`handler-runner.ts`, `batch-runner.ts`). How long a call may take
 * is the same for all.
 *
 * A call that returned a promise is
 * - RUNNING   until `handlerTimeoutMs`. Its outcome counts. → OVER, OVERDUE.
 * - OVERDUE   its signal is aborted, and the verdict is the time-out, whatever it brings. It is waited for as long again, so
 *             that a retry does not run beside it. → OVER, LEFT OVER.
 * - LEFT OVER given up: the verdict is told while it goes on. It is counted until it ends. → OVER.
 */
import { RetryableError, TroupeError, describeError } from '../../errors.ts'
import type { Clock } from '../../clock.ts'
import type { Log } from '../../log.ts'
import type { GlobalRows } from '../../operators/tables/global-rows.ts'
import type { Order } from '../../options/options.ts'
import type { DeclaredStates } from '../../state/declared-state.ts'
import type { KnownSchemas } from '../../streams/flows/contract.ts'
import type { Destination } from '../../streams/flows/flow.ts'
import type { FailedRecords, SetupContext } from './handler.ts'
import { sharedBy, type SharedData } from './shared-data.ts'
import { SparseWarning } from './sparse-warning.ts'

export interface RunnerOptions<OfHandler> {
  readonly handler: OfHandler
  readonly name: string
  readonly handlerTimeoutMs: number
  /** Adds the header `troupe-id` to each output record: `topic/partition/offset/outputIndex`. */
  readonly idHeader: boolean
  /** What becomes of a record that no attempt will change; `dead-letter` unless given. */
  readonly failedRecords?: FailedRecords
  /** Which records of a call come before which; `key` unless given. */
  readonly order?: Order
  readonly log: Log
  readonly clock: Clock
  /** What the app shares; nothing unless given. */
  readonly shared?: SharedData
  /** What is known of the schema registry here; needed by topics with codecs of a registry only. */
  readonly schemas?: KnownSchemas
  /** Where the rows of global tables are; nobody reads any unless given. */
  readonly globals?: GlobalRows
}

/** What handlers of all kinds have. */
export interface SetUpHandler {
  readonly outputs?: readonly Destination[]
  readonly state?: DeclaredStates
  readonly setup?: (context: SetupContext) => unknown
  readonly teardown?: (setup: never) => void | Promise<void>
}

/** Is told of records whose signal was aborted. */
export interface OverdueNotes {
  noteOverdue(index: number): void
}

/** Hears that what a handler calls has asked to slow down, at the record of this id. */
export interface ThrottleListener {
  readonly onThrottle: (forMs: number, id: string) => void
}

/** What a call is given: its signal is made when somebody asks, since few handlers do and it costs a microsecond. */
export abstract class CallSignal {
  /** Of its record, or of its records, for people. */
  abstract readonly id: string
  readonly #throttled: ThrottleListener
  #controller: AbortController | null = null

  constructor(throttled: ThrottleListener) {
    this.#throttled = throttled
  }

  /** A function of its own, so that a handler may take it out of its context. */
  get throttle(): (forMs: number) => void {
    return (forMs) => {
      if (typeof forMs !== 'number' || !(forMs >= 0)) {
        throw new TypeError(`throttle(forMs) takes milliseconds, 0 or more, and got ${String(forMs)}`)
      }
      this.#throttled.onThrottle(forMs, this.id)
    }
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    return this.#controller.signal
  }

  abort(): void {
    this.#controller ??= new AbortController()
    this.#controller.abort(new RetryableError('nobody waits for this attempt any more'))
  }
}

export abstract class Runner<Context extends CallSignal, Returned, Result> {
  /** Set by whoever counts what is in progress: one more call was given up and still runs, of so many records; or, below 0, has ended. */
  onLeftOver: (change: number) => void = () => undefined
  /** Set by whoever hands out records: what the handler calls has asked to slow down, at the record of this id. */
  onThrottle: (forMs: number, id: string) => void = () => undefined
  #leftOverRecords = 0
  /** Each ends the wait for a call that is overdue. */
  readonly #overdue = new Set<() => void>()
  readonly #warning: SparseWarning
  #isClosed = false
  readonly #options: RunnerOptions<SetUpHandler>
  readonly #setup: unknown

  protected constructor(options: RunnerOptions<SetUpHandler>, setup: unknown) {
    this.#options = options
    this.#setup = setup
    this.#warning = new SparseWarning(options)
  }

  /** Runs the handler's setup. Rejects with SETUP_FAILED. */
  protected static async setUp({ handler, log, name, shared }: RunnerOptions<SetUpHandler>): Promise<unknown> {
    try {
      return await handler.setup?.({ log, shared: sharedBy(shared ?? {}) })
    } catch (error) {
      const message = `setup of handler ${name} failed: ${describeError(error)}`
      throw new TroupeError('SETUP_FAILED', message, { cause: error })
    }
  }

  get name(): string {
    return this.#options.name
  }

  /** Records of calls that were given up and have not ended. */
  get leftOverRecords(): number {
    return this.#leftOverRecords
  }

  /** Runs the handler's teardown. From now on nobody waits for a call that is overdue. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const endWait of this.#overdue) endWait()
    this.#overdue.clear()
    try {
      // What its own setup has returned: of which type only the kinds of handlers know.
      await this.#options.handler.teardown?.(this.#setup as never)
    } catch (error) {
      throw new Error(`teardown of handler ${this.#options.name} failed`, { cause: error })
    }
  }

  /** Records of the call. */
  protected abstract sizeOf(context: Context): number
  /** Which records the call has, for people. */
  protected abstract describe(context: Context): string
  /** Never throws. */
  protected abstract conclude(returned: Returned, context: Context): Result
  /** Never throws. */
  protected abstract judge(error: unknown, context: Context): Result

  /** One promise a call: `Promise.race` and its like would make six. `first` is the index of its first record in the notes. */
  protected settle(
    returned: Promise<Returned>,
    context: Context,
    notes: OverdueNotes | undefined,
    first: number,
  ): Promise<Result> {
    const { clock, handlerTimeoutMs } = this.#options
    return new Promise((resolve) => {
      let stage: 'running' | 'overdue' | 'left-over' | 'over' = 'running'
      let timeOut: Result
      let endWait: () => void
      let cancelTimer = clock.after(handlerTimeoutMs, () => {
        timeOut = this.#timeOutOf(context)
        if (this.#isClosed) {
          stage = 'over'
          resolve(timeOut)
        } else {
          stage = 'overdue'
          for (let at = 0; at < this.sizeOf(context); at += 1) notes?.noteOverdue(first + at)
          endWait = () => {
            cancelTimer()
            stage = 'over'
            resolve(timeOut)
          }
          this.#overdue.add(endWait)
          cancelTimer = clock.after(handlerTimeoutMs, () => {
            this.#overdue.delete(endWait)
            stage = 'left-over'
            this.#giveUp(context)
            resolve(timeOut)
          })
        }
        context.abort()
      })
      /** The handler has ended. False: too late, its result is ignored. */
      const isInTime = (): boolean => {
        const before = stage
        stage = 'over'
        if (before === 'over') return false
        if (before === 'left-over') {
          this.#noteLeftOver(-this.sizeOf(context))
          return false
        }
        cancelTimer()
        if (before === 'running') return true
        this.#overdue.delete(endWait)
        resolve(timeOut)
        return false
      }
      const fail = (error: unknown): void => {
        if (isInTime()) resolve(this.judge(error, context))
      }
      try {
        returned.then((settled) => {
          if (isInTime()) resolve(this.conclude(settled, context))
        }, fail)
      } catch (error) {
        // A Promise of somebody's own class may throw here.
        fail(error)
      }
    })
  }

  #timeOutOf(context: Context): Result {
    const { handlerTimeoutMs, name } = this.#options
    const message = `handler ${name} did not return within ${handlerTimeoutMs} ms on ${this.describe(context)}`
    return this.judge(new TroupeError('HANDLER_TIMEOUT', message), context)
  }

  /** Nobody waits for this call any more, and nobody can end it. */
  #giveUp(context: Context): void {
    const { handlerTimeoutMs, name } = this.#options
    const size = this.sizeOf(context)
    this.#noteLeftOver(size)
    this.#warning.tell(
      { id: context.id, leftOverRecords: this.#leftOverRecords },
      `handler ${name} has ignored its abort signal for ${handlerTimeoutMs} ms: the attempt is given up, its call takes ${size === 1 ? 'a place' : `${size} places`} until it ends`,
    )
  }

  #noteLeftOver(change: number): void {
    this.#leftOverRecords += change
    this.onLeftOver(change)
  }
}
