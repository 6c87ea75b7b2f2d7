/**
 * A handler's own word on an error, asked where the handler ran. A callback that throws, or says
 * something that is no decision, must not hold its record: then the default rules decide.
 */
import { inspect } from 'node:util'
import { describeError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { ErrorDecision, RetryDecision } from './handler.ts'

const known: ReadonlySet<unknown> = new Set<ErrorDecision>(['retry', 'dead-letter', 'park', 'skip', 'stop', 'escalate'])

/** What the policy needs of a callback's context. */
interface PolicyContext {
  /** Of the record, or of the records of a call. */
  readonly id: string
  readonly log: Log
}

export class ErrorPolicy<Context extends PolicyContext> {
  readonly #onError: ((error: unknown, context: Context) => ErrorDecision | undefined) | undefined
  readonly #handler: string
  #hasWarned = false

  constructor(onError: ((error: unknown, context: Context) => ErrorDecision | undefined) | undefined, handler: string) {
    this.#onError = onError
    this.#handler = handler
  }

  /** undefined: it has nothing to say. */
  decide(error: unknown, context: Context): ErrorDecision | undefined {
    if (this.#onError === undefined) return undefined
    try {
      const said: unknown = this.#onError(error, context)
      if (said === undefined || known.has(said)) return said as ErrorDecision | undefined
      // An asynchronous callback comes too late to decide anything; its rejection must not end the process.
      if (said instanceof Promise) said.catch(() => undefined)
      else if (isRetryDecision(said)) return this.#withDelay(said, context)
      const what = said instanceof Promise ? 'a promise' : inspect(said, { depth: 0, breakLength: Infinity })
      this.#warn(context, `returned ${what}; the default rules decide`)
    } catch (cause) {
      this.#warn(context, `threw: ${describeError(cause)}; the default rules decide`)
    }
    return undefined
  }

  /** A delay that is no number of milliseconds would hold its key for ever; that the record is tried again stands. */
  #withDelay({ afterMs, retry, ...rest }: RetryDecision, context: Context): RetryDecision {
    const [unknown] = Object.keys(rest)
    if (unknown !== undefined) this.#warn(context, `returned ${unknown}, which no decision has: only retry and afterMs`)
    if (afterMs === undefined) return { retry }
    if (Number.isFinite(afterMs) && afterMs >= 0) return { retry, afterMs }
    this.#warn(context, `returned afterMs: ${inspect(afterMs, { depth: 0 })}; the back-off serves`)
    return { retry }
  }

  /** Once aloud: a population of failing records would fill the log. */
  #warn({ id, log }: Context, what: string): void {
    log[this.#hasWarned ? 'debug' : 'warn']({ id }, `onError of handler ${this.#handler} ${what}`)
    this.#hasWarned = true
  }
}

function isRetryDecision(said: unknown): said is RetryDecision {
  if (typeof said !== 'object' || said === null) return false
  const retry: unknown = Reflect.get(said, 'retry')
  return retry === 'unlimited' || retry === 'limited'
}
