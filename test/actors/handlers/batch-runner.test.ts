import { describe, expect, test } from 'vitest'
import { defineBatchHandler, type BatchHandlerDefinition } from '../../../src/actors/handlers/batch-handler.ts'
import { BatchRunner } from '../../../src/actors/handlers/batch-runner.ts'
import { deadLetter, done, retry, skip } from '../../../src/actors/handlers/handler.ts'
import type { Verdict } from '../../../src/actors/handlers/verdict.ts'
import { sleep } from '../../../src/clock.ts'
import { RetryableError, TerminalError } from '../../../src/errors.ts'
import { silentLog } from '../../../src/log.ts'
import { json } from '../../../src/streams/flows/codec.ts'
import { topic } from '../../../src/streams/flows/flow.ts'
import type { SourceRecord } from '../../../src/streams/record.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'

interface Click {
  readonly n: number
}

const clicks = topic<Click>('clicks')
const out = topic<number>('out', { value: json((value) => value as number) })

type Definition = Partial<BatchHandlerDefinition<Click, undefined>>

async function open(definition: Definition & Pick<BatchHandlerDefinition<Click, undefined>, 'handle'>) {
  const clock = new ManualClock()
  const warnings: string[] = []
  const runner = await BatchRunner.open({
    handler: defineBatchHandler({ input: clicks, outputs: [out], ...definition }) as never,
    name: 'post',
    handlerTimeoutMs: 1_000,
    idHeader: true,
    log: { ...silentLog, warn: (_, message) => warnings.push(message) },
    clock,
  })
  /** Records with these values; what is no object is garbage. */
  const run = (...values: (Click | string)[]): readonly Verdict[] | Promise<readonly Verdict[]> =>
    runner.run(values.map((value, offset) => ({ record: recordOf(value, offset), attempt: offset + 1 })))
  return { clock, run, runner, warnings }
}

function recordOf(value: Click | string, offset: number): SourceRecord {
  const bytes = Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
  return {
    topic: 'clicks',
    partition: 3,
    offset,
    timestamp: 1,
    key: Buffer.from(`key ${offset}`),
    value: bytes,
    headers: [],
  }
}

const typesOf = (verdicts: readonly Verdict[]): string[] => verdicts.map(({ type }) => type)
const codesOf = (verdicts: readonly Verdict[]): unknown[] =>
  verdicts.map((verdict) => ('error' in verdict ? verdict.error?.code : undefined))

