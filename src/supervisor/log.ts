/** The log of a process: JSON lines by pino, one object each. */
import { pino, type DestinationStream } from 'pino'
import type { Log } from '../log.ts'
import type { ResolvedApp } from '../options/options.ts'

export interface LogOptions {
  readonly level: ResolvedApp['log']['level']
  /** Which of several processes says it. */
  readonly instance?: number
  /** Standard error unless given, so that standard output belongs to the program. */
  readonly destination?: DestinationStream
}

const STDERR = 2

export function createLog({ level, instance, destination }: LogOptions): Log {
  return pino(
    {
      level,
      base: { pid: process.pid, ...(instance === undefined ? {} : { instance }) },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.err, err: pino.stdSerializers.err },
    },
    // Synchronous: the line that says why a process ends must not be lost with it. No pino transport:
    // that would be one more thread.
    destination ?? pino.destination({ dest: STDERR, sync: true }),
  )
}
