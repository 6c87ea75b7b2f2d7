import { EMPTY, NEVER, of } from 'rxjs'
import { describe, expect, test } from 'vitest'
import { HandlerRunner } from '../../../src/actors/handlers/handler-runner.ts'
import {
  deadLetter,
  defineHandler,
  done,
  retry,
  skip,
  type AnyRecordHandler,
  type HandlerDefinition,
  type Outcome,
} from '../../../src/actors/handlers/handler.ts'
import type { Verdict } from '../../../src/actors/handlers/verdict.ts'
import { RetryableError, TerminalError } from '../../../src/errors.ts'
import { silentLog } from '../../../src/log.ts'
import { table, topic, type Destination } from '../../../src/streams/flows/flow.ts'
import type { SourceRecord } from '../../../src/streams/record.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'

interface Click {
  readonly user: string
}

const clicks = topic<Click>('clicks')
const deletions = topic<Click>('clicks', { tombstones: true })
const out = topic<Click>('out')

type Handle = HandlerDefinition<Click, undefined>['handle']

async function open(handle: Handle, options: { input?: unknown; idHeader?: boolean; outputs?: Destination[] } = {}) {
  const clock = new ManualClock()
  const handler = defineHandler({
    input: (options.input ?? clicks) as typeof clicks,
    outputs: options.outputs ?? [out],
    handle,
  })
  const runner = await HandlerRunner.open({
    handler: handler as never,
    name: 'enrich',
    handlerTimeoutMs: 1_000,
    idHeader: options.idHeader ?? false,
    log: silentLog,
    clock,
  })
  return { runner, clock }
}

function record(value: string | null = '{"user":"ada"}'): SourceRecord {
  return {
    topic: 'clicks',
    partition: 3,
    offset: 7,
    timestamp: 1_000,
    key: Buffer.from('k'),
    value: value === null ? null : Buffer.from(value),
    headers: [],
  }
}

/** What the runner has said by now; null: nothing. */
function watch(running: Verdict | Promise<Verdict>): { readonly seen: Verdict | null } {
  const watched: { seen: Verdict | null } = { seen: null }
  void Promise.resolve(running).then((verdict) => (watched.seen = verdict))
  return watched
}

const runOnce = async (handle: Handle, options?: Parameters<typeof open>[1]) => {
  const { runner } = await open(handle, options)
  return await runner.run(record(), 1)
}

describe('decoding', () => {
  // Case 40.
  test('what the codec cannot read is dead-lettered without the handler, and stays as it is', async () => {
    let calls = 0
    const { runner } = await open(() => {
      calls += 1
      return done()
    })
    const broken = record('{"user":')
    expect(runner.run(broken, 1)).toMatchObject({
      type: 'dead-letter',
      error: { code: 'DECODE_FAILED', cause: { name: 'SyntaxError' } },
    })
    expect(broken.value).toEqual(Buffer.from('{"user":'))
    expect(calls).toBe(0)
  })

  test('a tombstone reaches a handler whose topic has tombstones, as null', async () => {
    const seen: unknown[] = []
    const { runner } = await open(
      (value) => {
        seen.push(value)
        return skip()
      },
      { input: deletions },
    )
    expect(runner.run(record(null), 1)).toEqual({ type: 'skip' })
    expect(seen).toEqual([null])
  })

  test('and is a broken record otherwise', async () => {
    const { runner } = await open(() => done())
    expect(runner.run(record(null), 1)).toMatchObject({ type: 'dead-letter', error: { code: 'DECODE_FAILED' } })
  })

  test('a document null is no tombstone: where null stands for one it is refused, elsewhere it is null', async () => {
    const { runner } = await open(() => skip(), { input: deletions })
    expect(runner.run(record('null'), 1)).toMatchObject({
      type: 'dead-letter',
      error: { code: 'DECODE_FAILED', message: expect.stringContaining('tombstone') as string },
    })
    const seen: unknown[] = []
    const { runner: other } = await open((value) => {
      seen.push(value)
      return skip()
    })
    expect(other.run(record('null'), 1)).toEqual({ type: 'skip' })
    expect(seen).toEqual([null])
  })

  test('an empty value is not a tombstone', async () => {
    const { runner } = await open(() => done(), { input: deletions })
    expect(runner.run(record(''), 1)).toMatchObject({ type: 'dead-letter', error: { code: 'DECODE_FAILED' } })
  })
})

