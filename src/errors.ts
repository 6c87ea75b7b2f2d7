/**
 * Every error Troupe raises, by the codes of one table (`error-table.ts`). Errors
 * are recognised by brand, not by `instanceof`: a handler module on a thread, or a second copy of
 * the package, has classes of its own.
 */
import { errorTable } from './error-table.ts'

export type ErrorCode = keyof typeof errorTable

/** Whether a text from elsewhere is a code of ours. */
export function isErrorCode(code: string | undefined): code is ErrorCode {
  return code !== undefined && Object.hasOwn(errorTable, code)
}

const brand = Symbol.for('troupe.error')
const throttledBrand = Symbol.for('troupe.throttled')

export class TroupeError extends Error {
  readonly code: ErrorCode
  readonly retryable: boolean

  constructor(code: ErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.name = 'TroupeError'
    this.code = code
    this.retryable = errorTable[code].retryable
  }

  /** What the operator does now. */
  get action(): string {
    return errorTable[this.code].action
  }

  get [brand](): 'troupe' {
    return 'troupe'
  }
}

/** Thrown by a handler: this failure will pass; try again, after `retryAfterMs` when given, while attempts are left. */
export class RetryableError extends Error {
  readonly retryAfterMs: number | undefined

  constructor(message: string, options?: { readonly retryAfterMs?: number; readonly cause?: unknown }) {
    super(message, options)
    this.name = 'RetryableError'
    this.retryAfterMs = options?.retryAfterMs
  }

  get [brand](): 'retryable' {
    return 'retryable'
  }
}

/**
 * Thrown by a handler: what it calls says "slow down" (429, Retry-After). Nothing more of the whole actor is handed out for
 * `retryAfterMs`, an hour at most at a time; then the record goes again, and no attempt is used up. A delay that is no number
 * of milliseconds is taken for the actor's back-off.
 */
export class ThrottledError extends RetryableError {
  readonly code = 'THROTTLED'
  declare readonly retryAfterMs: number

  constructor(message: string, options: { readonly retryAfterMs: number; readonly cause?: unknown }) {
    super(message, options)
    this.name = 'ThrottledError'
  }

  get [throttledBrand](): true {
    return true
  }
}

/** Thrown by a handler: no attempt will change this; the record has failed for good. */
export class TerminalError extends Error {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.name = 'TerminalError'
  }

  get [brand](): 'terminal' {
    return 'terminal'
  }
}

function brandOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null ? Reflect.get(error, brand) : undefined
}

export function isTroupeError(error: unknown): error is TroupeError {
  return brandOf(error) === 'troupe'
}

export function isRetryableError(error: unknown): error is RetryableError {
  return brandOf(error) === 'retryable'
}

function isThrottledError(error: unknown): error is ThrottledError {
  return isRetryableError(error) && Reflect.get(error, throttledBrand) === true
}

export function isTerminalError(error: unknown): error is TerminalError {
  return brandOf(error) === 'terminal'
}

/** Deep enough for every honest chain, and an end for one that leads back to itself. */
const MAX_CAUSES = 8

/** An error that stands for several (a name with several addresses, none of which answers) tells so many of them. */
const MAX_ERRORS = 5
/** So much of the depth of a chain do they take: one that contains itself must not branch eight times. */
const ERRORS_DEPTH = MAX_CAUSES / 2

/** The text of anything thrown, with its causes, for one line of a log or a header. */
export function describeError(error: unknown, depth = 0): string {
  if (!(error instanceof Error)) return printable(error)
  const causes = depth < MAX_CAUSES && error.cause !== undefined ? [describeError(error.cause, depth + 1)] : []
  const errors = errorsOf(error, depth).map((each) => describeError(each, depth + ERRORS_DEPTH))
  return chainOf(printable(error.message), [...causes, ...errors]) || error.name
}

/** As `describeError`, of one that has crossed a thread. */
export function describeWire(error: WireError): string {
  const { cause, errors = [], message, name } = error
  return chainOf(message, [...(cause === undefined ? [] : [cause]), ...errors].map(describeWire)) || name
}

/** An outer error often ends in its cause already, or says nothing itself. */
function chainOf(message: string, reasons: readonly string[]): string {
  const because = [...new Set(reasons)].join(', ')
  if (message === '' || because === '') return message + because
  return message.endsWith(because) ? message : `${message}: ${because}`
}

/** Those that an AggregateError stands for: its own message is empty where node or undici made it. */
function errorsOf(error: Error, depth: number): readonly Error[] {
  const errors: unknown = Reflect.get(error, 'errors')
  if (depth >= ERRORS_DEPTH || !Array.isArray(errors)) return []
  return errors.filter((each): each is Error => each instanceof Error).slice(0, MAX_ERRORS)
}

