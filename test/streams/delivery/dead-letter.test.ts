import { expect, test } from 'vitest'
import { toWireError } from '../../../src/errors.ts'
import { deadLetterRecord, smallerLetter, type DeadLetter } from '../../../src/streams/delivery/dead-letter.ts'
import type { SourceRecord } from '../../../src/streams/record.ts'

const record: SourceRecord = {
  topic: 'clicks',
  partition: 3,
  offset: 2 ** 33,
  timestamp: Date.UTC(2026, 0, 1),
  key: Buffer.from([0xff, 0x00]),
  value: Buffer.from([0x00, 0xfe]),
  headers: [
    ['trace', Buffer.from('1')],
    ['trace', null],
  ],
}

const failure = {
  code: 'ATTEMPTS_EXHAUSTED' as const,
  error: toWireError(Object.assign(new Error('boom', { cause: new TypeError('the cause') }), { code: 'E_BOOM' })),
  attempts: 5,
  actor: 'enrich',
  firstFailedAtMs: Date.UTC(2026, 0, 2),
  deadLetteredAtMs: Date.UTC(2026, 0, 3),
}

function texts(headers: SourceRecord['headers'] | undefined): Record<string, string> {
  return Object.fromEntries((headers ?? []).map(([name, value]) => [name, Buffer.from(value ?? []).toString()]))
}

// Case 39.
test('key, value and headers are untouched; the headers after them say where from, why and when', () => {
  const dead = deadLetterRecord('dlq', record, failure)
  expect([dead.topic, dead.key, dead.value]).toEqual(['dlq', record.key, record.value])
  expect(dead.headers.slice(0, 2)).toEqual(record.headers)
  expect(texts(dead.headers.slice(2))).toEqual({
    'troupe.topic': 'clicks',
    'troupe.partition': '3',
    'troupe.offset': '8589934592',
    'troupe.timestamp': '2026-01-01T00:00:00.000Z',
    'troupe.actor': 'enrich',
    'troupe.attempts': '5',
    'troupe.code': 'ATTEMPTS_EXHAUSTED',
    'troupe.error-name': 'Error',
    'troupe.error-code': 'E_BOOM',
    'troupe.error-message': 'boom: the cause',
    'troupe.error-stack': failure.error.stack,
    'troupe.first-failed-at': '2026-01-02T00:00:00.000Z',
    'troupe.dead-lettered-at': '2026-01-03T00:00:00.000Z',
  })
})

test('a record without a time has none in its letter either, and 0 is a time', () => {
  const said = (timestamp: number) => texts(deadLetterRecord('dlq', { ...record, timestamp }, failure).headers)
  expect(said(-1)['troupe.timestamp']).toBe('NONE')
  expect(said(0)['troupe.timestamp']).toBe('1970-01-01T00:00:00.000Z')
})

test('null stays null, empty stays empty', () => {
  const none = deadLetterRecord('dlq', { ...record, key: null, value: null }, failure)
  expect([none.key, none.value]).toEqual([null, null])
  const empty = deadLetterRecord('dlq', { ...record, key: Buffer.alloc(0), value: Buffer.alloc(0) }, failure)
  expect([empty.key, empty.value]).toEqual([Buffer.alloc(0), Buffer.alloc(0)])
})

test('a very long message does not make the record too large for its topic', () => {
  const error = toWireError(new Error('x'.repeat(5_000_000)))
  const dead = deadLetterRecord('dlq', { ...record, timestamp: Number.NaN }, { ...failure, error })
  const size = dead.headers.reduce((sum, [, value]) => sum + (value?.byteLength ?? 0), 0)
  expect(size).toBeLessThan(20_000)
  expect(texts(dead.headers)['troupe.timestamp']).toBe('NaN')
})

test('for want of room the stack goes first, then the end of the message, then all but the place, then that', () => {
  const error = { ...failure.error, message: 'x'.repeat(5_000) }
  // A dead letter that was handled again: what it brought is not ours to cut.
  const brought = [...record.headers, ['troupe.error-stack', Buffer.from('of before')] as const]
  const whole = deadLetterRecord('dlq', { ...record, headers: brought }, { ...failure, error })
  const forms: DeadLetter[] = []
  for (let form = smallerLetter(whole); form !== null; form = smallerLetter(form)) forms.push(form)
  for (const { topic, key, value, headers } of forms) {
    expect([topic, key, value, headers.slice(0, 3)]).toEqual(['dlq', record.key, record.value, brought])
  }
  const own = [whole, ...forms].map(({ headers }) => texts(headers.slice(3)))
  const [all, noStack, shortMessage, place, nothing] = own
  expect(own).toHaveLength(5)
  expect(Object.keys(all ?? {}).filter((name) => !(name in (noStack ?? {})))).toEqual(['troupe.error-stack'])
  expect(shortMessage).toEqual({ ...noStack, 'troupe.error-message': 'x'.repeat(200) })
  expect(place).toEqual({ 'troupe.topic': 'clicks', 'troupe.partition': '3', 'troupe.offset': '8589934592' })
  expect(nothing).toEqual({})
})
