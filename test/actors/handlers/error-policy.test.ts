import { describe, expect, test } from 'vitest'
import {
  defineHandler,
  done,
  deadLetter,
  retry,
  type FailedRecords,
  type HandlerDefinition,
} from '../../../src/actors/handlers/handler.ts'
import { HandlerRunner } from '../../../src/actors/handlers/handler-runner.ts'
import { endsRun, type Verdict } from '../../../src/actors/handlers/verdict.ts'
import { RetryableError, TerminalError, isTroupeError } from '../../../src/errors.ts'
import { silentLog } from '../../../src/log.ts'

import { topic } from '../../../src/streams/flows/flow.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { sourceRecord } from '../actor-fixture.ts'

const input = topic<number>('clicks')
const jsonRecord = { ...sourceRecord(7), value: Buffer.from('1') }

async function run(
  definition: Partial<HandlerDefinition<number, undefined>>,
  options: { failedRecords?: FailedRecords; record?: typeof jsonRecord } = {},
) {
  const warnings: string[] = []
  const clock = new ManualClock()
  const runner = await HandlerRunner.open({
    handler: defineHandler({ input, handle: () => done(), ...definition }) as never,
    name: 'h',
    handlerTimeoutMs: 50,
    idHeader: false,
    ...(options.failedRecords === undefined ? {} : { failedRecords: options.failedRecords }),
    log: { ...silentLog, warn: (_fields, message) => warnings.push(message) },
    clock,
  })
  const attempt = (): Verdict | Promise<Verdict> => runner.run(options.record ?? jsonRecord, 3)
  return { attempt, warnings, clock }
}

const throws =
  (error: unknown): (() => never) =>
  () => {
    throw error
  }

describe('onError', () => {
  test.each([
    ['retry', 'retry'],
    ['dead-letter', 'dead-letter'],
    ['park', 'park'],
    ['stop', 'stop'],
    ['escalate', 'escalate'],
    ['skip', 'skip-failed'],
  ] as const)('%s becomes the verdict, with the error', async (decision, type) => {
    const { attempt } = await run({ handle: throws(new Error('boom')), onError: () => decision })
    expect(attempt()).toMatchObject({ type, error: { message: 'boom' } })
  })

  test('sees the error as it was thrown, and the record, attempt and id', async () => {
    const error = Object.assign(new Error('gone'), { status: 410 })
    const seen: unknown[] = []
    const { attempt } = await run({
      handle: throws(error),
      onError: (thrown, { attempt: at, id, record }) => {
        seen.push(thrown, at, id, record)
        return 'park'
      },
    })
    await attempt()
    expect(seen).toEqual([error, 3, 'clicks/0/7', jsonRecord])
  })

  test('goes over the word of the error class', async () => {
    const park = await run({ handle: throws(new RetryableError('later')), onError: () => 'park' })
    expect(park.attempt()).toMatchObject({ type: 'park' })
    const retry = await run({ handle: throws(new TerminalError('never')), onError: () => 'retry' })
    expect(retry.attempt()).toMatchObject({ type: 'retry', afterMs: undefined })
  })

  test('retry keeps the delay that the error names', async () => {
    const error = new RetryableError('later', { retryAfterMs: 700 })
    const { attempt } = await run({ handle: throws(error), onError: () => 'retry' })
    expect(attempt()).toMatchObject({ type: 'retry', afterMs: 700 })
  })

  test.each([
    ['attempts without limit', { retry: 'unlimited' }, { type: 'retry-unlimited', afterMs: undefined }],
    ['and after a delay', { retry: 'unlimited', afterMs: 700 }, { type: 'retry-unlimited', afterMs: 700 }],
    ['a delay alone', { retry: 'limited', afterMs: 0 }, { type: 'retry', afterMs: 0 }],
  ] as const)('may say %s', async (_what, decision, verdict) => {
    const { attempt, warnings } = await run({ handle: throws(new Error('boom')), onError: () => decision })
    expect(attempt()).toMatchObject({ ...verdict, error: { message: 'boom' } })
    expect(warnings).toEqual([])
  })

  test('without limit keeps the delay that the error names, unless it names one itself', async () => {
    const error = new RetryableError('later', { retryAfterMs: 700 })
    const kept = await run({ handle: throws(error), onError: () => ({ retry: 'unlimited' }) })
    expect(kept.attempt()).toMatchObject({ type: 'retry-unlimited', afterMs: 700 })
    const own = await run({ handle: throws(error), onError: () => ({ retry: 'unlimited', afterMs: 5 }) })
    expect(own.attempt()).toMatchObject({ type: 'retry-unlimited', afterMs: 5 })
  })

  // A header that says nothing, read as a number: the record must neither be lost nor wait for ever.
  test.each([
    [{ retry: 'unlimited', afterMs: Number.NaN }, /returned afterMs: NaN; the back-off serves$/],
    [{ retry: 'unlimited', afterMs: -1 }, /returned afterMs: -1; the back-off serves$/],
    [{ retry: 'unlimited', afterMs: '5' }, /returned afterMs: '5'; the back-off serves$/],
    [{ retry: 'unlimited', after: 5 }, /returned after, which no decision has: only retry and afterMs$/],
  ])('%o still says that the record is tried again, and is told of', async (decision, warning) => {
    const { attempt, warnings } = await run({ handle: throws(new Error('x')), onError: () => decision as never })
    expect(attempt()).toMatchObject({ type: 'retry-unlimited', afterMs: undefined })
    expect(warnings).toEqual([expect.stringMatching(warning)])
  })

  test('is asked for a rejection, a time-out, a wrong outcome and bytes that do not decode', async () => {
    const codes: unknown[] = []
    const onError = (error: unknown): 'park' => {
      codes.push(isTroupeError(error) ? error.code : 'rejected')
      return 'park'
    }
    const rejected = await run({ handle: () => Promise.reject(new Error('boom')), onError })
    expect((await rejected.attempt()).type).toBe('park')
    const late = await run({ handle: () => new Promise(() => undefined), onError })
    const verdict = late.attempt()
    // Its limit, and as long again for what ignores its signal.
    await late.clock.advance(100)
    expect((await verdict).type).toBe('park')
    const wrong = await run({ handle: () => 5 as never, onError })
    expect(wrong.attempt()).toMatchObject({ type: 'park' })
    const garbled = await run({ onError }, { record: { ...jsonRecord, value: Buffer.from('{') } })
    expect(garbled.attempt()).toMatchObject({ type: 'park' })
    expect(codes).toEqual(['rejected', 'HANDLER_TIMEOUT', 'OUTCOME_INVALID', 'DECODE_FAILED'])
  })

  test("is not asked for the handler's own outcomes", async () => {
    const { attempt } = await run({ handle: () => deadLetter('bad'), onError: () => 'park' })
    expect(attempt()).toMatchObject({ type: 'dead-letter', error: { message: 'bad' } })
  })

  // Case 41.
  test.each([
    ['throws', throws(new Error('a bug in the policy'))],
    ['returns nonsense', () => 'drop it' as never],
    ['returns null', () => null as never],
    ['returns a near miss', () => ({ retry: 'unlimted' }) as never],
    [
      'returns what throws when it is looked at',
      () => Object.defineProperty({}, 'retry', { get: throws('!') }) as never,
    ],
    ['is asynchronous', () => Promise.reject(new Error('too late')) as never],
  ])('that %s leaves it to the default rules, and is told once', async (_what, onError) => {
    const { attempt, warnings } = await run({ handle: throws(new TerminalError('never')), onError })
    expect(attempt()).toMatchObject({ type: 'dead-letter', error: { message: 'never' } })
    expect(attempt()).toMatchObject({ type: 'dead-letter' })
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toMatch(/^onError of handler h .*; the default rules decide$/)
  })

  test('that says nothing leaves it to the default rules, silently', async () => {
    const { attempt, warnings } = await run({ handle: throws(new Error('boom')), onError: () => undefined })
    expect(attempt()).toMatchObject({ type: 'failed' })
    expect(warnings).toEqual([])
  })
})

