/**
 * Runs a user's handler on one record and turns whatever happens into a verdict: decode, handle,
 * encode. The same code on a worker thread and on main, so a handler cannot tell them apart.
 */
import type { Log } from '../../log.ts'
import type { AttemptState } from '../../state/attempt-state.ts'
import type { AnyStateOf, DeclaredStates } from '../../state/declared-state.ts'
import { noState, stateAccess, type StateAccess } from '../../state/state-access.ts'
import { TimerSetter } from '../../state/timer-setter.ts'
import { TroupeError } from '../../errors.ts'
import { partitionedTables, type AnyTablesOf, type DeclaredTables } from '../../operators/tables/declared-tables.ts'
import { globalAccess } from '../../operators/tables/global-access.ts'
import { noTables, TableAccess } from '../../operators/tables/table-access.ts'
import type { SourceRecord, TimerCause } from '../../streams/record.ts'
import { ErrorPolicy } from './error-policy.ts'
import { idOf } from '../../streams/record-id.ts'
import type { AnyRecordHandler, HandlerContext, OnTimer, Outcome, TimerContext, TimerOptions } from './handler.ts'
import { CallSignal, Runner, type OverdueNotes, type RunnerOptions, type ThrottleListener } from './runner.ts'
import { doneWithNothing, withChanges, withTime, type StateChanges, type Verdict } from './verdict.ts'
import { VerdictMaker } from './verdict-maker.ts'

export type HandlerRunnerOptions = RunnerOptions<AnyRecordHandler>

export class HandlerRunner extends Runner<RecordContext, Outcome, Verdict> {
  readonly #handler: AnyRecordHandler
  readonly #log: Log
  readonly #setup: unknown
  readonly #verdicts: VerdictMaker
  /** null: it keeps nothing. */
  readonly #access: StateAccess | null
  readonly #timers: TimerSetter
  /** null: it looks nothing up. */
  readonly #tables: TableAccess | null
  /** The same for all records. */
  readonly #globals: AnyTablesOf
  readonly #errorPolicy: ErrorPolicy<HandlerContext<unknown>>

  private constructor(options: HandlerRunnerOptions, setup: unknown) {
    super(options, setup)
    this.#handler = options.handler
    this.#log = options.log
    this.#setup = setup
    this.#verdicts = new VerdictMaker(options, options.handler.input)
    const state = options.handler.state as DeclaredStates | undefined
    const tables = (options.handler.tables ?? {}) as DeclaredTables
    const { timers = [] } = options.handler
    const stateCount = Object.keys(state ?? {}).length
    const rowCount = partitionedTables(tables).length
    this.#access = state === undefined && timers.length === 0 && rowCount === 0 ? null : stateAccess(state ?? {})
    this.#timers = new TimerSetter(timers, stateCount + rowCount)
    this.#tables = rowCount === 0 ? null : new TableAccess(tables, stateCount, options.schemas)
    this.#globals = Object.freeze(globalAccess(tables, options.globals, options.schemas)) as AnyTablesOf
    this.#errorPolicy = new ErrorPolicy(options.handler.onError, options.name)
  }

  /** Runs the handler's setup. Rejects with SETUP_FAILED. */
  static async open(options: HandlerRunnerOptions): Promise<HandlerRunner> {
    return new HandlerRunner(options, await Runner.setUp(options))
  }

