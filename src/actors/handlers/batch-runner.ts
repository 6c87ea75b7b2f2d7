/**
 * Runs a user's batch handler on the records of one call, and gives each of them a verdict of its own. The same code on a
 * worker thread and on main.
 *
 * A record that does not decode never reaches the handler, and one whose outputs do not encode fails alone. Where the former
 * is to go again, or waits for a schema, what comes after it in its order goes back too: it must not be handled before it. Where the call
 * fails as a whole
 * - with another attempt asked for, it is nobody's fault: all go again, together, after the delay (also where the handler
 *   asks for it record by record, for all of them);
 * - with anything else, nobody can tell whose fault it is: each goes again alone, so that only the guilty uses up its
 *   attempts. Nothing is final for a record that shared its call.
 */
import { TroupeError, describeError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { Order } from '../../options/options.ts'
import type { AttemptState, CallState } from '../../state/attempt-state.ts'
import type { AnyStateOf, DeclaredStates } from '../../state/declared-state.ts'
import { noState, stateAccess, type StateAccess } from '../../state/state-access.ts'
import type { SourceRecord } from '../../streams/record.ts'
import {
  type AnyBatchHandler,
  type BatchContext,
  type BatchErrorContext,
  type BatchOutcome,
  type BatchRecord,
  type CallRecord,
} from './batch-handler.ts'
import { ErrorPolicy } from './error-policy.ts'
import { isOutcome, type Outcome } from './handler.ts'
import { CallSignal, Runner, type OverdueNotes, type RunnerOptions, type ThrottleListener } from './runner.ts'
import { SparseWarning } from './sparse-warning.ts'
import { aloneVerdict, endsRun, unrunVerdict, withChanges, type AskedRetry, type Verdict } from './verdict.ts'
import { VerdictMaker, type Decide } from './verdict-maker.ts'

/** A record on its way to the handler. */
export interface RecordAttempt {
  readonly record: SourceRecord
  readonly attempt: number
  /** That of its key, for a handler that keeps some. */
  readonly state?: AttemptState | undefined
}

export class BatchRunner extends Runner<Call, BatchOutcome, readonly Verdict[]> {
  readonly #handler: AnyBatchHandler
  readonly #log: Log
  readonly #order: Order
  readonly #setup: unknown
  readonly #verdicts: VerdictMaker
  /** null: it keeps nothing. */
  readonly #access: StateAccess | null
  readonly #errorPolicy: ErrorPolicy<ErrorContext>
  readonly #warning: SparseWarning

  private constructor(options: RunnerOptions<AnyBatchHandler>, setup: unknown) {
    super(options, setup)
    this.#handler = options.handler
    this.#log = options.log
    this.#order = options.order ?? 'key'
    this.#setup = setup
    this.#verdicts = new VerdictMaker(options, options.handler.input)
    const state = options.handler.state as DeclaredStates | undefined
    this.#access = state === undefined ? null : stateAccess(state)
    this.#errorPolicy = new ErrorPolicy<ErrorContext>(options.handler.onError, options.name)
    this.#warning = new SparseWarning(options)
  }

  /** Runs the handler's setup. Rejects with SETUP_FAILED. */
  static async open(options: RunnerOptions<AnyBatchHandler>): Promise<BatchRunner> {
    return new BatchRunner(options, await Runner.setUp(options))
  }

  /** A verdict for each record, in their order. A promise only when the handler itself is asynchronous. Never throws and never rejects. */
  run(
    records: readonly RecordAttempt[],
    notes?: OverdueNotes,
    states: CallState | null = null,
  ): readonly Verdict[] | Promise<readonly Verdict[]> {
    const call = new Call(this.#setup, this.#log, this, this.#order, states)
    for (const { attempt, record, state } of records) {
      const decoded = new DecodedRecord(record, attempt)
      if (state !== undefined && this.#access !== null) {
        decoded.attemptState = state
        decoded.state = this.#access(state)
      }
      this.#decode(decoded, call)
    }
    if (call.records.length === 0) return call.verdictsWith([])
    try {
      const returned = this.#handler.handle([...call.records], call)
      if (isThenable(returned)) return this.settle(Promise.resolve(returned), call, notes, 0)
      return this.conclude(returned, call)
    } catch (error) {
      return this.judge(error, call)
    }
  }

  #decode(record: DecodedRecord, call: Call): void {
    if (call.isHeldBack(record)) {
      call.refuse(unrunVerdict)
      return
    }
    try {
      record.key = this.#verdicts.decodeKey(record.record)
      record.value = this.#verdicts.decode(record.record, record.attemptState?.stamp)
      call.add(record)
    } catch (error) {
      const verdict = this.#verdicts.judgeDecode(error, this.#deciding(record, call))
      call.refuse(verdict)
      if (endsRun(verdict)) call.holdBackAfter(record)
    }
  }

  /** All records that it was made of, so that they count whether they decode or not. */
  protected override sizeOf(call: Call): number {
    return call.size
  }

  protected override describe(call: Call): string {
    return call.size === 1 ? `record ${call.id} (attempt ${call.records[0]?.attempt ?? 1})` : `records ${call.id}`
  }

  protected override conclude(returned: BatchOutcome, call: Call): readonly Verdict[] {
    try {
      if (isOutcome(returned)) return call.verdictsWith(call.counted(this.#takeShared(returned, call)))
      const outcomes = this.#takeEach(returned, call)
      const verdicts = shared(call.records.map((record, at) => this.#encode(outcomes[at], record, call)))
      return call.verdictsWith(call.counted(verdicts))
    } catch (error) {
      return this.judge(error, call)
    }
  }

  /** One outcome is true of all records. */
  #takeShared(outcome: Outcome, { records }: Call): readonly Verdict[] {
    if (outcome.type === 'done' && outcome.effects.length > 0) {
      const message = `handler ${this.name} returned one outcome with outputs for ${count(records, 'record')}: outputs belong to a record, so return an outcome for each`
      throw new TroupeError('OUTCOME_INVALID', message)
    }
    const verdict = this.#verdicts.encode(outcome, records[0]!.record)
    return shared(records.map(() => verdict))
  }

  #takeEach(returned: unknown, { records }: Call): readonly unknown[] {
    if (!Array.isArray(returned)) {
      const what = returned === undefined ? 'nothing' : typeof returned
      const message = `handler ${this.name} returned ${what} instead of an outcome for each of ${count(records, 'record')}`
      throw new TroupeError('OUTCOME_INVALID', message)
    }
    if (returned.length === records.length) return returned
    const message = `handler ${this.name} returned ${count(returned, 'outcome')} for ${count(records, 'record')}: there has to be one for each, in their order`
    throw new TroupeError('OUTCOME_INVALID', message)
  }

  #encode(outcome: unknown, record: DecodedRecord, call: Call): Verdict {
    try {
      return this.#verdicts.encode(outcome, record.record)
    } catch (error) {
      return this.#judgeOne(error, record, call)
    }
  }

  /** The call failed as a whole. */
  protected override judge(error: unknown, call: Call): readonly Verdict[] {
    const { records } = call
    const [only] = records
    const verdict = this.#judgeOne(error, records.length === 1 && only !== undefined ? only : null, call)
    if (asksForRetry(verdict)) return call.verdictsWith(shared(records.map(() => verdict)))
    if (records.length === 1) return call.verdictsWith([verdict])
    this.#warning.tell(
      { records: records.length, id: call.id, error: describeError(error) },
      `a call of handler ${this.name} failed as a whole: each of its ${records.length} records goes again alone; throw RetryableError where no record is at fault`,
    )
    return call.verdictsWith(records.map(() => aloneVerdict))
  }

  #judgeOne(error: unknown, failed: DecodedRecord | null, call: Call): Verdict {
    return this.#verdicts.judge(error, this.#deciding(failed, call))
  }

  #deciding(failed: DecodedRecord | null, call: Call): Decide {
    return (asked) => this.#errorPolicy.decide(asked, new ErrorContext(call, failed))
  }
}