describe('without onError', () => {
  test.each([
    ['dead-letter', 'dead-letter'],
    ['park', 'park'],
    ['stop', 'stop'],
    ['escalate', 'escalate'],
    ['skip', 'skip-failed'],
  ] as const)('what no attempt will change becomes what failedRecords says: %s', async (failedRecords, type) => {
    const terminal = await run({ handle: throws(new TerminalError('never')) }, { failedRecords })
    expect(terminal.attempt()).toMatchObject({ type })
    const garbled = await run({}, { failedRecords, record: { ...jsonRecord, value: Buffer.from('{') } })
    expect(garbled.attempt()).toMatchObject({ type, error: { code: 'DECODE_FAILED' } })
  })

  test('deadLetter() is a word of the handler, and stands whatever failedRecords says', async () => {
    const { attempt } = await run({ handle: () => deadLetter('bad') }, { failedRecords: 'park' })
    expect(attempt()).toMatchObject({ type: 'dead-letter' })
  })
})

test('the lane goes on after what leaves the line, and only then', () => {
  const error = { name: 'E', message: 'm', kind: 'other' as const }
  const goesOn: Verdict[] = [{ type: 'skip' }, { type: 'dead-letter', error }, { type: 'skip-failed', error }]
  const waits: Verdict[] = [
    { type: 'failed', error },
    { type: 'retry', afterMs: undefined, error },
    { type: 'retry-unlimited', afterMs: undefined, error },
    { type: 'park', error },
    { type: 'stop', error },
    { type: 'escalate', error },
    { type: 'unrun' },
  ]
  expect([...goesOn, ...waits].map(endsRun)).toEqual([...goesOn.map(() => false), ...waits.map(() => true)])
})

// Case 41.
test.each([Number.NaN, -1, Number.POSITIVE_INFINITY])('a delay of %s is none: the back-off serves', async (afterMs) => {
  const asked = await run({ handle: () => retry(afterMs) })
  expect(asked.attempt()).toMatchObject({ type: 'retry', afterMs: undefined })
  const thrown = await run({ handle: throws(new RetryableError('later', { retryAfterMs: afterMs })) })
  expect(thrown.attempt()).toMatchObject({ type: 'retry', afterMs: undefined })
})
