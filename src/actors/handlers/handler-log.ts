/** The log a handler is given: each line says whose it is, and a lone sentence is a message, not fields. */
import type { Log } from '../../log.ts'

/** On main; `threadLog` is its twin on a thread. */
export function handlerLog(handler: string, log: Log): Log {
  const at =
    (level: keyof Log) =>
    (fields: object, message?: string): void => {
      const line = lineOf(fields, message)
      log[level]({ handler, ...line.fields }, line.message)
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

/** `log.info('busy')` passes where nobody checks types: spread, a text would be a field per character. */
export function lineOf(
  fields: unknown,
  message: string | undefined,
): { readonly fields: object; readonly message: string } {
  if (typeof fields === 'object' && fields !== null) return { fields, message: message ?? '' }
  return { fields: {}, message: message === undefined ? String(fields) : `${String(fields)} ${message}` }
}
