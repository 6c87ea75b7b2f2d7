/**
 * What users write: a handler is `record → outcome`. It sends nothing itself; it returns what
 * should be sent, and the engine makes that durable before the record counts as finished.
 */
import type { Log } from '../../log.ts'
import type { Destination, Effect, Topic } from '../../streams/flows/flow.ts'
import type { SourceRecord } from '../../streams/record.ts'
import { readDefinition } from './handler-shape.ts'

/** What a handler says of a record. Build one with `done`, `retry`, `deadLetter` or `skip`. */
export type Outcome = DoneOutcome | RetryOutcome | DeadLetterOutcome | SkipOutcome

const outcomeBrand = Symbol.for('troupe.outcome')

// Classes, so that the brand costs nothing per record and stays out of `toEqual`.
abstract class Branded {
  get [outcomeBrand](): true {
    return true
  }
}

export class DoneOutcome extends Branded {
  readonly type = 'done'
  readonly effects: readonly Effect[]
  constructor(effects: readonly Effect[]) {
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

const nothing = new DoneOutcome([])
const skipped = new SkipOutcome()

/** The record is handled; these are its outputs (none by default). It is finished when all of them are durable. */
export function done(effects?: readonly Effect[]): DoneOutcome {
  return effects === undefined || effects.length === 0 ? nothing : new DoneOutcome(effects)
}

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

export interface HandlerContext<Setup> {
  /** The record as it came, undecoded. */
  readonly record: SourceRecord
  /** 1 on the first try. */
  readonly attempt: number
  /** `topic/partition/offset`: the same on every attempt and after every restart. */
  readonly id: string
  /** What `setup` returned in this thread. */
  readonly setup: Setup
  /** Aborted when nobody waits for the outcome any more (time-out, lost partition, stop). */
  readonly signal: AbortSignal
  readonly log: Log
}

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

export interface HandlerDefinition<Value, Setup> {
  /** Shown in metrics, logs and /status; the module's file name unless given. */
  readonly name?: string
  readonly input: Topic<Value>
  /** Every topic and table the handler writes to. Checked at start: a missing one is named before the first record. */
  readonly outputs?: readonly Destination[]
  /** Once per thread (or once, on main): open what `handle` needs. */
  readonly setup?: (context: SetupContext) => Setup | Promise<Setup>
  readonly teardown?: (setup: Setup) => void | Promise<void>
  readonly handle: (value: Value, context: HandlerContext<Setup>) => Outcome | Promise<Outcome>
  /**
   * What becomes of an error: thrown by `handle`, DECODE_FAILED, ENCODE_FAILED, OUTCOME_INVALID or
   * HANDLER_TIMEOUT. Runs where the handler runs; synchronous.
   */
  readonly onError?: OnError<Setup>
}

export interface Handler<Value = unknown, Setup = unknown> extends HandlerDefinition<Value, Setup> {
  readonly kind: 'handler'
}

/**
 * Declares a handler; types flow from `input` and `setup` into `handle`. An instance of a class serves, too. Throws
 * OPTIONS_INVALID for what is none.
 */
export function defineHandler<Value, Setup = undefined>(
  definition: HandlerDefinition<Value, Setup>,
): Handler<Value, Setup> {
  return { ...readDefinition('defineHandler', definition), kind: 'handler' }
}

export function isHandler(value: unknown): value is Handler {
  return (
    typeof value === 'object' &&
    value !== null &&
    Reflect.get(value, 'kind') === 'handler' &&
    typeof Reflect.get(value, 'handle') === 'function'
  )
}

/** One step of `compose`: a value for the next step, or an outcome that ends the chain. */
export type Step<In, Out, Setup = unknown> = (
  value: In,
  context: HandlerContext<Setup>,
) => Out | Outcome | Promise<Out | Outcome>

type Handle<In, Setup> = (value: In, context: HandlerContext<Setup>) => Outcome | Promise<Outcome>

/** Chains steps into a `handle`: each gets what the one before returned; any outcome ends the chain. */
export function compose<A, S>(last: Handle<A, S>): Handle<A, S>
export function compose<A, B, S>(a: Step<A, B, S>, last: Handle<B, S>): Handle<A, S>
export function compose<A, B, C, S>(a: Step<A, B, S>, b: Step<B, C, S>, last: Handle<C, S>): Handle<A, S>
export function compose<A, B, C, D, S>(
  a: Step<A, B, S>,
  b: Step<B, C, S>,
  c: Step<C, D, S>,
  last: Handle<D, S>,
): Handle<A, S>
export function compose<A, B, C, D, E, S>(
  a: Step<A, B, S>,
  b: Step<B, C, S>,
  c: Step<C, D, S>,
  d: Step<D, E, S>,
  last: Handle<E, S>,
): Handle<A, S>
export function compose(...steps: Step<unknown, unknown>[]): Handle<unknown, unknown> {
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
