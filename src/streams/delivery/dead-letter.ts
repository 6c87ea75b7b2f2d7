/** A record that failed for good, as it stands in a dead-letter topic: untouched, with its provenance in headers. */
import { describeWire, ownCode, type ErrorCode, type WireError } from '../../errors.ts'
import type { OutputRecord, RecordHeader, SourceRecord } from '../record.ts'

export interface DeadLetterCause {
  /** Why the record failed for good. */
  readonly code: ErrorCode
  /** That of its last attempt. */
  readonly error: WireError
  /** Tries of the handler, the last included. */
  readonly attempts: number
  readonly actor: string
  /** Milliseconds since the Unix epoch. */
  readonly firstFailedAtMs: number
  readonly deadLetteredAtMs: number
}

export interface DeadLetter extends OutputRecord {
  readonly headers: readonly RecordHeader[]
  /** How many of the headers, the last ones, are ours: a record may bring `troupe.*` headers of its own. */
  readonly ownHeaders: number
}

/** The broker's default limit for a record is 1 MB, headers included; a stack is worth a few kB of it. */
const MAX_TEXT_CHARACTERS = 8_000
/** What is left of a message when there is no room for more. */
const SHORT_MESSAGE_BYTES = 200

const STACK = 'troupe.error-stack'
const MESSAGE = 'troupe.error-message'
/** Where the record came from: the last that is given up. */
const place = ['troupe.topic', 'troupe.partition', 'troupe.offset']

/** Ever less of ours. Each leaves alone what it has nothing to take from. */
const cuts: readonly ((own: readonly RecordHeader[]) => readonly RecordHeader[])[] = [
  (own) => own.filter(([name]) => name !== STACK),
  (own) => own.map((header) => (header[0] === MESSAGE ? shortened(header) : header)),
  (own) => own.filter(([name]) => place.includes(name)),
  () => [],
]

/** The same letter with less of ours, for a topic that finds it too large. null: nothing of it is ours any more. */
export function smallerLetter(letter: DeadLetter): DeadLetter | null {
  const source = letter.headers.slice(0, letter.headers.length - letter.ownHeaders)
  const own = letter.headers.slice(source.length)
  for (const cut of cuts) {
    const left = cut(own)
    if (bytesOf(left) < bytesOf(own)) return { ...letter, headers: [...source, ...left], ownHeaders: left.length }
  }
  return null
}

function shortened([name, text]: RecordHeader): RecordHeader {
  return [name, text?.subarray(0, SHORT_MESSAGE_BYTES) ?? null]
}

function bytesOf(headers: readonly RecordHeader[]): number {
  return headers.reduce((sum, [name, text]) => sum + name.length + (text?.byteLength ?? 0), 0)
}

/** Key, value and headers as they came; `troupe.*` headers say where from, why and when. */
export function deadLetterRecord(topic: string, record: SourceRecord, failure: DeadLetterCause): DeadLetter {
  const provenance: [string, string][] = [
    ['troupe.topic', record.topic],
    ['troupe.partition', String(record.partition)],
    ['troupe.offset', String(record.offset)],
    ...timerHeaders(record),
    ['troupe.timestamp', record.timestamp === -1 ? 'NONE' : isoTime(record.timestamp)],
    ['troupe.actor', failure.actor],
    ['troupe.attempts', String(failure.attempts)],
    ['troupe.code', failure.code],
    ['troupe.error-name', failure.error.name],
    ['troupe.error-code', ownCode(failure.error)],
    [MESSAGE, describeWire(failure.error)],
    [STACK, failure.error.stack ?? ''],
    ['troupe.first-failed-at', isoTime(failure.firstFailedAtMs)],
    ['troupe.dead-lettered-at', isoTime(failure.deadLetteredAtMs)],
  ]
  const headers: RecordHeader[] = [
    ...record.headers,
    ...provenance.map(([name, text]): RecordHeader => [name, Buffer.from(text.slice(0, MAX_TEXT_CHARACTERS), 'utf8')]),
  ]
  return { topic, key: record.key, value: record.value, headers, ownHeaders: provenance.length }
}

/** Of a timer: there is no such record to go back to. */
function timerHeaders({ timer }: SourceRecord): [string, string][] {
  if (timer === undefined) return []
  return [
    ['troupe.timer', timer.name],
    ['troupe.timer-clock', timer.clock],
    ['troupe.timer-due-at', isoTime(timer.dueMs)],
  ]
}

function isoTime(ms: number): string {
  const time = new Date(ms)
  return Number.isNaN(time.getTime()) ? String(ms) : time.toISOString()
}
