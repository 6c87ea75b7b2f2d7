import { errorTable } from '../src/error-table.ts'
import { readFileSync, readdirSync } from 'node:fs'
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
import { describe, expect, test } from 'vitest'
import {
  describeError,
  fromWireError,
  isRetryableError,
  isTerminalError,
  isTroupeError,
  RetryableError,
  TerminalError,
  toWireError,
  TroupeError,
  type ErrorCode,
  type WireError,
} from '../src/errors.ts'

/** What the other side of a thread gets to see. */
function acrossThread(error: unknown): Error {
  const { port1, port2 } = new MessageChannel()
  port1.postMessage(toWireError(error))
  const received = receiveMessageOnPort(port2) as { message: WireError }
  port1.close()
  return fromWireError(received.message)
}

describe.each(Object.entries(errorTable))('%s', (code, row) => {
  test('says what happened and what to do', () => {
    expect(code).toMatch(/^[A-Z][A-Z_]+[A-Z]$/)
    for (const text of [row.meaning, row.action]) expect(text).toMatch(/^[A-Z].*\.$/s)
  })

  test('is an error with its code, action and retryability', () => {
    const cause = new Error('inner')
    const error = new TroupeError(code as ErrorCode, 'outer', { cause })
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({ name: 'TroupeError', code, message: 'outer', cause, action: row.action })
    expect(error.retryable).toBe(row.retryable)
  })

  test('crosses a thread as what it is', () => {
    const error = new TroupeError(code as ErrorCode, 'outer', { cause: new TypeError('inner') })
    const arrived = acrossThread(error)
    expect(isTroupeError(arrived)).toBe(true)
    expect(arrived).toMatchObject({ name: 'TroupeError', code, message: 'outer', stack: error.stack })
    expect(arrived.cause).toMatchObject({ name: 'TypeError', message: 'inner' })
    expect(arrived).toHaveProperty('retryable', row.retryable)
  })
})

/** Codes of Node.js and V8, which we only read. */
const foreign = new Set(['ERR_WORKER_OUT_OF_MEMORY'])