describe('a copy', () => {
  const anything = topic<unknown>('out')
  const copyOf = async (value: string, codec?: Parameters<typeof topic>[1]) => {
    const input = topic('clicks', codec)
    const { runner } = await open((given) => done([anything.record(given)]), { input, outputs: [anything] })
    const verdict = await runner.run(record(value), 1)
    return verdict.type === 'done' && verdict.effects[0]?.type === 'record' ? verdict.effects[0].record.value : verdict
  }

  test('of a document null is a document null', async () => {
    expect(await copyOf('null')).toEqual(Buffer.from('null'))
  })

  test('of 5,000 levels, and of 50,000, is what it was', async () => {
    for (const levels of [5_000, 50_000]) {
      const document = '['.repeat(levels) + ']'.repeat(levels)
      expect(await copyOf(document)).toEqual(Buffer.from(document))
    }
  })
})

describe('outcomes', () => {
  test('outputs come back encoded', async () => {
    const outcome = await runOnce((click) => done([out.record(click, { key: click.user, headers: { via: 'test' } })]))
    expect(outcome).toEqual({
      type: 'done',
      effects: [
        {
          type: 'record',
          record: {
            topic: 'out',
            key: Buffer.from('ada'),
            value: Buffer.from('{"user":"ada"}'),
            headers: [['via', Buffer.from('test')]],
          },
        },
      ],
    })
  })

  test('each output has its own id, when asked for', async () => {
    const outcome = await runOnce((click) => done([out.record(click), out.record(click, { headers: { a: 'b' } })]), {
      idHeader: true,
    })
    const ids =
      outcome.type === 'done'
        ? outcome.effects.map((effect) => effect.type === 'record' && effect.record.headers?.at(-1))
        : []
    expect(ids).toEqual([
      ['troupe-id', Buffer.from('clicks/3/7/0')],
      ['troupe-id', Buffer.from('clicks/3/7/1')],
    ])
  })

  test('skip, retry and deadLetter', async () => {
    expect(await runOnce(() => skip())).toEqual({ type: 'skip' })
    expect(await runOnce(() => done())).toEqual({ type: 'done', effects: [] })
    expect(await runOnce(() => retry(250))).toEqual({ type: 'retry', afterMs: 250, error: undefined })
    expect(await runOnce(() => deadLetter('no user'))).toMatchObject({
      type: 'dead-letter',
      error: { code: 'DEAD_LETTER', message: 'no user' },
    })
  })

  test.each([
    ['nothing', undefined],
    ['object', { type: 'done', effects: [] }],
    ['object', null],
    ['string', 'done'],
  ])('%s is no outcome, and no attempt makes one of it', async (words, value) => {
    for (const handle of [() => value, async () => value]) {
      expect(await runOnce(handle as unknown as Handle)).toMatchObject({
        type: 'dead-letter',
        error: { code: 'OUTCOME_INVALID', message: `handler enrich returned ${words} instead of an outcome` },
      })
    }
  })

  // Case 43: nothing subscribes to it, so whether and how often it emits is of no account.
  test.each([
    ['EMPTY', EMPTY],
    ['NEVER', NEVER],
    ['of(1, 2)', of(done(), done())],
  ])('an observable (%s) is no outcome either: nobody waits for it', async (_name, observable) => {
    expect(await runOnce((() => observable) as unknown as Handle)).toMatchObject({
      type: 'dead-letter',
      error: { code: 'OUTCOME_INVALID' },
    })
  })

  test('a promise of another make is a promise', async () => {
    const thenable = { then: (resolve: (outcome: Outcome) => void) => setImmediate(resolve, skip()) }
    expect(await runOnce(() => thenable as unknown as Promise<Outcome>)).toEqual({ type: 'skip' })
  })

  // Case 41.
  test.each([Number.NaN, -1, Number.POSITIVE_INFINITY])(
    'a delay of %s ms leaves the wait to the back-off',
    async (afterMs) => {
      expect(await runOnce(() => retry(afterMs))).toMatchObject({ type: 'retry', afterMs: undefined })
      expect(
        await runOnce(() => {
          throw new RetryableError('later', { retryAfterMs: afterMs })
        }),
      ).toMatchObject({ type: 'retry', afterMs: undefined })
    },
  )

  test('an output to a topic that the handler does not declare is dead-lettered, and named', async () => {
    expect(await runOnce((click) => done([out.record(click)]), { outputs: [] })).toMatchObject({
      type: 'dead-letter',
      error: { code: 'ENCODE_FAILED', message: expect.stringContaining('topic out') as string },
    })
  })

  // A handler in JavaScript has no compiler that checks it; what it gives must not reach main as garbage.
  test.each([
    ['a codec that gives no bytes', { value: { name: 'odd', encode: () => 'text', decode: () => ({}) } }, {}],
    ['a header that is no bytes', {}, { headers: [['a', 1]] }],
    ['a partition that is no number', {}, { partition: 'one' }],
    ['a timestamp that is no time', {}, { timestamp: Number.NaN }],
  ])('so is %s', async (_, topicOptions, recordOptions) => {
    const odd = topic<Click>('odd', topicOptions as never)
    const handle: Handle = (click) => done([odd.record(click, recordOptions as never)])
    expect(await runOnce(handle, { outputs: [odd] })).toMatchObject({
      type: 'dead-letter',
      error: { code: 'ENCODE_FAILED', cause: { name: 'TypeError' } },
    })
  })

  test('a header may be text, as one of a list too', async () => {
    const outcome = await runOnce((click) => done([out.record(click, { headers: [['a', 'b']] as never })]))
    expect(outcome).toMatchObject({ effects: [{ record: { headers: [['a', Buffer.from('b')]] } }] })
  })

  test('so is a column that holds a function', async () => {
    const clicksTable = table<{ user: unknown }>('clicks', { columns: { user: 'text' }, key: ['user'] })
    const handle: Handle = () => done([clicksTable.upsert({ user: () => undefined })])
    expect(await runOnce(handle, { outputs: [clicksTable] })).toMatchObject({
      type: 'dead-letter',
      error: { code: 'ENCODE_FAILED', message: 'column user (text) of table clicks could not be encoded' },
    })
  })

  test('so is a value that cannot be encoded', async () => {
    const cycle: { self?: unknown } = {}
    cycle.self = cycle
    expect(await runOnce(() => done([out.record(cycle as unknown as Click)]))).toMatchObject({
      type: 'dead-letter',
      error: { code: 'ENCODE_FAILED', cause: { name: 'TypeError' } },
    })
  })
})

