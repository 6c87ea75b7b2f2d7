/**
 * Middleware: what a handler does around one step, such as to time it, to try it again, to cache it, or to spare a service
 * that is down. `compose` chains steps one after the other; `around` puts wrappers around one.
 */
import type { Effect } from '../../streams/flows/flow.ts'
import type { NoStates } from '../../state/declared-state.ts'
import type { Handle, HandlerContext, Outcome, Step } from './handler.ts'

/** What a wrapper and its step say: a value for the next step, or an outcome that ends the chain; now or later. */
type Said<Out> = Out | Outcome | Promise<Out | Outcome>

/** Calls what is wrapped, with this value: once, several times, or not at all. */
export type Next<In, Out> = (value: In) => Said<Out>

/**
 * Goes around a step: calls `next` and says what it says, or something else of the same kind. An outcome is no value: let it
 * through (`isOutcome`).
 */
export type Wrapper<In, Out, Setup = unknown, KeyValue = unknown, States = NoStates> = (
  value: In,
  context: HandlerContext<Setup, KeyValue, States>,
  next: Next<In, Out>,
) => Said<Out>

/**
 * The step with these wrappers around it, the first outermost: a step again, for `compose`, or a `handle` where it was one. It
 * is synchronous if the step and all wrappers are.
 *
 * @example
 * handle: compose(around(findCustomer, timed('customer'), cached(customers)), greet)
 */
export function around<In, Setup, To extends Effect = never, KeyValue = unknown, States = NoStates>(
  handle: Handle<In, Setup, To, KeyValue, States>,
  ...wrappers: readonly Wrapper<In, never, Setup, KeyValue, States>[]
): Handle<In, Setup, To, KeyValue, States>
export function around<In, Out, Setup, To extends Effect = never, KeyValue = unknown, States = NoStates>(
  step: Step<In, Out, Setup, To, KeyValue, States>,
  ...wrappers: readonly Wrapper<In, Out, Setup, KeyValue, States>[]
): Step<In, Out, Setup, To, KeyValue, States>
export function around(
  step: (value: never, context: never) => unknown,
  ...wrappers: readonly ((value: never, context: never, next: never) => unknown)[]
): (value: never, context: never) => unknown {
  // Which value it is was checked above; in here nobody looks at it.
  return (wrappers as readonly Wrapper<unknown, unknown>[]).reduceRight<Step<unknown, unknown>>(
    (inner, wrapper) => (value, context) => wrapper(value, context, (passed) => inner(passed, context)),
    step as Step<unknown, unknown>,
  )
}
