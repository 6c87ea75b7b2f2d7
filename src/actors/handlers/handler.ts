/**
 * What users write: a handler is `record → outcome`. It sends nothing itself; it returns what
 * should be sent, and the engine makes that durable before the record counts as finished.
 */
import type { Log } from '../../log.ts'
import type { DeclaredStates, NoStates, StateOf } from '../../state/declared-state.ts'
import type { DeclaredTables, NoTables, TablesOf } from '../../operators/tables/declared-tables.ts'
import type { Destination, Effect, EffectsOf, Topic } from '../../streams/flows/flow.ts'
import type { SourceRecord } from '../../streams/record.ts'
import { readDefinition } from './handler-shape.ts'

/**
 * What a handler says of a record. Build one with `done`, `retry`, `deadLetter` or `skip`. `To` is what it may send;
 * written without, as in `function check(): Outcome`, nobody compares that with the handler's `outputs` before it runs.
 */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- of any outputs; every other type would be some
export type Outcome<To extends Effect = any> = DoneOutcome<To> | RetryOutcome | DeadLetterOutcome | SkipOutcome

const outcomeBrand = Symbol.for('troupe.outcome')

// Classes, so that the brand costs nothing per record and stays out of `toEqual`.
abstract class Branded {
  get [outcomeBrand](): true {
    return true
  }
}

export class DoneOutcome<To extends Effect = Effect> extends Branded {
  readonly type = 'done'
  readonly effects: readonly To[]
  constructor(effects: readonly To[]) {
    super()
    this.effects = effects
  }
}

export class RetryOutcome extends Branded {
  readonly type = 'retry'
  readonly afterMs: number | undefined
  constructor(afterMs: number | undefined) {
    super()
    this.afterMs = afterMs
  }
}

export class DeadLetterOutcome extends Branded {
  readonly type = 'dead-letter'
  readonly reason: string
  constructor(reason: string) {
    super()
    this.reason = reason
  }
}

export class SkipOutcome extends Branded {
  readonly type = 'skip'
}

const nothing = new DoneOutcome<never>([])
const skipped = new SkipOutcome()

/** The record is handled; these are its outputs (none by default). It is finished when all of them are durable. */
export function done<To extends Effect = never>(effects?: readonly To[]): DoneOutcome<Known<To>> {
  return effects === undefined || effects.length === 0 ? nothing : new DoneOutcome(effects)
}

/** A list of `Effect` says nothing of where they go. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- see Outcome
type Known<To extends Effect> = [Effect] extends [To] ? any : To

/** Try again, after `afterMs` (the actor's own back-off unless given), while attempts are left: this one counts. */
export function retry(afterMs?: number): RetryOutcome {
  return new RetryOutcome(afterMs)
}

/** No attempt will change this: to the dead-letter topic with it, and on with the next record. */
export function deadLetter(reason: string): DeadLetterOutcome {
  return new DeadLetterOutcome(reason)
}

/** Nothing to do for this record. */
export function skip(): SkipOutcome {
  return skipped
}

/** True for what `done`, `retry`, `deadLetter` and `skip` return, also from a second copy of the package. */
export function isOutcome(value: unknown): value is Outcome {
  return typeof value === 'object' && value !== null && Reflect.get(value, outcomeBrand) === true
}

/** A step of `compose` that takes one without saying what `KeyValue` is serves for topics of any keys. */
export interface HandlerContext<Setup, KeyValue = unknown, States = NoStates, Tables = NoTables> {
  /** The record as it came, undecoded. */
  readonly record: SourceRecord
  /** The record's key, as the topic's codec for keys reads it; its bytes, where the topic has none. */
  readonly key: KeyValue | null
  /** 1 on the first try. */
  readonly attempt: number
  /** `topic/partition/offset`: the same on every attempt and after every restart. */
  readonly id: string
  /** What `setup` returned in this thread. */
  readonly setup: Setup
  /** Aborted after `handlerTimeoutMs`: the attempt has failed then, whatever it still brings. A stop or a lost partition aborts nothing. */
  readonly signal: AbortSignal
  readonly log: Log
  /** What the handler keeps for the record's key, under the names that it has declared. */
  readonly state: StateOf<States>
  /** What the handler looks up, under the names that it has declared. */
  readonly tables: TablesOf<Tables>
  /**
   * Sets a timer of the record's key: `onTimer` is called for it once stream time, or the wall clock, has come to `atMs`
   * (milliseconds since the Unix epoch). There is one for each key, name and clock: setting it again moves it. Like state it
   * counts when the record is handled. Throws STATE_INVALID for a name that the handler does not declare, and for a record
   * without a key.
   */
  readonly timer: (name: string, atMs: number, options?: TimerOptions) => void
  /** The timer does not fire any more; nothing happens where none is set. */
  readonly cancelTimer: (name: string, options?: TimerOptions) => void
  /** What it calls says "slow down": nothing more of the actor is handed out for so long (an hour at most); what runs goes on. */
  readonly throttle: (forMs: number) => void
}

