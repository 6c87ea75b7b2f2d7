/** `state()`: what a handler keeps for each key of its input. */
import { forgottenCall, isObject, refuseWrong, shown, unknownKeys } from '../options/declared.ts'
import { json } from '../streams/flows/codec.ts'
import type { Codec } from '../streams/flows/contract.ts'
import { namePattern } from './changelog-format.ts'
import type { StateShape } from './state-shape.ts'

export interface StateOptions<Value> {
  /** How its values are written to changelog and store; `json()` unless given. */
  readonly codec?: Codec<Value>
  /**
   * What `get` gives for a key that has no value, made anew each time. Nothing is kept before `set`. Without it `get` gives
   * undefined.
   */
  readonly initial?: () => Value
  /**
   * A value that was not set again for so long is gone, milliseconds. By stream time: the greatest timestamp of the records so
   * far, so it does not matter how fast they are handled, and a replay sees the same.
   */
  readonly ttlMs?: number
  /** Most bytes that a value and its key take, 1,000,000 unless given: about what brokers take as one record. A larger value fails its record with STATE_INVALID. */
  readonly maxBytes?: number
}

/** What `state()` makes. `Got` is what `get` gives: a value, or undefined as well where nothing says what comes first. */
export interface DeclaredState<Value, Got = Value | undefined> {
  readonly kind: 'state'
  readonly codec: Codec<Value>
  readonly initial: (() => Got) | undefined
  readonly ttlMs: number | null
  readonly maxBytes: number
}

/** Of a handler, by name: what they are found by in the changelog, also after an upgrade. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- of any values: a codec takes its own, and gives them
export type DeclaredStates = Readonly<Record<string, DeclaredState<any, any>>>

/** Of a handler that keeps nothing. */
// eslint-disable-next-line @typescript-eslint/no-generated-empty-object-type -- empty is what is meant: no name of a state
export type NoStates = Readonly<Record<never, never>>

/** The state of one record's key, under one name. */
export interface KeyedState<Value, Got = Value | undefined> {
  /** Of its own: what is done to it is kept only by `set`. */
  get(): Got
  /** Kept when the record is handled (`done`, `skip`), in one step with its outputs. Throws STATE_INVALID for what the codec cannot write, and for what is too large. */
  set(value: Value): void
  delete(): void
  /** Sets what `change` makes of the value, and returns it. */
  update(change: (value: Got) => Value): Value
}

/** What a handler with these states gets as `context.state`. */
export type StateOf<States> = {
  readonly [Name in keyof States]: States[Name] extends DeclaredState<infer Value, infer Got>
    ? KeyedState<Value, Got>
    : never
}

/** The same, whatever they are. */
export type AnyStateOf = StateOf<DeclaredStates>

/** Below what brokers take as one record by default (1,048,588), with room for what goes around it. */
export const DEFAULT_MAX_BYTES = 1_000_000
const optionNames = ['codec', 'initial', 'ttlMs', 'maxBytes'] as const

/**
 * Declares a state: a value for each key. Throws OPTIONS_INVALID that names every problem.
 *
 * @example
 * state: { last: state<Payment>(), total: state<number>({ initial: () => 0, ttlMs: 7 * DAY_MS }) }
 */
export function state<Value>(
  options: StateOptions<Value> & { readonly initial: () => Value },
): DeclaredState<Value, Value>
export function state<Value>(options?: StateOptions<Value>): DeclaredState<Value>
export function state<Value>(options: StateOptions<Value> = {}): DeclaredState<Value> {
  refuseWrong('state()', problemsOfOptions(options))
  const { codec = defaultCodec as Codec<Value>, initial, maxBytes = DEFAULT_MAX_BYTES, ttlMs = null } = options
  return { kind: 'state', codec, initial, ttlMs, maxBytes }
}

/** Known by identity: values that it has written need not be read again to know what they are. */
export const defaultCodec: Codec<unknown> = json<unknown>()

function problemsOfOptions(options: unknown): string[] {
  if (!isObject(options)) return [`the options are ${shown(options)}, which is no object`]
  const { codec, initial, maxBytes, ttlMs } = options
  const problems: string[] = []
  if (codec !== undefined) problems.push(...problemsOfCodec(codec))
  if (initial !== undefined && typeof initial !== 'function') {
    problems.push(`initial: ${shown(initial)} is no function, and each key needs a value of its own: write () => …`)
  }
  if (ttlMs !== undefined && !isNatural(ttlMs)) {
    problems.push(`ttlMs: ${shown(ttlMs)} is no whole number of milliseconds, 1 or more`)
  }
  if (maxBytes !== undefined && !isNatural(maxBytes)) {
    problems.push(`maxBytes: ${shown(maxBytes)} is no whole number of bytes, 1 or more`)
  }
  return [...problems, ...unknownKeys(options, optionNames, `there are ${optionNames.join(', ')}`)]
}

function problemsOfCodec(codec: unknown): string[] {
  const forgotten = forgottenCall(codec, (name) => `${name}()`)
  if (forgotten !== undefined) return [`codec: ${forgotten}`]
  if (!isObject(codec) || typeof codec['encode'] !== 'function' || typeof codec['decode'] !== 'function') {
    return [`codec: ${shown(codec)} is no codec; there are json(), text and bytes`]
  }
  if (codec['contract'] !== undefined) {
    return [
      `codec: the schemas of ${String(codec['name'])} are kept by a registry, under the names of topics, and a state is in none: use json(), or a codec of your own`,
    ]
  }
  return []
}

function isNatural(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 1
}

/** What is wrong with the `state` of a definition. */
export function problemsOfStates(states: unknown): string[] {
  if (!isObject(states)) return [`state: ${shown(states)} is no object of states: write { total: state() }`]
  const names = Object.keys(states)
  if (names.length === 0) return ['state: there is none in it; leave it out']
  return names.flatMap((name) => {
    if (!namePattern.test(name)) {
      return [`state: ${shown(name)} is no name of a state: letters, digits, _ and -, a letter first, at most 64`]
    }
    const declared = states[name]
    if (isObject(declared) && declared['kind'] === 'state' && isObject(declared['codec'])) return []
    const forgotten = forgottenCall(declared, (called) => `${called}()`)
    return [`state.${name}: ${forgotten ?? `${shown(declared)} is no state; make one with state()`}`]
  })
}

/** As others know them, in the order in which they are declared. */
export function shapesOf(states: DeclaredStates | undefined): readonly StateShape[] {
  return Object.entries(states ?? {}).map(([name, { codec, maxBytes, ttlMs }]) => ({
    name,
    codec: codec.name,
    ttlMs,
    maxBytes,
  }))
}