describe('a call', () => {
  test('gets typed values, each with its key, id and attempt; each outcome is that of its record', async () => {
    const seen: unknown[] = []
    const { run } = await open({
      handle(records) {
        seen.push(...records.map(({ attempt, id, key, value }) => [value.n, String(key), id, attempt]))
        return records.map(({ value }) => [done([out.record(value.n)]), skip(), deadLetter('no'), retry(50)][value.n]!)
      },
    })
    const verdicts = await run({ n: 0 }, { n: 1 }, { n: 2 }, { n: 3 })
    expect(seen).toEqual([0, 1, 2, 3].map((n) => [n, `key ${n}`, `clicks/3/${n}`, n + 1]))
    expect(typesOf(verdicts)).toEqual(['done', 'skip', 'dead-letter', 'retry'])
    expect(verdicts[3]).toEqual({ type: 'retry', afterMs: 50, error: undefined })
    expect(verdicts[0]).toMatchObject({
      effects: [{ record: { value: Buffer.from('0'), headers: [['troupe-id', Buffer.from('clicks/3/0/0')]] } }],
    })
  })

  test('a record that does not decode never reaches the handler, and fails alone', async () => {
    const seen: number[] = []
    const { run } = await open({
      handle(records) {
        seen.push(...records.map(({ value }) => value.n))
        return records.map(() => done())
      },
    })
    const verdicts = await run({ n: 1 }, 'garbage', { n: 2 })
    expect(seen).toEqual([1, 2])
    expect([typesOf(verdicts), codesOf(verdicts)[1]]).toEqual([['done', 'dead-letter', 'done'], 'DECODE_FAILED'])
  })

  test('of records that do not decode the handler gets no call', async () => {
    let calls = 0
    const { run } = await open({
      handle() {
        calls += 1
        return done()
      },
    })
    expect([typesOf(await run('garbage', 'more')), calls]).toEqual([['dead-letter', 'dead-letter'], 0])
  })

  test('a record whose outputs do not encode, or whose outcome is none, fails alone', async () => {
    const elsewhere = topic('elsewhere')
    const { run } = await open({
      handle: (records) =>
        records.map(({ value }) => [done(), done([elsewhere.record(1)]), undefined as never, done()][value.n]!),
    })
    const verdicts = await run({ n: 0 }, { n: 1 }, { n: 2 }, { n: 3 })
    expect(typesOf(verdicts)).toEqual(['done', 'dead-letter', 'dead-letter', 'done'])
    expect(codesOf(verdicts)).toEqual([undefined, 'ENCODE_FAILED', 'OUTCOME_INVALID', undefined])
  })

  test('that sorts what it was given gives no record the outcome of another', async () => {
    const { run } = await open({
      handle(records) {
        ;(records as (typeof records)[number][]).reverse()
        return [skip(), done()]
      },
    })
    // By the order in which they were given.
    expect(typesOf(await run({ n: 0 }, 'garbage', { n: 1 }))).toEqual(['skip', 'dead-letter', 'done'])
  })

  test.each([
    ['done()', done(), { type: 'done', effects: [] }],
    ['skip()', skip(), { type: 'skip' }],
    ['deadLetter()', deadLetter('all'), { type: 'dead-letter', error: { message: 'all' } }],
    ['retry()', retry(20), { type: 'retry', afterMs: 20, isShared: true }],
  ])('one %s is that of all records', async (_, outcome, verdict) => {
    const { run } = await open({ handle: () => outcome })
    expect(await run({ n: 1 }, { n: 2 })).toMatchObject([verdict, verdict])
  })
})