  /**
   * A promise only when the handler itself is asynchronous. Never throws and never rejects. `notes`, where there are
   * some, know the record by `index`. `state` is that of its key, for a handler that keeps some.
   */
  run(
    record: SourceRecord,
    attempt: number,
    notes?: OverdueNotes,
    index = 0,
    state: AttemptState | null = null,
  ): Verdict | Promise<Verdict> {
    const context =
      state === null || this.#access === null
        ? new RecordContext(record, attempt, this.#setup, this.#log, this)
        : new KeepingContext(record, attempt, this.#setup, this.#log, this, state, this.#access(state), this.#timers)
    context.tables = this.#globals
    if (this.#tables !== null && state !== null) {
      if (this.#tables.has(record)) return this.#takeRow(this.#tables, record, context)
      context.tables = this.#tables.of(state, this.#globals)
    }
    let value: unknown
    try {
      context.key = this.#verdicts.decodeKey(record)
      if (record.timer === undefined) value = this.#verdicts.decode(record, state?.stamp)
    } catch (error) {
      return this.#verdicts.judgeDecode(error, (asked) => this.#errorPolicy.decide(asked, context))
    }
    try {
      const outcome =
        record.timer === undefined
          ? this.#handler.handle(value, context)
          : this.#onTimer(record.timer.name, timerContext(context, record.timer))
      if (outcome instanceof Promise) return this.settle(outcome, context, notes, index)
      // Promises of other makes (a query builder, say) are no outcomes either.
      if (isThenable(outcome)) return this.settle(Promise.resolve(outcome), context, notes, index)
      return withTime(withChanges(this.#verdicts.encode(outcome, record), context.changes), context.toldMs)
    } catch (error) {
      return this.judge(error, context)
    }
  }

  #takeRow(tables: TableAccess, record: SourceRecord, context: RecordContext): Verdict {
    try {
      return withChanges(doneWithNothing, [tables.change(record)])
    } catch (error) {
      return this.#verdicts.judgeDecode(error, (asked) => this.#errorPolicy.decide(asked, context))
    }
  }

  #onTimer(...[name, context]: Parameters<OnTimer>): Outcome | Promise<Outcome> {
    const { onTimer } = this.#handler
    if (onTimer === undefined) throw new TroupeError('INTERNAL', `handler ${this.name} has no onTimer`)
    return onTimer(name, context)
  }

  protected override sizeOf(): number {
    return 1
  }

  protected override describe({ attempt, id, record }: RecordContext): string {
    return `${record.timer === undefined ? 'record' : 'timer'} ${id} (attempt ${attempt})`
  }

  protected override conclude(outcome: Outcome, context: RecordContext): Verdict {
    try {
      return withTime(withChanges(this.#verdicts.encode(outcome, context.record), context.changes), context.toldMs)
    } catch (error) {
      return this.judge(error, context)
    }
  }

  protected override judge(error: unknown, context: RecordContext): Verdict {
    // Also a row may need a schema that is not known here any more.
    const verdict = this.#verdicts.judgeDecode(error, (asked) => this.#errorPolicy.decide(asked, context))
    return withTime(verdict, context.toldMs)
  }
}

function isThenable(value: object | undefined): value is PromiseLike<Outcome> {
  return typeof (value as { readonly then?: unknown } | undefined)?.then === 'function'
}

function timerContext(context: RecordContext, { clock, dueMs }: TimerCause): TimerContext<unknown> {
  return Object.assign(context, { atMs: dueMs, clock })
}

function noTimers(): never {
  throw new TroupeError('STATE_INVALID', `the handler declares no timers: name them beside handle, as timers: ['…']`)
}

/** One attempt's context. */
class RecordContext extends CallSignal implements HandlerContext<unknown> {
  readonly record: SourceRecord
  readonly attempt: number
  key: unknown = null
  /** The time of its record, where a front has told it. */
  toldMs: number | undefined = undefined
  tables: AnyTablesOf = noTables
  readonly setup: unknown
  readonly log: Log

  constructor(record: SourceRecord, attempt: number, setup: unknown, log: Log, runner: ThrottleListener) {
    super(runner)
    this.record = record
    this.attempt = attempt
    this.setup = setup
    this.log = log
  }

  override get id(): string {
    return idOf(this.record)
  }

  /** A function of its own, so that a handler may take it out of its context. */
  get timer(): HandlerContext<unknown>['timer'] {
    return noTimers
  }

  get cancelTimer(): HandlerContext<unknown>['cancelTimer'] {
    return noTimers
  }

  get state(): AnyStateOf {
    return noState
  }

  /** What it has made of the state of its key; null: nothing. */
  get changes(): StateChanges | null {
    return null
  }
}

/** The same, of a handler that keeps state. */
class KeepingContext extends RecordContext {
  readonly #attempt: AttemptState
  readonly #state: AnyStateOf
  readonly #timers: TimerSetter

  constructor(
    record: SourceRecord,
    attempt: number,
    setup: unknown,
    log: Log,
    runner: ThrottleListener,
    state: AttemptState,
    access: AnyStateOf,
    timers: TimerSetter,
  ) {
    super(record, attempt, setup, log, runner)
    this.#attempt = state
    this.#state = access
    this.#timers = timers
  }

  override get timer(): HandlerContext<unknown>['timer'] {
    return (name, atMs, { clock = 'stream' }: TimerOptions = {}) => {
      this.#timers.set(this.#attempt, { name, clock }, atMs)
    }
  }

  override get cancelTimer(): HandlerContext<unknown>['cancelTimer'] {
    return (name, { clock = 'stream' }: TimerOptions = {}) => {
      this.#timers.cancel(this.#attempt, { name, clock })
    }
  }

  override get state(): AnyStateOf {
    return this.#state
  }

  override get changes(): StateChanges | null {
    return this.#attempt.changes
  }
}