/** An error as it crosses a thread: structured clone keeps neither class nor own fields of an Error. */
export interface WireError {
  readonly name: string
  readonly message: string
  readonly stack?: string
  readonly code?: string
  /** How the engine must treat it: by the handler's word, or as an ordinary failure. */
  readonly kind: 'retryable' | 'throttled' | 'terminal' | 'troupe' | 'other'
  readonly retryAfterMs?: number
  /** Own enumerable fields that can be cloned as JSON. */
  readonly fields?: Readonly<Record<string, unknown>>
  readonly cause?: WireError
  /** Those that it stands for. */
  readonly errors?: readonly WireError[]
}

/**
 * What an error of an attempt counts as, in metrics and wherever codes are compared. Its own code only where it is of
 * Troupe's making: what a handler throws may carry any.
 */
export function failureCode({ code, kind }: WireError): ErrorCode {
  if (kind === 'troupe' && isErrorCode(code)) return code
  if (kind === 'throttled') return 'THROTTLED'
  return kind === 'terminal' ? 'TERMINAL_ERROR' : 'HANDLER_FAILED'
}

/** The code that it brought along (`ECONNREFUSED`), or else what it counts as. For people: never a label. */
export function ownCode(error: WireError): string {
  return error.code ?? failureCode(error)
}

export function toWireError(error: unknown, depth = 0): WireError {
  if (!(error instanceof Error)) {
    return { name: 'Error', message: `a value that is no Error was thrown: ${printable(error)}`, kind: 'other' }
  }
  const code: unknown = Reflect.get(error, 'code')
  const wire: { -readonly [Key in keyof WireError]: WireError[Key] } = {
    name: printable(error.name),
    // A library may have put anything there, and what cannot be cloned would hold up the whole reply.
    message: printable(error.message),
    kind: isThrottledError(error)
      ? 'throttled'
      : isRetryableError(error)
        ? 'retryable'
        : isTerminalError(error)
          ? 'terminal'
          : isTroupeError(error)
            ? 'troupe'
            : 'other',
  }
  if (error.stack !== undefined) wire.stack = error.stack
  // The code of a DOMException is a number of old: it goes by its name (TimeoutError, DataCloneError).
  if (error instanceof DOMException) wire.code = error.name
  else if (typeof code === 'string' || typeof code === 'number') wire.code = String(code)
  if (isRetryableError(error) && error.retryAfterMs !== undefined) wire.retryAfterMs = error.retryAfterMs
  const fields = plainFields(error)
  if (fields !== undefined) wire.fields = fields
  if (error.cause !== undefined && depth < MAX_CAUSES) wire.cause = toWireError(error.cause, depth + 1)
  const errors = errorsOf(error, depth).map((each) => toWireError(each, depth + ERRORS_DEPTH))
  if (errors.length > 0) wire.errors = errors
  return wire
}

/** The error again, with name, code, message, stack, causes and fields; its class where it is one of ours. */
export function fromWireError(wire: WireError): Error {
  const options = wire.cause === undefined ? undefined : { cause: fromWireError(wire.cause) }
  const error = rebuild(wire, options)
  error.name = wire.name
  if (wire.stack !== undefined) error.stack = wire.stack
  if (wire.errors !== undefined) Object.defineProperty(error, 'errors', { value: wire.errors.map(fromWireError) })
  for (const [name, value] of Object.entries(wire.fields ?? {})) {
    if (!(name in error)) Object.defineProperty(error, name, { value, enumerable: true })
  }
  if (wire.code !== undefined && !('code' in error)) {
    Object.defineProperty(error, 'code', { value: wire.code, enumerable: true })
  }
  return error
}

function rebuild(wire: WireError, options: { cause: Error } | undefined): Error {
  switch (wire.kind) {
    case 'retryable':
      return new RetryableError(wire.message, {
        ...options,
        ...(wire.retryAfterMs === undefined ? {} : { retryAfterMs: wire.retryAfterMs }),
      })
    case 'throttled':
      return new ThrottledError(wire.message, { ...options, retryAfterMs: wire.retryAfterMs ?? 0 })
    case 'terminal':
      return new TerminalError(wire.message, options)
    case 'troupe':
      if (isErrorCode(wire.code)) return new TroupeError(wire.code, wire.message, options)
      return new Error(wire.message, options)
    case 'other':
      return new Error(wire.message, options)
  }
}

const OWN = new Set(['name', 'message', 'stack', 'code', 'cause', 'retryable', 'retryAfterMs'])

function plainFields(error: Error): Record<string, unknown> | undefined {
  const fields: Record<string, unknown> = {}
  let count = 0
  for (const [name, value] of Object.entries(error)) {
    if (OWN.has(name)) continue
    try {
      const text = JSON.stringify(value) as string | undefined
      if (text === undefined || text.length > 4096) continue
      fields[name] = JSON.parse(text)
      count += 1
    } catch {
      // A field that cannot be cloned (a cycle, a BigInt) stays behind; the error itself crosses.
    }
  }
  return count === 0 ? undefined : fields
}

function printable(value: unknown): string {
  if (typeof value === 'string') return value
  try {
    const text: unknown = JSON.stringify(value)
    return typeof text === 'string' ? text : String(value)
  } catch {
    return String(value)
  }
}