/** Where all of several are to go again they go together: one by one they would be as many calls, at what may be an outage. */
function shared(verdicts: readonly Verdict[]): readonly Verdict[] {
  if (verdicts.length < 2 || !verdicts.every(asksForRetry)) return verdicts
  return verdicts.map((verdict): Verdict => ({ ...verdict, isShared: true }))
}

function asksForRetry(verdict: Verdict): verdict is AskedRetry {
  return verdict.type === 'retry' || verdict.type === 'retry-unlimited'
}

function isThenable(value: unknown): value is PromiseLike<BatchOutcome> {
  return typeof (value as { readonly then?: unknown } | undefined)?.then === 'function'
}

function count(of: readonly unknown[], one: string): string {
  return `${of.length} ${one}${of.length === 1 ? '' : 's'}`
}

class DecodedRecord implements BatchRecord<unknown> {
  readonly record: SourceRecord
  readonly attempt: number
  key: unknown = null
  value: unknown = undefined
  state: AnyStateOf = noState
  /** null: its handler keeps nothing. */
  attemptState: AttemptState | null = null

  constructor(record: SourceRecord, attempt: number) {
    this.record = record
    this.attempt = attempt
  }

  get id(): string {
    return `${this.record.topic}/${this.record.partition}/${this.record.offset}`
  }
}