describe('what a handler throws', () => {
  const thrown: [string, unknown, object][] = [
    ['a RetryableError', new RetryableError('later', { retryAfterMs: 40 }), { type: 'retry', afterMs: 40 }],
    ['a TerminalError', new TerminalError('never'), { type: 'dead-letter', error: { kind: 'terminal' } }],
    ['any other error', new TypeError('oops'), { type: 'failed', error: { name: 'TypeError', message: 'oops' } }],
    ['text', 'oops', { type: 'failed', error: { message: 'a value that is no Error was thrown: oops' } }],
    ['undefined', undefined, { type: 'failed', error: { message: 'a value that is no Error was thrown: undefined' } }],
  ]
  test.each(thrown)('%s, thrown or rejected with', async (_, error, expected) => {
    const throws = () => {
      throw error
    }
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- what users' handlers reject with
    const rejects = () => Promise.reject(error)
    expect(await runOnce(throws)).toMatchObject(expected)
    expect(await runOnce(rejects as Handle)).toMatchObject(expected)
  })

  test.each(['throws', 'rejects with'])('one that %s an error that cannot be looked at has failed', async (how) => {
    const error = Object.defineProperty(new Error('boom'), 'code', {
      get() {
        throw new Error('no code for you')
      },
    })
    const handle: Handle = () => {
      if (how === 'throws') throw error
      return Promise.reject(error)
    }
    expect(await runOnce(handle)).toEqual({
      type: 'failed',
      error: {
        name: 'Error',
        message: 'handler enrich threw an error that throws when it is looked at',
        kind: 'other',
      },
    })
  })
})

