/** A record that failed for good, as it stands in a dead-letter topic: untouched, with its provenance in headers. */
import type { WireError } from '../../errors.ts'
import type { OutputRecord, RecordHeader, SourceRecord } from '../record.ts'

export interface DeadLetterCause {
  readonly error: WireError
  /** Tries of the handler, the last included. */
  readonly attempts: number
  readonly actor: string
  /** Milliseconds since the Unix epoch. */
  readonly firstFailedAtMs: number
  readonly deadLetteredAtMs: number
}

/** The broker's default limit for a record is 1 MB, headers included; a stack is worth a few kB of it. */
const MAX_TEXT_CHARACTERS = 8_000

/** Key, value and headers as they came; `troupe.*` headers say where from, why and when. */
export function deadLetterRecord(topic: string, record: SourceRecord, failure: DeadLetterCause): OutputRecord {
  const provenance: [string, string][] = [
    ['troupe.topic', record.topic],
    ['troupe.partition', String(record.partition)],
    ['troupe.offset', String(record.offset)],
    ['troupe.timestamp', isoTime(record.timestamp)],
    ['troupe.actor', failure.actor],
    ['troupe.attempts', String(failure.attempts)],
    ['troupe.error-name', failure.error.name],
    ['troupe.error-code', failure.error.code ?? 'NONE'],
    ['troupe.error-message', errorMessage(failure.error)],
    ['troupe.error-stack', failure.error.stack ?? ''],
    ['troupe.first-failed-at', isoTime(failure.firstFailedAtMs)],
    ['troupe.dead-lettered-at', isoTime(failure.deadLetteredAtMs)],
  ]
  const headers: RecordHeader[] = [
    ...record.headers,
    ...provenance.map(([name, text]): RecordHeader => [name, Buffer.from(text.slice(0, MAX_TEXT_CHARACTERS), 'utf8')]),
  ]
  return { topic, key: record.key, value: record.value, headers }
}

function errorMessage(error: WireError): string {
  const causes: string[] = []
  for (let at: WireError | undefined = error; at !== undefined; at = at.cause) causes.push(at.message)
  return causes.join(': ')
}

function isoTime(ms: number): string {
  const time = new Date(ms)
  return Number.isNaN(time.getTime()) ? String(ms) : time.toISOString()
}