export interface TimerOptions {
  /**
   * - `stream` (unless given): the greatest timestamp of the partition's records so far. Of its key, the records whose stream
   *   time is lower come before it, and all others behind it, so a replay sees the same; where no records come, nothing fires.
   * - `wall`: the clock of the process.
   */
  readonly clock?: 'stream' | 'wall'
}

/** What `onTimer` is given. `id`: the same on every attempt and after every restart. */
export interface TimerContext<Setup, KeyValue = unknown, States = NoStates, Tables = NoTables> extends Omit<
  HandlerContext<Setup, KeyValue, States, Tables>,
  'record' | 'key'
> {
  readonly key: KeyValue
  /** When it was due: what it was set to, by this clock. */
  readonly atMs: number
  readonly clock: 'stream' | 'wall'
}

/** A fired timer is not set any more when it is handled, unless it has set itself again. */
export type OnTimer<
  Setup = unknown,
  To extends Effect = Effect,
  KeyValue = unknown,
  States = NoStates,
  Tables = NoTables,
> = (name: string, context: TimerContext<Setup, KeyValue, States, Tables>) => Outcome<To> | Promise<Outcome<To>>

export interface SetupContext {
  readonly log: Log
  /** The bytes that the app shares by this name: one copy for all threads, so only to be read. Throws when there is none. */
  readonly shared: (name: string) => Buffer
}

/**
 * What can become of a record that failed for good: to the dead-letter topic; kept, with its key
 * waiting, until an operator decides; dropped; its actor stops on it; the supervisor ends.
 */
export type FailedRecords = 'dead-letter' | 'park' | 'skip' | 'stop' | 'escalate'

/**
 * Another attempt, after `afterMs` (the error's own delay, or the actor's back-off, unless given).
 * - `unlimited`: however many there were. This one counts for nothing: `retry.attempts` are there for other errors.
 *   The key of the record waits, in order, until an attempt ends otherwise.
 * - `limited`: while attempts are left, as `'retry'` says.
 */
export interface RetryDecision {
  readonly retry: 'unlimited' | 'limited'
  readonly afterMs?: number
}

/** What can become of an error: another attempt (`retry`: while there are some left), or one of the above at once. */
export type ErrorDecision = 'retry' | RetryDecision | FailedRecords

/** undefined: the default rules decide. So they do when it throws, or returns something else. */
export type OnError<Setup> = (error: unknown, context: HandlerContext<Setup>) => ErrorDecision | undefined

export interface HandlerDefinition<
  Value,
  Setup,
  Outputs extends readonly Destination[] = readonly Destination[],
  KeyValue = Uint8Array,
  States extends DeclaredStates = NoStates,
  Tables extends DeclaredTables = NoTables,
> {
  /**
   * Shown in the handler's log lines and errors. Its actor goes by it too where the handler stands in the app itself; a
   * module is not loaded before its actor has a name: give that one a `name` in the app.
   */
  readonly name?: string
  readonly input: Topic<Value, string, KeyValue>
  /** Every topic and table the handler writes to. Checked at start: a missing one is named before the first record. */
  readonly outputs?: Outputs
  /** Once per thread (or once, on main): open what `handle` needs. */
  readonly setup?: (context: SetupContext) => Setup | Promise<Setup>
  readonly teardown?: (setup: Setup) => void | Promise<void>
  /**
   * What it keeps for each key of its input, by name: the names are what it is found by after an upgrade. Kept with its outputs
   * and positions in one step, so exactly once; an app with such a handler is exactly-once as a whole. Not with
   * `order: 'unordered'`; a record without a key fails with STATE_INVALID when state is asked for.
   */
  readonly state?: States
  /**
   * What it looks up, by name: topics of which the last record of each key is its row. A handler with tables needs what state
   * needs, since rows, outputs and positions are kept in one step.
   */
  readonly tables?: Tables
  readonly handle: Handle<Value, Setup, EffectsOf<Outputs>, KeyValue, States, Tables>
  /** Names of the timers that it sets for keys: what they are found by after an upgrade. They need what state needs. */
  readonly timers?: readonly string[]
  /**
   * A timer is due: what becomes of it is as for a record of its key, in its order, retries, outputs and all. It fires once:
   * its removal is part of the checkpoint that its effects are in.
   */
  readonly onTimer?: OnTimer<Setup, EffectsOf<Outputs>, KeyValue, States, Tables>
  /**
   * What becomes of an error: thrown by `handle`, DECODE_FAILED, ENCODE_FAILED, OUTCOME_INVALID or
   * HANDLER_TIMEOUT. Runs where the handler runs; synchronous.
   */
  readonly onError?: OnError<Setup>
}

export interface Handler<
  Value = unknown,
  Setup = unknown,
  Outputs extends readonly Destination[] = readonly Destination[],
  KeyValue = Uint8Array,
  States extends DeclaredStates = NoStates,
  Tables extends DeclaredTables = NoTables,
