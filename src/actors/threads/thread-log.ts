/** The log of a handler on a thread: its lines cross to main, which writes them. */
import { fromWireError, toWireError, type WireError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { lineOf } from '../handlers/handler-log.ts'
import type { LogNotice } from './protocol/thread-protocol.ts'

export function threadLog(handler: string, threadId: number, send: (notice: LogNotice) => void): Log {
  const at =
    (level: LogNotice['level']) =>
    (fields: object, message?: string): void => {
      const line = lineOf(fields, message)
      send({ type: 'log', level, message: line.message, ...separateErrors({ handler, threadId, ...line.fields }) })
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

/** The fields of a line as the handler gave them, errors as errors. */
export function fieldsOf({ fields, errors }: LogNotice): object {
  const revived = Object.entries(errors).map(([name, wire]) => [name, fromWireError(wire)] as const)
  return { ...fields, ...Object.fromEntries(revived) }
}

/**
 * A clone keeps neither the class nor the own fields of an error, so errors go as plain data. What
 * cannot be cloned (a function, a socket) goes as text: a line in the log must not cost the handler
 * its record.
 */
function separateErrors(fields: object): Pick<LogNotice, 'fields' | 'errors'> {
  const plain: Record<string, unknown> = {}
  const errors: Record<string, WireError> = {}
  for (const [name, value] of Object.entries(fields) as [string, unknown][]) {
    if (value instanceof Error) errors[name] = toWireError(value)
    else plain[name] = cloneable(value)
  }
  return { fields: plain, errors }
}

function cloneable(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return typeof value === 'function' ? nameOf(value) : primitive(value)
  try {
    return structuredClone(value)
  } catch {
    return asText(value)
  }
}

function primitive(value: unknown): unknown {
  return typeof value === 'symbol' ? value.toString() : value
}

function nameOf(value: object): string {
  const name: unknown = Reflect.get(value, 'name')
  return `function ${typeof name === 'string' ? name : ''}`
}

function asText(value: object): string {
  try {
    // eslint-disable-next-line @typescript-eslint/no-base-to-string -- the object's own words, if it has any
    return String(value)
  } catch {
    return 'an object that cannot be shown'
  }
}