describe('asynchronous handlers', () => {
  test('time out; the signal is aborted, and no timer is left', async () => {
    let reason: Error | undefined
    const { runner, clock } = await open(
      (_, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reason = signal.reason as Error
            reject(reason)
          })
        }),
    )
    const verdict = runner.run(record(), 2)
    await clock.advance(999)
    expect(reason).toBeUndefined()
    await clock.advance(1)
    expect(await verdict).toMatchObject({
      type: 'failed',
      error: {
        code: 'HANDLER_TIMEOUT',
        message: 'handler enrich did not return within 1000 ms on record clicks/3/7 (attempt 2)',
      },
    })
    expect(reason).toBeInstanceOf(RetryableError)
    expect(clock.pendingTimers).toBe(0)
  })

  test('one that ignores its signal is waited for as long again, and then given up', async () => {
    const { runner, clock } = await open(() => new Promise(() => undefined))
    const verdict = watch(runner.run(record(), 1))
    await clock.advance(1_999)
    expect(verdict.seen).toBeNull()
    await clock.advance(1)
    expect(verdict.seen).toMatchObject({ type: 'failed', error: { code: 'HANDLER_TIMEOUT' } })
    expect(clock.pendingTimers).toBe(0)
  })

  test.each(['resolves', 'rejects'])(
    'one that %s after its time-out ends the wait; its result is discarded',
    async (how) => {
      let end: () => void = () => undefined
      const { runner, clock } = await open(
        () =>
          new Promise((resolve, reject) => {
            end = how === 'resolves' ? () => resolve(done()) : () => reject(new Error('too late'))
          }),
      )
      const verdict = watch(runner.run(record(), 1))
      await clock.advance(1_500)
      expect(verdict.seen).toBeNull()
      end()
      await clock.settle()
      expect(verdict.seen).toMatchObject({ type: 'failed', error: { code: 'HANDLER_TIMEOUT' } })
      expect(clock.pendingTimers).toBe(0)
    },
  )

  // Case 42.
  test.each(['resolves', 'rejects'])('one that %s after its time-out changes nothing any more', async (how) => {
    let end: () => void = () => undefined
    const { runner, clock } = await open(
      () =>
        new Promise((resolve, reject) => {
          end = how === 'resolves' ? () => resolve(done()) : () => reject(new Error('too late'))
        }),
    )
    const verdict = runner.run(record(), 1)
    await clock.advance(1_000)
    end()
    await clock.settle()
    expect(await verdict).toMatchObject({ type: 'failed', error: { code: 'HANDLER_TIMEOUT' } })
  })

  test('one that fails after its time-out is not asked about again', async () => {
    const asked: string[] = []
    const handler = defineHandler<Click>({
      input: clicks,
      handle: (_, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reject(new Error('fetch aborted'))
          })
        }),
      onError(error) {
        asked.push((error as Error).message)
        return 'retry'
      },
    })
    const clock = new ManualClock()
    const runner = await HandlerRunner.open({
      handler: handler as AnyRecordHandler,
      name: 'enrich',
      handlerTimeoutMs: 1_000,
      idHeader: false,
      log: silentLog,
      clock,
    })
    const verdict = runner.run(record(), 1)
    await clock.advance(1_000)
    expect(await verdict).toMatchObject({ type: 'retry' })
    await clock.settle()
    expect(asked).toHaveLength(1)
  })

  test('a Promise of their own class that cannot be waited for is an attempt that failed', async () => {
    class Odd extends Promise<Outcome> {
      override then(): never {
        throw new Error('not like this')
      }
    }
    const { runner, clock } = await open(() => new Odd(() => undefined))
    expect(await runner.run(record(), 1)).toMatchObject({ type: 'failed', error: { message: 'not like this' } })
    expect(clock.pendingTimers).toBe(0)
  })

  test('one that is overdue is waited for no longer once the runner is closed, and is no left-over', async () => {
    const { runner, clock } = await open(() => new Promise(() => undefined))
    const running = watch(runner.run(record(), 1))
    await clock.advance(1_000)
    expect(running.seen).toBeNull()
    await runner.close()
    await clock.settle()
    expect(running.seen).toMatchObject({ error: { code: 'HANDLER_TIMEOUT' } })
    expect([clock.pendingTimers, runner.leftOverRecords]).toEqual([0, 0])
  })

  test('one that settles in time leaves no timer', async () => {
    const { runner, clock } = await open(async () => done())
    expect(await runner.run(record(), 1)).toEqual({ type: 'done', effects: [] })
    expect(clock.pendingTimers).toBe(0)
  })
})

test('the context says which record it is and which try', async () => {
  const { runner } = await open((_, { id, attempt, record: { key }, setup }) =>
    deadLetter(`${id} ${attempt} ${String(key)} ${String(setup)}`),
  )
  expect(runner.run(record(), 4)).toMatchObject({ error: { message: 'clicks/3/7 4 k undefined' } })
})

describe('setup and teardown', () => {
  const options = { name: 'enrich', handlerTimeoutMs: 1_000, idHeader: false, log: silentLog, clock: new ManualClock() }

  test('what setup returns reaches handle and teardown', async () => {
    const torn: string[] = []
    const handler = defineHandler<Click, string>({
      input: clicks,
      setup: async () => 'database',
      handle: (_, { setup }) => deadLetter(setup),
      teardown: (setup) => void torn.push(setup),
    })
    const runner = await HandlerRunner.open({ ...options, handler: handler as never })
    expect(runner.run(record(), 1)).toMatchObject({ error: { message: 'database' } })
    await runner.close()
    expect(torn).toEqual(['database'])
  })

  test('a failure of either names the handler', async () => {
    const fails = () => {
      throw new Error('no database')
    }
    const handler = defineHandler<Click>({ input: clicks, handle: () => done(), teardown: fails })
    await expect(
      HandlerRunner.open({ ...options, handler: { ...handler, setup: fails } as never }),
    ).rejects.toMatchObject({
      code: 'SETUP_FAILED',
      message: expect.stringContaining('setup of handler enrich failed') as string,
      cause: { message: 'no database' },
    })
    const runner = await HandlerRunner.open({ ...options, handler: handler as never })
    await expect(runner.close()).rejects.toThrow('teardown of handler enrich failed')
  })
})