/** One call: what its handler gets as context, and what is known of its records. */
class Call extends CallSignal implements BatchContext<unknown> {
  readonly setup: unknown
  readonly log: Log
  readonly #records: DecodedRecord[] = []
  /** By the place of the record among all of the call: the handler does not get them. */
  readonly #refused = new Map<number, Verdict>()
  readonly #order: Order
  /** Nothing more of these goes to the handler. null: all does. */
  #heldBack: Set<string> | null = null

  readonly #states: CallState | null

  constructor(setup: unknown, log: Log, runner: ThrottleListener, order: Order, states: CallState | null) {
    super(runner)
    this.#states = states
    this.setup = setup
    this.log = log
    this.#order = order
  }

  /** Those that the handler gets. */
  get records(): readonly DecodedRecord[] {
    return this.#records
  }

  get size(): number {
    return this.#records.length + this.#refused.size
  }

  override get id(): string {
    const others = this.#records.length - 1
    const first = this.#records[0]?.id ?? ''
    return others > 0 ? `${first} and ${others} more` : first
  }

  add(record: DecodedRecord): void {
    this.#records.push(record)
  }

  refuse(verdict: Verdict): void {
    this.#refused.set(this.size, verdict)
  }

  /** What comes after this one in its order must not overtake it. */
  holdBackAfter({ record }: DecodedRecord): void {
    const line = lineOf(record, this.#order)
    if (line !== null) this.#heldBack = (this.#heldBack ?? new Set<string>()).add(line)
  }

  isHeldBack({ record }: DecodedRecord): boolean {
    if (this.#heldBack === null) return false
    const line = lineOf(record, this.#order)
    return line !== null && this.#heldBack.has(line)
  }

  /**
   * The verdicts of the records that the handler got, with what they have set. Those that were made of what an earlier one of
   * their key had set, which has failed, go again.
   */
  counted(verdicts: readonly Verdict[]): readonly Verdict[] {
    const states = this.#states
    if (states === null) return verdicts
    return verdicts.map((verdict, at) => {
      const { attemptState } = this.#records[at]!
      if (attemptState === null) return verdict
      const isHandled = verdict.type === 'done' || verdict.type === 'skip'
      return states.counts(attemptState, isHandled) ? withChanges(verdict, attemptState.changes) : unrunVerdict
    })
  }

  /** Puts the verdicts on the records that the handler got among the others. */
  verdictsWith(verdicts: readonly Verdict[]): readonly Verdict[] {
    if (this.#refused.size === 0) return verdicts
    let next = 0
    return Array.from({ length: this.size }, (_, place) => this.#refused.get(place) ?? verdicts[next++]!)
  }
}

/** Records of the same line have an order among each other. null: it has none with any. */
function lineOf({ key, partition }: SourceRecord, order: Order): string | null {
  if (order === 'partition') return `${partition}`
  return order === 'key' && key !== null ? `${partition}/${Buffer.from(key).toString('latin1')}` : null
}

/** Its key may be what did not decode. */
function asItCame({ attempt, id, record }: DecodedRecord): CallRecord {
  return { record, key: record.key, id, attempt }
}

/** What `onError` is given. */
class ErrorContext implements BatchErrorContext<unknown> {
  readonly failed: CallRecord | null
  readonly #call: Call

  constructor(call: Call, failed: DecodedRecord | null) {
    this.#call = call
    this.failed = failed === null ? null : asItCame(failed)
  }

  get id(): string {
    return this.failed?.id ?? this.#call.id
  }

  get setup(): unknown {
    return this.#call.setup
  }

  get signal(): AbortSignal {
    return this.#call.signal
  }

  get throttle(): (forMs: number) => void {
    return this.#call.throttle
  }

  get log(): Log {
    return this.#call.log
  }
}
