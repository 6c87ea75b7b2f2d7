/**
 * Runs handlers on main: the twin of the worker pool, for I/O and for tests. An asynchronous
 * handler leaves its record in progress and the next lane begins, up to `concurrency` records. A
 * synchronous one holds the event loop, so after a few milliseconds the loop gets its turn.
 *
 * On main nothing can be isolated: a handler that never returns stops the process, one that exits
 * ends it.
 */
import type { Clock } from '../clock.ts'
import type { ActorStats } from '../streams/stats.ts'
import type { DispatchedRun, Executor, Settle } from './executor.ts'
import type { HandlerRunner } from './handler-runner.ts'
import { TurnWatch } from './turn-watch.ts'
import { endsRun, type Verdict } from './verdict.ts'

export interface InlineExecutorOptions {
  /** The runner of an actor, by its name. */
  readonly runners: ReadonlyMap<string, HandlerRunner>
  readonly stats: ReadonlyMap<string, ActorStats>
  readonly clock: Clock
  /** Records that may be in progress at once. */
  readonly concurrency: number
  /** How long synchronous handlers may hold the event loop. */
  readonly maxTurnMs: number
}

const MAX_BATCH_RECORDS = 64
/** A look at the clock costs as much as a small handler, so it is taken once in so many records. */
const RECORDS_PER_LOOK = 8

export class InlineExecutor implements Executor {
  readonly maxBatchBytes: number = Number.MAX_SAFE_INTEGER
  onRoom: () => void = () => undefined
  readonly #options: InlineExecutorOptions
  /** Actors whose handler was seen to return a promise. */
  readonly #asynchronous = new Set<string>()
  readonly #turns: TurnWatch
  #inProgress = 0
  #turnEndsAtMs = 0
  #isYielding = false

  constructor(options: InlineExecutorOptions) {
    this.#options = options
    this.#turns = new TurnWatch(options.clock)
  }

  get freeSlots(): number {
    return !this.#isYielding && this.#inProgress < this.#options.concurrency ? 1 : 0
  }

  get maxBatchRecords(): number {
    return Math.min(MAX_BATCH_RECORDS, this.#options.concurrency - this.#inProgress)
  }

  maxRunRecords(actor: string): number {
    return this.#asynchronous.has(actor) ? 1 : MAX_BATCH_RECORDS
  }

  execute(batch: readonly DispatchedRun[], settle: Settle): void {
    let nowMs = this.#options.clock.now()
    if (nowMs > this.#turnEndsAtMs) this.#turnEndsAtMs = nowMs + this.#options.maxTurnMs
    for (const run of batch) {
      if (this.#isYielding) {
        // The turn was over before this run had begun: it goes back.
        settle(run, [])
        continue
      }
      nowMs = this.#run(run, nowMs, settle)
      if (nowMs >= this.#turnEndsAtMs) this.#yieldToLoop()
    }
  }

  /** Lets the event loop have its turn before anything else begins. */
  #yieldToLoop(): void {
    if (this.#isYielding) return
    this.#isYielding = true
    this.#options.clock.after(0, () => {
      this.#isYielding = false
      this.#turnEndsAtMs = 0
      this.onRoom()
    })
  }

  /**
   * Runs the records of a run one after the other, up to the first that fails or is asynchronous,
   * or to the end of the turn. Returns what the clock says then.
   */
  #run(run: DispatchedRun, startedAtMs: number, settle: Settle): number {
    const { clock, runners } = this.#options
    const { name } = run.actor.actor
    const runner = runners.get(name)
    if (runner === undefined) throw new Error(`no handler is loaded for actor ${name}`)
    this.#inProgress += run.invocations.length
    const verdicts: Verdict[] = []
    for (const invocation of run.invocations) {
      const result = runner.run(invocation.record, invocation.attempt)
      if (result instanceof Promise) {
        // What comes after it in the run goes back: taken one by one, each record's outputs leave
        // when it is handled, not when the last of the run is.
        this.#asynchronous.add(name)
        const returnedAtMs = clock.now()
        const heldMs = (returnedAtMs - startedAtMs) / (verdicts.length + 1)
        const hasWaited = this.#turns.begin()
        void result.then((verdict) => {
          this.#options.stats.get(name)?.cost.notePromise(heldMs, hasWaited())
          this.#end(run, [...verdicts, verdict], clock.now() - startedAtMs, settle)
          this.onRoom()
        })
        return returnedAtMs
      }
      verdicts.push(result)
      if (endsRun(result)) break
      if (verdicts.length % RECORDS_PER_LOOK === 0 && clock.now() >= this.#turnEndsAtMs) break
    }
    const nowMs = clock.now()
    this.#end(run, verdicts, nowMs - startedAtMs, settle)
    return nowMs
  }

  #end(run: DispatchedRun, verdicts: readonly Verdict[], elapsedMs: number, settle: Settle): void {
    this.#inProgress -= run.invocations.length
    const stats = this.#options.stats.get(run.actor.actor.name)
    stats?.handlerSeconds.observe(elapsedMs / 1000 / Math.max(1, verdicts.length), verdicts.length)
    stats?.batchRecords.observe(run.invocations.length)
    settle(run, verdicts)
  }
}