test('every code that src gives anything stands in the table', () => {
  const folder = new URL('../src/', import.meta.url)
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'))
  const codes = files.flatMap((path) => {
    const source = readFileSync(new URL(path, folder), 'utf8')
    return [...source.matchAll(/(?:\bcode: |TroupeError\(\s*)'([A-Z_]+)'/g)].map(([, code]) => code!)
  })
  expect(codes.length).toBeGreaterThan(50)
  expect(codes.filter((code) => !(code in errorTable) && !foreign.has(code))).toEqual([])
})

describe('across a thread', () => {
  test('the word of a handler is kept: retryable, with its wait, and terminal', () => {
    const retryable = acrossThread(new RetryableError('busy', { retryAfterMs: 250 }))
    expect(isRetryableError(retryable)).toBe(true)
    expect(retryable).toMatchObject({ name: 'RetryableError', message: 'busy', retryAfterMs: 250 })
    const terminal = acrossThread(new TerminalError('never', { cause: new Error('because') }))
    expect(isTerminalError(terminal)).toBe(true)
    expect(terminal.cause).toMatchObject({ message: 'because' })
  })

  test('any other error keeps name, code, stack, fields that are plain, and its causes', () => {
    class HttpError extends Error {
      override readonly name = 'HttpError'
      readonly code = 'ECONNRESET'
      readonly status = 503
      readonly body = { reason: 'busy' }
      readonly socket: { self?: unknown } = {}
    }
    const error = new HttpError('no answer', { cause: new Error('reset', { cause: 'a text' }) })
    error.socket.self = error.socket
    const arrived = acrossThread(error)
    expect(arrived).toMatchObject({ name: 'HttpError', message: 'no answer', code: 'ECONNRESET', stack: error.stack })
    expect(arrived).toMatchObject({ status: 503, body: { reason: 'busy' } })
    expect(arrived).not.toHaveProperty('socket')
    expect(describeError(arrived)).toBe('no answer: reset: a value that is no Error was thrown: a text')
    for (const isOurs of [isTroupeError, isRetryableError, isTerminalError]) expect(isOurs(arrived)).toBe(false)
  })

  test('a DOMException goes by its name: its code is a number that means nothing by itself', () => {
    expect(toWireError(new DOMException('late', 'TimeoutError'))).toMatchObject({
      code: 'TimeoutError',
      message: 'late',
    })
    expect(toWireError(Object.assign(new Error('duplicate'), { code: 11_000 }))).toMatchObject({ code: '11000' })
  })

  test('a code that names what every object has is none of ours', () => {
    const wire: WireError = { name: 'TroupeError', message: 'odd', kind: 'troupe', code: 'constructor' }
    expect(isTroupeError(fromWireError(wire))).toBe(false)
  })

  test.each([
    ['a text', 'a text'],
    [{ status: 5 }, '{"status":5}'],
    [undefined, 'undefined'],
    [null, 'null'],
    [5n, '5'],
    [Symbol('s'), 'Symbol(s)'],
  ])('%o is told as thrown', (thrown, text) => {
    expect(acrossThread(thrown).message).toBe(`a value that is no Error was thrown: ${text}`)
  })

  test('a code that only a newer Troupe knows still arrives as an error with that code', () => {
    const wire: WireError = { name: 'TroupeError', message: 'new', kind: 'troupe', code: 'FROM_THE_FUTURE' }
    expect(fromWireError(wire)).toMatchObject({ message: 'new', code: 'FROM_THE_FUTURE' })
    expect(isTroupeError(fromWireError(wire))).toBe(false)
  })

  test('a circle of causes ends', () => {
    const error = new Error('round')
    error.cause = error
    let depth = 0
    for (let at: unknown = acrossThread(error); at instanceof Error; at = at.cause) depth += 1
    expect(depth).toBeLessThan(20)
  })

  test('an error with anything in the place of its text still crosses', () => {
    const error = Object.assign(new Error('x'), { message: () => 5, name: { odd: true } })
    expect(acrossThread(error)).toMatchObject({ name: '{"odd":true}', message: '() => 5' })
  })

  test('large fields stay behind', () => {
    const error = Object.assign(new Error('big'), { small: 1, page: 'x'.repeat(5000) })
    expect(acrossThread(error)).toMatchObject({ small: 1 })
    expect(acrossThread(error)).not.toHaveProperty('page')
  })
})

describe('recognition', () => {
  test('is by brand: a second copy of the package is recognised, a name alone is not', () => {
    const fromOtherCopy = Object.assign(new Error('x'), { [Symbol.for('troupe.error')]: 'retryable' })
    expect(isRetryableError(fromOtherCopy)).toBe(true)
    const impostor = Object.assign(new Error('x'), { name: 'RetryableError' })
    expect(isRetryableError(impostor)).toBe(false)
  })

  test.each([null, undefined, 'TroupeError', 5, {}, new Error('x')])('%o is none of ours', (value) => {
    for (const isOurs of [isTroupeError, isRetryableError, isTerminalError]) expect(isOurs(value)).toBe(false)
  })

  test('the kinds are told apart', () => {
    const kinds = [new TroupeError('INTERNAL', 'x'), new RetryableError('x'), new TerminalError('x')]
    expect(kinds.map(isTroupeError)).toEqual([true, false, false])
    expect(kinds.map(isRetryableError)).toEqual([false, true, false])
    expect(kinds.map(isTerminalError)).toEqual([false, false, true])
  })
})

/** As node and undici throw it where a name has several addresses: the outer message says nothing, the reasons stand in `errors`. */
function refusedEverywhere(): Error {
  const refused = (address: string): Error =>
    Object.assign(new Error(`connect ECONNREFUSED ${address}`), { code: 'ECONNREFUSED' })
  const all = Object.assign(new AggregateError([refused('::1:80'), refused('127.0.0.1:80')]), { code: 'ECONNREFUSED' })
  return new TypeError('fetch failed', { cause: all })
}

describe('the reasons of an error that stands for several', () => {
  const said = 'fetch failed: connect ECONNREFUSED ::1:80, connect ECONNREFUSED 127.0.0.1:80'

  test('are part of its text, here and across a thread', () => {
    expect(describeError(refusedEverywhere())).toBe(said)
    expect(describeError(acrossThread(refusedEverywhere()))).toBe(said)
  })
})

describe('describeError', () => {
  test('has the causes on one line, none twice', () => {
    expect(describeError(new Error('a', { cause: new Error('b', { cause: new Error('c') }) }))).toBe('a: b: c')
    expect(describeError(new Error('a: b', { cause: new Error('b') }))).toBe('a: b')
    expect(describeError('text')).toBe('text')
  })

  test('a circle of causes ends', () => {
    const error = new Error('round')
    error.cause = error
    expect(describeError(error)).toContain('round')
  })
})
