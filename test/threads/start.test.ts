/** A pool that cannot start says why, once, and leaves nothing behind; so does one that cannot go on. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { WorkerPool } from '../../src/actors/threads/worker-pool.ts'
import { describeError, isTroupeError } from '../../src/errors.ts'
import {
  expectNoMoreThan,
  fixtureUrl,
  resources,
  poolOptions,
  scripts,
  startPool,
  until,
  type PoolSettings,
} from './pool-fixture.ts'

let directory = ''
let unhandled: unknown[] = []
const noteUnhandled = (reason: unknown): void => {
  unhandled.push(reason)
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'troupe-threads-'))
  // The first of its kind brings up helper threads of Node's own, which stay.
  await WorkerPool.start(poolOptions(fixtureUrl('no-such-handler.js')).options).catch(() => undefined)
  process.on('unhandledRejection', noteUnhandled)
})

afterAll(() => {
  process.off('unhandledRejection', noteUnhandled)
  rmSync(directory, { recursive: true })
})

afterEach(() => {
  expect(unhandled).toEqual([])
  unhandled = []
})

function moduleUrl(source: string): string {
  const file = join(directory, `module-${Math.random().toString(36).slice(2)}.js`)
  writeFileSync(file, source)
  return pathToFileURL(file).href
}

async function failureOf(url: string, settings: PoolSettings = {}) {
  const before = resources()
  const { options, fatal, stats } = poolOptions(url, settings)
  const error: unknown = await WorkerPool.start(options).then(
    () => new Error('the pool started'),
    (cause: unknown) => cause,
  )
  expect(fatal).toEqual([])
  expect(stats.threads).toEqual({ starting: 0, idle: 0, busy: 0 })
  await expectNoMoreThan(before)
  return { code: isTroupeError(error) ? error.code : 'no error of ours', message: describeError(error) }
}

describe('a limit for the heap of a thread that is lifted from outside', () => {
  afterEach(() => setFlagsFromString('--max-old-space-size=0'))

  test('is refused, and holds without the flag', async () => {
    const threads = { maxHeapMb: 64 }
    setFlagsFromString('--max-old-space-size=512')
    const failure = await failureOf(fixtureUrl('copy.js'), { threads })
    expect(failure.code).toBe('OPTIONS_INVALID')
    expect(failure.message).toMatch(/threads.maxHeapMb.*64.*--max-old-space-size/)
    setFlagsFromString('--max-old-space-size=0')
    const { pool } = await startPool(fixtureUrl('copy.js'), { threads })
    await pool.destroy()
  })
})

describe('a pool whose handler module is broken does not start', () => {
  test.each([
    { name: 'a syntax error', source: 'export default defineHandler({', words: 'SyntaxError: Unexpected end of input' },
    { name: 'no default export', source: 'export const handler = 1', words: 'exports no handler as default' },
    {
      name: 'another default export',
      source: 'export default { handle() {} }',
      words: 'exports no handler as default',
    },
    { name: 'a missing import', source: "import './no-such-file.js'", words: 'no-such-file.js' },
    { name: 'an error while it loads', source: "throw new Error('not today')", words: 'Error: not today' },
    {
      name: 'an exit while it loads',
      source: 'process.exit(4)',
      words: '.js: the thread exited with code 4',
    },
  ])('$name', async ({ source, words }) => {
    const { code, message } = await failureOf(moduleUrl(source))
    expect(code).toBe('HANDLER_NOT_LOADED')
    expect(message).toContain(words)
    // Which one, where an app has many.
    expect(message).toMatch(/handler module \/.*module-\w+\.js/)
  })

  test('no such module', async () => {
    const { code, message } = await failureOf(fixtureUrl('no-such-handler.js'))
    expect(code).toBe('HANDLER_NOT_LOADED')
    expect(message).toContain('no-such-handler.js')
  })

  test('a top-level await that never settles', async () => {
    const { code, message } = await failureOf(moduleUrl('await new Promise(() => undefined)'), {
      pool: { startTimeoutMs: 500 },
    })
    expect(code).toBe('HANDLER_NOT_LOADED')
    expect(message).toBe('2 of 2 threads did not load and set up their handlers within 500 ms')
  })

  test('a thread entry that is not there', async () => {
    const entry = new URL('fixtures/no-such-entry.js', import.meta.url)
    const { code } = await failureOf(fixtureUrl('scripted.js'), { pool: { entry } })
    expect(code).toBe('HANDLER_NOT_LOADED')
  })
})

describe('a pool whose setup fails does not start', () => {
  test('it throws: the causes are told', async () => {
    const { code, message } = await failureOf(fixtureUrl('setup-throws.js'))
    expect(code).toBe('SETUP_FAILED')
    expect(message).toBe('setup of handler enrich failed: no database: ECONNREFUSED')
  })

  // Node.js can abort the process when a thread is ended while it loads modules.
  test('threads that still load are waited for, and what they have set up is torn down', async () => {
    const marker = join(directory, 'one-fails')
    const { code } = await failureOf(fixtureUrl('one-fails.js', { marker }), { threads: { count: 3 } })
    expect(code).toBe('SETUP_FAILED')
    expect(readFileSync(marker, 'utf8').trim().split('\n')).toHaveLength(2)
  })

  test('it never returns', async () => {
    const { code } = await failureOf(fixtureUrl('setup-hangs.js'), { pool: { startTimeoutMs: 500 } })
    expect(code).toBe('HANDLER_NOT_LOADED')
  })

  test.each([
    { name: 'it exits', module: 'setup-exits.js', words: 'exited with code 5' },
    { name: 'it throws where nobody catches', module: 'setup-throws-later.js', words: 'nobody catches' },
  ])('$name', async ({ module, words }) => {
    const { code, message } = await failureOf(fixtureUrl(module))
    expect(code).toBe('HANDLER_NOT_LOADED')
    expect(message).toContain(words)
    expect(message).toContain(module)
  })
})

// Piscina stops replacing threads after one that failed early; tasks would wait for ever.
describe('a thread that cannot be replaced is fatal, not a pool that waits for ever', () => {
  test.each([
    { then: 'exit', startTimeoutMs: 60_000, words: 'dies-again.js: the thread exited with code 6' },
    { then: 'throw', startTimeoutMs: 60_000, words: 'setup of handler enrich failed: the database went away' },
    // Long enough for the first start on a busy machine, too.
    { then: 'hang', startTimeoutMs: 8_000, words: 'did not load and set up their handlers within 8000 ms' },
  ])('its setup: $then', async ({ startTimeoutMs, then, words }) => {
    const marker = join(directory, `marker-${then}`)
    const pool = await startPool(fixtureUrl('dies-again.js', { marker, then }), { pool: { startTimeoutMs } })
    // Noted by now, it would be taken for a failure of the start.
    expect(existsSync(marker)).toBe(false)
    pool.send(scripts([{ do: 'exit' }, ...Array.from({ length: 50 }, () => ({ do: 'echo' }))]))
    await until(() => pool.fatal.length > 0)
    expect(pool.fatal).toHaveLength(1)
    expect(describeError(pool.fatal[0])).toContain(words)
    // Nothing is held back: a drain does not have to wait for its deadline.
    expect(pool.actorOf(0).hasWorkInFlight).toBe(false)
    expect(pool.pool.freeSlots).toBe(0)
    await pool.pool.destroy()
    expect(pool.fatal).toHaveLength(1)
  })
})
