/**
 * What a command says by itself on standard error: that it stops, and why it has failed. As a line of the log where the log
 * is JSON, so that whoever collects the lines of a run can read each of them, and as text for people otherwise. It is
 * said at any `log.level`: without it nobody would know why the process has gone.
 */
import { inspect } from 'node:util'
import type { Log } from '../../log.ts'
import { describeError, isTroupeError } from '../../errors.ts'
import { jsonLog, type LogForm } from '../log.ts'

export class Words {
  /** Of `run`; the other commands speak to people. */
  form: LogForm = 'pretty'
  readonly #write: (text: string) => void
  readonly #json: Log

  constructor(write: (text: string) => void, instance?: number) {
    this.#write = write
    this.#json = jsonLog({ level: 'info', instance, destination: { write } })
  }

  say(line: string): void {
    if (this.form === 'json') this.#json.info({}, line)
    else this.#write(`${line}\n`)
  }

  /** Why it ends. */
  fail(error: unknown, isDebug: boolean): void {
    if (this.form === 'json') this.#json.error(...failureLine(error, isDebug))
    else this.#write(failureText(error, isDebug))
  }

  /** An error that nobody has caught: of a handler's stray callback, or ours. */
  crash(error: unknown): void {
    const line = 'an error that nobody has caught ends the process'
    if (this.form === 'json') this.#json.error({ error }, `${line}: ${describeError(error)}`)
    else this.#write(`${line}: ${inspect(error)}\n`)
  }
}

/** An embedding service sees the message alone, so some messages end with what to do. */
function split(error: { readonly message: string; readonly action: string }): string {
  return error.message.replace(error.action, '').trimEnd()
}

/** One line that says what and where, one that says what to do. The stack only where it helps: bugs, and on demand. */
function failureText(error: unknown, isDebug: boolean): string {
  if (!isTroupeError(error)) return `error: a bug in Troupe: ${inspect(error)}\n`
  const stack = isDebug || error.code === 'INTERNAL' ? `${inspect(error)}\n` : ''
  return `error ${error.code}: ${split(error)}\nwhat to do: ${error.action}\n${stack}`
}

function failureLine(error: unknown, isDebug: boolean): [fields: object, message: string] {
  if (!isTroupeError(error)) return [{ code: 'INTERNAL', error }, `a bug in Troupe: ${String(error)}`]
  const { action, code } = error
  const withStack = isDebug || code === 'INTERNAL' ? { error } : {}
  return [{ code, action, ...withStack }, split(error)]
}
