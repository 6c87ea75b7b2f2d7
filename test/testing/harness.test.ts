import { expect, expectTypeOf, test } from 'vitest'
import { deadLetter, defineHandler, done, retry, skip, type HandlerContext } from '../../src/actors/handlers/handler.ts'
import { RetryableError } from '../../src/errors.ts'
import { json, text } from '../../src/streams/flows/codec.ts'
import { table, topic } from '../../src/streams/flows/flow.ts'
import { createHarness, type Harness } from '../../src/testing/harness.ts'

interface Click {
  user: number
  at?: Date
  page: string
}

const clicks = topic<Click>('clicks')
const pages = topic<string>('pages', { value: text })
const visits = table<{ user: number; page: string }>('visits', {
  columns: { user: 'bigint', page: 'text' },
  key: ['user'],
})

const handler = defineHandler({
  input: clicks,
  outputs: [pages, visits],
  handle(click) {
    if (click.page === '') return deadLetter('no page')
    if (click.user < 0) return skip()
    if (click.user === 0) return retry(50)
    return done([pages.record(click.page, { key: click.user }), visits.upsert({ user: click.user, page: click.page })])
  },
})

test('returns what the handler returned, to be compared by value', async () => {
  const harness = createHarness(handler)
  expect(await harness.send({ user: 7, page: '/' })).toEqual(
    done([pages.record('/', { key: 7 }), visits.upsert({ user: 7, page: '/' })]),
  )
  expect(await harness.send({ user: 7, page: '' })).toEqual(deadLetter('no page'))
  expect(await harness.send({ user: -1, page: '/' })).toEqual(skip())
  expect(await harness.send({ user: 0, page: '/' })).toEqual(retry(50))
  expect(await harness.send({ user: 7, page: '' })).not.toEqual(deadLetter('another reason'))
})

test("a value reaches the handler as it would from Kafka: through the input's codec", async () => {
  let seen: unknown
  const harness = createHarness(
    defineHandler({
      input: clicks,
      handle(click) {
        seen = click
        return done()
      },
    }),
  )
  await harness.send({ user: 1, page: '/', at: new Date(0) })
  // JSON has no dates. A handler that called click.at.getTime() would fail in production, and does here.
  expect(seen).toEqual({ user: 1, page: '/', at: '1970-01-01T00:00:00.000Z' })
})

test('bytes that do not decode are a dead letter, with the reason that its headers would give', async () => {
  const checked = defineHandler({
    input: topic('checked', {
      value: json((parsed) => {
        if (typeof parsed !== 'object') throw new Error('not an object')
        return parsed
      }),
    }),
    handle: () => done(),
  })
  const harness = createHarness(checked)
  expect(await harness.sendBytes(Buffer.from('{"a":1}'))).toEqual(done())
  expect(await harness.sendBytes(Buffer.from('17'))).toMatchObject({
    type: 'dead-letter',
    reason: expect.stringContaining('not an object') as string,
  })
  expect(await harness.sendBytes(null)).toMatchObject({
    type: 'dead-letter',
    reason: expect.stringContaining('tombstone') as string,
  })
})

test('tombstones reach a handler that declares them, as null', async () => {
  const harness = createHarness(
    defineHandler({
      input: topic<Click>('clicks', { tombstones: true }),
      handle: (click) => (click === null ? skip() : done()),
    }),
  )
  expect(await harness.send(null)).toEqual(skip())
  expect(await harness.sendBytes(null)).toEqual(skip())
})

test('the context says which record it is', async () => {
  const contexts: HandlerContext<string>[] = []
  const harness = createHarness(
    defineHandler({
      input: clicks,
      setup: () => 'opened',
      handle(_click, context: HandlerContext<string>) {
        contexts.push(context)
        return done()
      },
    }),
  )
  await harness.send({ user: 1, page: '/' })
  await harness.send(
    { user: 1, page: '/' },
    { key: 42, headers: { source: 'test' }, partition: 3, offset: 900, timestamp: 5, attempt: 4 },
  )
  await harness.send({ user: 1, page: '/' }, { key: null })
  const [first, second, third] = contexts
  expect(first).toMatchObject({ id: 'clicks/0/0', attempt: 1, setup: 'opened' })
  expect(first?.record).toMatchObject({ key: null, headers: [], timestamp: Date.UTC(2026, 0, 1) })
  expect(second).toMatchObject({ id: 'clicks/3/900', attempt: 4 })
  expect(second?.record).toMatchObject({
    topic: 'clicks',
    key: Buffer.from('42'),
    headers: [['source', Buffer.from('test')]],
    timestamp: 5,
  })
  expect(third?.id).toBe('clicks/0/901')
  expect(third?.signal.aborted).toBe(false)
})

