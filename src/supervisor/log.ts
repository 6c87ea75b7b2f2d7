/** The log of a process, by pino: JSON lines, or on a terminal what people read more easily. */
import { pino, type DestinationStream } from 'pino'
import type { Log } from '../log.ts'
import type { ResolvedApp } from '../options/options.ts'
import { isTerminal, standardError } from './log-output.ts'

export interface LogOptions {
  readonly level: ResolvedApp['log']['level']
  /** Which of several processes says it. */
  readonly instance?: number | undefined
  /** Standard error unless given, so that standard output belongs to the program. */
  readonly destination?: DestinationStream
}

export type LogForm = 'json' | 'pretty'

/** What an option says comes to here. */
export function formOf(format: ResolvedApp['log']['format']): LogForm {
  return format === 'auto' ? (isTerminal() ? 'pretty' : 'json') : format
}

export async function createLog({ format, ...options }: LogOptions & Pick<ResolvedApp['log'], 'format'>): Promise<Log> {
  if (formOf(format) === 'json') return jsonLog(options)
  const { prettyFactory } = await import('pino-pretty')
  // What the options are `troupe check` shows people better.
  const pretty = prettyFactory({
    colorize: isTerminal() && process.env['NO_COLOR'] === undefined,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid,options',
    singleLine: true,
  })
  const { destination = standardErrorOf(options, pretty) } = options
  return jsonLog({ ...options, destination: { write: (line) => destination.write(pretty(line)) } })
}

/** One line, one object. */
export function jsonLog(options: LogOptions): Log {
  const { level, instance, destination = standardErrorOf(options) } = options
  return pino(
    {
      level,
      base: { pid: process.pid, ...(instance === undefined ? {} : { instance }) },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.err, err: pino.stdSerializers.err },
    },
    destination,
  )
}

/** Tells there, once lines come through again, how many did not. */
function standardErrorOf({ instance }: LogOptions, form = (line: string): string => line): DestinationStream {
  const output = standardError()
  const destination = { write: (line: string) => output.writeAnyway(form(line)) }
  const told = jsonLog({ level: 'warn', instance, destination })
  output.onFlowing = (dropped) => {
    told.warn({ dropped }, `${dropped} lines of the log were dropped: nobody read standard error`)
  }
  return output
}