> extends HandlerDefinition<Value, Setup, Outputs, KeyValue, States, Tables> {
  readonly kind: 'handler'
}

/** Of whatever values and keys. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- of whatever states, too
export type AnyRecordHandler = Handler<unknown, unknown, readonly Destination[], unknown, any, any>

/**
 * Declares a handler; types flow from `input` and `setup` into `handle`. An instance of a class serves, too. Throws
 * OPTIONS_INVALID for what is none.
 */
export function defineHandler<
  Value,
  Setup = undefined,
  const Outputs extends readonly Destination[] = readonly [],
  KeyValue = Uint8Array,
  States extends DeclaredStates = NoStates,
  Tables extends DeclaredTables = NoTables,
>(
  definition: HandlerDefinition<Value, Setup, Outputs, KeyValue, States, Tables>,
): Handler<Value, Setup, Outputs, KeyValue, States, Tables> {
  return { ...readDefinition('defineHandler', definition), kind: 'handler' }
}

export function isHandler(value: unknown): value is AnyRecordHandler {
  return (
    typeof value === 'object' &&
    value !== null &&
    Reflect.get(value, 'kind') === 'handler' &&
    typeof Reflect.get(value, 'handle') === 'function'
  )
}

/** One step of `compose`: a value for the next step, or an outcome that ends the chain. */
export type Step<
  In,
  Out,
  Setup = unknown,
  To extends Effect = Effect,
  KeyValue = unknown,
  States = NoStates,
  Tables = NoTables,
> = (
  value: In,
  context: HandlerContext<Setup, KeyValue, States, Tables>,
) => Out | Outcome<To> | Promise<Out | Outcome<To>>

/** The `handle` of a handler. */
export type Handle<
  In,
  Setup = unknown,
  To extends Effect = Effect,
  KeyValue = unknown,
  States = NoStates,
  Tables = NoTables,
> = (value: In, context: HandlerContext<Setup, KeyValue, States, Tables>) => Outcome<To> | Promise<Outcome<To>>

/** Chains steps into a `handle`: each gets what the one before returned; any outcome ends the chain. */
export function compose<A, S, E extends Effect = never, K = unknown, T = NoStates>(
  last: Handle<A, S, E, K, T>,
): Handle<A, S, E, K, T>
export function compose<A, B, S, E1 extends Effect = never, E extends Effect = never, K = unknown, T = NoStates>(
  a: Step<A, B, S, E1, K, T>,
  last: Handle<B, S, E, K, T>,
): Handle<A, S, E1 | E, K, T>
export function compose<
  A,
  B,
  C,
  S,
  E1 extends Effect = never,
  E2 extends Effect = never,
  E extends Effect = never,
  K = unknown,
  T = NoStates,
>(a: Step<A, B, S, E1, K, T>, b: Step<B, C, S, E2, K, T>, last: Handle<C, S, E, K, T>): Handle<A, S, E1 | E2 | E, K, T>
export function compose<
  A,
  B,
  C,
  D,
  S,
  E1 extends Effect = never,
  E2 extends Effect = never,
  E3 extends Effect = never,
  E extends Effect = never,
  K = unknown,
  T = NoStates,
>(
  a: Step<A, B, S, E1, K, T>,
  b: Step<B, C, S, E2, K, T>,
  c: Step<C, D, S, E3, K, T>,
  last: Handle<D, S, E, K, T>,
): Handle<A, S, E1 | E2 | E3 | E, K, T>
export function compose<
  A,
  B,
  C,
  D,
  F,
  S,
  E1 extends Effect = never,
  E2 extends Effect = never,
  E3 extends Effect = never,
  E4 extends Effect = never,
  E extends Effect = never,
  K = unknown,
  T = NoStates,
>(
  a: Step<A, B, S, E1, K, T>,
  b: Step<B, C, S, E2, K, T>,
  c: Step<C, D, S, E3, K, T>,
  d: Step<D, F, S, E4, K, T>,
  last: Handle<F, S, E, K, T>,
): Handle<A, S, E1 | E2 | E3 | E4 | E, K, T>
export function compose(...steps: Step<unknown, unknown>[]): Handle<unknown> {
  return (value, context) => runFrom(steps, 0, value, context)
}

function runFrom(
  steps: readonly Step<unknown, unknown>[],
  index: number,
  value: unknown,
  context: HandlerContext<unknown>,
): Outcome | Promise<Outcome> {
  let current = value
  for (let at = index; at < steps.length; at += 1) {
    const result = steps[at]?.(current, context)
    if (result instanceof Promise) {
      return result.then((settled) => (isOutcome(settled) ? settled : runFrom(steps, at + 1, settled, context)))
    }
    if (isOutcome(result)) return result
    current = result
  }
  throw new TypeError('the last step of compose() returned no outcome')
}
