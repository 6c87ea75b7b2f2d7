/**
 * A handler's own word on an error, asked where the handler ran. A callback that throws, or says
 * something that is no decision, must not hold its record: then the default rules decide.
 */
import { inspect } from 'node:util'
import { describeError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { ErrorDecision } from './handler.ts'

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
    let said: unknown
    try {
      said = this.#onError(error, context)
    } catch (cause) {
      this.#warn(context, `threw: ${describeError(cause)}`)
      return undefined
    }
    if (said === undefined || known.has(said)) return said as ErrorDecision | undefined
    // An asynchronous callback comes too late to decide anything; its rejection must not end the process.
    if (said instanceof Promise) said.catch(() => undefined)
    this.#warn(context, `returned ${said instanceof Promise ? 'a promise' : inspect(said, { depth: 0 })}`)
    return undefined
  }

  /** Once aloud: a population of failing records would fill the log. */
  #warn({ id, log }: Context, what: string): void {
    log[this.#hasWarned ? 'debug' : 'warn'](
      { id },
      `onError of handler ${this.#handler} ${what}; the default rules decide`,
    )
    this.#hasWarned = true
  }
}
