import { expect, test } from 'vitest'
import { checkClick } from './flows.ts'

const click = { user_id: 7, session_id: 1, timestamp: '2026-01-31T12:00:00Z', url: 'https://shop.example/', ip: '::1' }

test.each([
  '2026-01-31T12:00:00Z',
  '2026-01-31T12:00Z',
  '2024-02-29T23:59:59.123456789+05:30',
  '2026-01-31T12:00:00-0500',
])('%s is a time', (timestamp) => {
  expect(checkClick({ ...click, timestamp })).toEqual({ ...click, timestamp })
})

test.each([
  ['yesterday'],
  ['2026-02-30T12:00:00Z'],
  ['2025-02-29T12:00:00Z'],
  ['2026-13-01T12:00:00Z'],
  ['2026-00-01T12:00:00Z'],
  ['2026-01-31T25:00:00Z'],
  ['2026-01-31T12:00:60Z'],
  ['2026-01-31T12:00:00'],
  ['2026-01-31'],
  ['2026-01-31T12:00:00+25:00'],
  ['0000-01-31T12:00:00Z'],
  [1769860800000],
  [undefined],
])('%s is none', (timestamp) => {
  expect(() => checkClick({ ...click, timestamp })).toThrow('timestamp is no time')
})

test.each([undefined, null, '7', 1.5, Number('9007199254740993'), true])('user_id %s is no integer', (user) => {
  expect(() => checkClick({ ...click, user_id: user })).toThrow('user_id is no integer')
})

test.each([null, 42, 'click', [click], true])('%s is no object', (parsed) => {
  expect(() => checkClick(parsed)).toThrow('the JSON is no object')
})

test('a text that the database cannot hold is refused', () => {
  expect(() => checkClick({ ...click, url: 'a\0b' })).toThrow('url is no text')
})