describe('a call that fails as a whole', () => {
  test("by a RetryableError, is nobody's fault: all go again together", async () => {
    const { run, warnings } = await open({
      handle: () => Promise.reject(new RetryableError('busy', { retryAfterMs: 70 })),
    })
    const retryAll = { type: 'retry', afterMs: 70, isShared: true, error: { message: 'busy' } }
    expect(await run({ n: 1 }, { n: 2 })).toMatchObject([retryAll, retryAll])
    expect(warnings).toEqual([])
  })

  test.each([
    ['throws a RetryableError', () => Promise.reject(new RetryableError('busy'))],
    ['returns one retry()', () => retry()],
    ['returns retry() for it', () => [retry()]],
  ])('one record whose call %s has shared it with nobody', async (_, handle) => {
    const [verdict] = await (await open({ handle })).run({ n: 1 })
    expect(verdict).toMatchObject({ type: 'retry' })
    expect(verdict).not.toHaveProperty('isShared')
  })

  test.each([
    ['an ordinary error', new Error('boom'), 'failed'],
    ['a TerminalError', new TerminalError('no'), 'dead-letter'],
  ])("by %s, is somebody's: each goes again alone, and then it is its own", async (_, error, alone) => {
    const { run, warnings } = await open({
      handle() {
        throw error
      },
    })
    expect(typesOf(await run({ n: 1 }, 'garbage', { n: 2 }))).toEqual(['alone', 'dead-letter', 'alone'])
    expect(typesOf(await run({ n: 1 }))).toEqual([alone])
    expect(warnings).toEqual([expect.stringContaining('each of its 2 records goes again alone')])
  })

  test.each([
    ['fewer outcomes', () => [done()], 'handler post returned 1 outcome for 2 records'],
    ['more outcomes', () => [done(), done(), done()], 'handler post returned 3 outcomes for 2 records'],
    ['nothing', () => undefined as never, 'handler post returned nothing instead of an outcome for each of 2 records'],
    ['one outcome with outputs', () => done([out.record(1)]), 'returned one outcome with outputs for 2 records'],
  ])('by %s, says so', async (_, handle, message) => {
    const errors: unknown[] = []
    const { run } = await open({
      handle,
      onError(error, { failed }) {
        errors.push(error, failed)
        return undefined
      },
    })
    expect(typesOf(await run({ n: 1 }, { n: 2 }))).toEqual(['alone', 'alone'])
    expect(errors).toMatchObject([
      { code: 'OUTCOME_INVALID', message: expect.stringContaining(message) as unknown },
      null,
    ])
  })

  test('ends by its time-out, and is counted by its records until it has ended', async () => {
    let letGo: () => void = () => undefined
    let isAborted = false
    const { clock, run, runner } = await open({
      handle(records, { signal }) {
        signal.addEventListener('abort', () => (isAborted = true))
        return new Promise((resolve) => {
          letGo = () => {
            resolve(records.map(() => done()))
          }
        })
      },
    })
    const changes: number[] = []
    runner.onLeftOver = (change) => changes.push(change)
    const verdicts = run({ n: 1 }, { n: 2 }, { n: 3 }) as Promise<readonly Verdict[]>
    await clock.advance(1_000)
    expect([isAborted, changes]).toEqual([true, []])
    await clock.advance(1_000)
    expect([typesOf(await verdicts), changes, runner.leftOverRecords]).toEqual([['alone', 'alone', 'alone'], [3], 3])
    letGo()
    await clock.settle()
    expect([changes, runner.leftOverRecords]).toEqual([[3, -3], 0])
  })

  test("goes by its handler's onError: again together, or alone before anything is final", async () => {
    const decisions = { busy: 'retry', broken: 'park', bad: 'dead-letter' } as const
    const asked: (string | null)[] = []
    const { run } = await open({
      handle: ([first]) => Promise.reject(new Error(['busy', 'broken', 'bad'][first!.value.n])),
      onError(error, { failed }) {
        asked.push(failed?.id ?? null)
        return decisions[(error as Error).message as keyof typeof decisions]
      },
    })
    expect(await run({ n: 0 }, { n: 0 })).toMatchObject([{ type: 'retry', isShared: true }, { type: 'retry' }])
    expect(typesOf(await run({ n: 1 }, { n: 1 }))).toEqual(['alone', 'alone'])
    expect(typesOf(await run({ n: 1 }))).toEqual(['park'])
    expect(asked).toEqual([null, null, 'clicks/3/0'])
  })

  test("onError is asked about a record's own failure with that record", async () => {
    const asked: unknown[] = []
    const { run } = await open({
      handle: (records) => records.map(() => done()),
      onError(error, { failed }) {
        asked.push([(error as { code: string }).code, failed?.id, failed?.attempt])
        return 'park'
      },
    })
    expect(typesOf(await run({ n: 1 }, 'garbage'))).toEqual(['done', 'park'])
    expect(asked).toEqual([['DECODE_FAILED', 'clicks/3/1', 2]])
  })
})

test('a thenable of another make is waited for', async () => {
  const { clock, run } = await open({
    handle: (records) =>
      ({
        then: (resolve: (value: unknown) => void) =>
          void sleep(clock, 5).then(() => {
            resolve(records.map(() => skip()))
          }),
      }) as never,
  })
  const verdicts = run({ n: 1 })
  await clock.advance(5)
  expect(typesOf(await verdicts)).toEqual(['skip'])
})

describe('limits', () => {
  const handle = () => done()

  test('have defaults', () => {
    expect(defineBatchHandler({ input: clicks, handle })).toMatchObject({
      maxRecords: 100,
      maxBytes: 1_048_576,
      maxWaitMs: 0,
    })
  })

  test('that are none are all named at once', () => {
    const define = () =>
      defineBatchHandler({ input: clicks, handle, maxRecords: 0, maxBytes: 1.5, maxWaitMs: Number.NaN })
    expect(define).toThrow(
      /of topic clicks: maxRecords has to be a whole number from 1 .*is 0; maxBytes .*is 1.5; maxWaitMs .*is NaN/,
    )
  })
})