test('what a handler throws is thrown again, from synchronous and asynchronous ones', async () => {
  const synchronous = createHarness(
    defineHandler({
      input: clicks,
      handle: () => {
        throw new RetryableError('later', { retryAfterMs: 5 })
      },
    }),
  )
  await expect(synchronous.send({ user: 1, page: '/' })).rejects.toMatchObject({ message: 'later', retryAfterMs: 5 })
  const failure = new TypeError('a bug')
  const asynchronous = createHarness(
    defineHandler({
      input: clicks,
      handle: async () => {
        await Promise.resolve()
        throw failure
      },
    }),
  )
  await expect(asynchronous.send({ user: 1, page: '/' })).rejects.toBe(failure)
})

test('an output that the engine could not write fails in the test', async () => {
  const undeclared = createHarness(
    defineHandler({ input: clicks, handle: (click) => done([pages.record(click.page)]) }),
  )
  await expect(undeclared.send({ user: 1, page: '/' })).rejects.toMatchObject({ code: 'ENCODE_FAILED' })
  const cyclic: Record<string, unknown> = {}
  cyclic['self'] = cyclic
  const others = topic<object>('others')
  const unencodable = createHarness(
    defineHandler({ input: clicks, outputs: [others], handle: () => done([others.record(cyclic)]) }),
  )
  await expect(unencodable.send({ user: 1, page: '/' })).rejects.toThrow('others')
  const nothing = createHarness(defineHandler({ input: clicks, handle: (() => undefined) as never }))
  await expect(nothing.send({ user: 1, page: '/' })).rejects.toMatchObject({ code: 'OUTCOME_INVALID' })
})

test('a handler that never returns fails after handlerTimeoutMs', async () => {
  const harness = createHarness(defineHandler({ input: clicks, handle: () => new Promise<never>(() => undefined) }), {
    handlerTimeoutMs: 20,
  })
  await expect(harness.send({ user: 1, page: '/' })).rejects.toMatchObject({ code: 'HANDLER_TIMEOUT' })
})

test('set-up runs once and late; teardown runs once, with what set-up made; a failing set-up is named', async () => {
  const steps: string[] = []
  const harness = createHarness(
    defineHandler({
      input: clicks,
      setup: async () => {
        steps.push('setup')
        await Promise.resolve()
        return { name: 'connection' }
      },
      teardown: ({ name }) => void steps.push(`teardown of ${name}`),
      handle: () => done(),
    }),
  )
  expect(steps).toEqual([])
  await Promise.all([harness.send({ user: 1, page: '/' }), harness.send({ user: 2, page: '/' })])
  await harness.close()
  await harness.close()
  expect(steps).toEqual(['setup', 'teardown of connection'])
  const broken = createHarness(
    defineHandler({
      input: clicks,
      setup: () => {
        throw new Error('no database')
      },
      handle: () => done(),
    }),
  )
  await expect(broken.send({ user: 1, page: '/' })).rejects.toMatchObject({
    code: 'SETUP_FAILED',
    message: expect.stringMatching(/failed: no database$/) as string,
  })
  await broken.close()
})

test('values are typed by the input', () => {
  const harness = createHarness(handler)
  expectTypeOf(harness).toEqualTypeOf<Harness<Click>>()
  // @ts-expect-error -- a click has a page
  const wrong: Parameters<typeof harness.send>[0] = { user: 1 }
  expect(wrong).toBeDefined()
  const nullable = createHarness(
    defineHandler({ input: topic<Click>('clicks', { tombstones: true }), handle: () => done() }),
  )
  expectTypeOf(nullable).toEqualTypeOf<Harness<Click | null>>()
})
