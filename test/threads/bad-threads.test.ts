/** Threads that end or are held: only their batch is affected, and the pool comes back. */
import { afterEach, describe, expect, test } from 'vitest'
import { fixtureUrl, scripts, startPool, until, type PoolSettings } from './pool-fixture.ts'

let running: Awaited<ReturnType<typeof startPool>> | undefined

/** Soon enough for a test, late enough for a machine that is busy with others: only what is held waits for so long. */
const watch = { intervalMs: 50, graceMs: 3_000 }

async function start(settings: PoolSettings = {}) {
  running = await startPool(fixtureUrl('scripted.js'), { ...settings, pool: { watch, ...settings.pool } })
  return running
}

afterEach(async () => {
  await running?.pool.destroy()
  running = undefined
})

const echo = { do: 'echo' }

/** One bad record among good ones; every third good one has the bad one's key. */
function around(bad: object, count = 31) {
  const list = Array.from({ length: count }, (_, index) => (index === 9 ? bad : { ...echo, index }))
  return scripts(list, { key: (index) => (index % 3 === 0 ? 'shared' : `key ${index}`) })
}

// Cases 45 and 46.
describe.each([
  { name: 'process.exit in a handler', bad: { do: 'exit' }, code: 'THREAD_DIED', words: 'exited with code 3' },
  { name: 'process.exit later', bad: { do: 'exit-async' }, code: 'THREAD_DIED', words: 'exited with code 3' },
  { name: 'an error nobody catches', bad: { do: 'throw-later' }, code: 'THREAD_DIED', words: 'nobody catches' },
  { name: 'a rejection nobody hears', bad: { do: 'reject-unheard' }, code: 'THREAD_DIED', words: 'nobody hears' },
  { name: 'memory that runs out', bad: { do: 'fill-memory' }, code: 'THREAD_DIED', words: 'memory', maxHeapMb: 32 },
  { name: 'an endless loop', bad: { do: 'loop' }, code: 'HANDLER_TIMEOUT', words: 'held its thread longer than 50 ms' },
  { name: 'an endless loop after an await', bad: { do: 'loop-async' }, code: 'HANDLER_TIMEOUT', words: 'held its' },
])('$name', ({ bad, code, words, maxHeapMb }) => {
  const settings: PoolSettings = {
    threads: { maxHeapMb: maxHeapMb ?? null },
    actor: {
      handlerTimeoutMs: code === 'HANDLER_TIMEOUT' ? 50 : 60_000,
      retry: { attempts: 2, backoffMs: 1, maxBackoffMs: 1, jitter: 0 },
    },
  }

  test('dead-letters its record after its attempts; batch mates, order and the pool are unharmed', async () => {
    const { send, finished, results, deadLetters, stats, actorOf, fatal, lines } = await start(settings)
    send(around(bad))
    await finished()

    expect(deadLetters().map(({ record, headers }) => [record.value?.toString(), headers])).toMatchObject([
      [JSON.stringify(bad), { 'troupe.offset': '9', 'troupe.attempts': '2', 'troupe.error-code': code }],
    ])
    expect(deadLetters()[0]?.headers['troupe.error-message']).toContain(words)
    // Each good record once, and no attempt of it was charged.
    expect(
      results()
        .map(({ index }) => index as number)
        .sort((a, b) => a - b),
    ).toEqual(Array.from({ length: 31 }, (_, index) => index).filter((index) => index !== 9))
    expect(results().every(({ attempt }) => attempt === 1)).toBe(true)
    expect(actorOf(0).inputs[0]!.tracker.safePosition).toBe(31)
    // Two attempts, and at most one more thread to find out who it was.
    expect([2, 3]).toContain(stats.threadRestarts)
    expect(fatal).toEqual([])

    // The log names the record, its handler, and the reason as it was.
    const ends = lines.filter(({ message }) => message.startsWith('a worker thread ended'))
    expect(ends).toHaveLength(stats.threadRestarts)
    const reason = code === 'HANDLER_TIMEOUT' ? 'held for longer than 50 ms, and we ended it' : words
    for (const { message } of ends) {
      expect(message).toContain(reason)
      expect(message).toMatch(/\/9 \(handler /)
    }

    // The order of its key has held,
    const ofKey = results()
      .map(({ index }) => index as number)
      .filter((index) => index % 3 === 0)
    expect(ofKey).toEqual([0, 3, 6, 12, 15, 18, 21, 24, 27, 30])

    // and the pool is back at its size, and works.
    await until(() => stats.threads.idle === 2)
    expect(stats.threads).toEqual({ starting: 0, idle: 2, busy: 0 })
    const before = results().length
    send(
      scripts(
        Array.from({ length: 100 }, (_, index) => ({ do: 'wait', ms: 1, index })),
        { first: 31 },
      ),
    )
    await finished()
    expect(
      new Set(
        results()
          .slice(before)
          .map(({ threadId }) => threadId),
      ).size,
    ).toBe(2)
  })
})

describe('the memory of the process, which Buffers fill outside of the heap', () => {
  const maxRssMb = (more: number) => Math.round(process.memoryUsage.rss() / 1024 / 1024) + more

  test('a record that fills it is dead-lettered after its attempts; the others go on', async () => {
    const { send, finished, results, deadLetters, stats, fatal } = await start({
      threads: { maxRssMb: maxRssMb(250) },
      actor: { retry: { attempts: 2, backoffMs: 1, maxBackoffMs: 1, jitter: 0 } },
    })
    send(around({ do: 'fill-buffers' }))
    await finished()
    expect(deadLetters().map(({ headers }) => headers)).toMatchObject([
      { 'troupe.offset': '9', 'troupe.attempts': '2', 'troupe.error-code': 'THREAD_DIED' },
    ])
    expect(deadLetters()[0]?.headers['troupe.error-message']).toContain('threads.maxRssMb')
    expect(new Set(results().map(({ index }) => index)).size).toBe(30)
    expect(results().every(({ attempt }) => attempt === 1)).toBe(true)
    expect(fatal).toEqual([])
    await until(() => stats.threads.idle === 2)
  })

  test('a thread that holds on to more and more is replaced between its batches, and no record pays for it', async () => {
    const { send, finished, results, deadLetters, stats, lines } = await start({
      threads: { count: 1, maxRssMb: maxRssMb(300) },
    })
    send(scripts(Array.from({ length: 5 }, (_, index) => ({ do: 'hoard', mb: 72, index }))))
    await finished()
    await until(() => stats.threadRestarts === 1 && stats.threads.idle === 1)
    expect(stats.threadRecycles).toBe(1)
    expect(lines.filter(({ level }) => level === 'warn').map(({ message }) => message)).toEqual([
      expect.stringMatching(/more than threads\.maxRssMb .*: the worker thread that has grown most is replaced/),
    ])
    expect(lines.filter(({ message }) => message === 'torn down')).toHaveLength(1)
    send(scripts([{ do: 'echo', index: 5 }], { first: 5 }))
    await finished()
    expect(results().map(({ index, attempt }) => [index, attempt])).toEqual([0, 1, 2, 3, 4, 5].map((at) => [at, 1]))
    expect(deadLetters()).toEqual([])
  })
})

test('of many asynchronous records at work in one thread the one that ends it is found, the others end fine', async () => {
  const { send, finished, results, deadLetters } = await start({ threads: { count: 1 } })
  // The first ones tell the pool that the handler waits, so that the rest go many at a time.
  const list: object[] = Array.from({ length: 40 }, (_, index) => ({ do: 'wait', ms: 5, index }))
  list[33] = { do: 'exit-async' }
  send(scripts(list))
  await finished()
  expect(deadLetters().map(({ headers }) => [headers['troupe.offset'], headers['troupe.attempts']])).toEqual([
    ['33', '3'],
  ])
  expect(results()).toHaveLength(39)
  expect(results().every(({ attempt }) => attempt === 1)).toBe(true)
})

test('two records that end their threads, in different lanes of one batch, are both found', async () => {
  const { send, finished, results, deadLetters } = await start()
  const list: object[] = Array.from({ length: 30 }, (_, index) => ({ ...echo, index }))
  list[4] = { do: 'exit' }
  list[11] = { do: 'throw-later' }
  send(scripts(list))
  await finished()
  expect(
    deadLetters()
      .map(({ headers }) => headers['troupe.offset'])
      .sort(),
  ).toEqual(['11', '4'])
  expect(results()).toHaveLength(28)
})

test('a thread held by what an ended record left behind is replaced, and what waits behind it is not lost', async () => {
  const { send, finished, results, deadLetters, stats } = await start({
    threads: { count: 1 },
    actor: { handlerTimeoutMs: 50 },
  })
  send(scripts([{ do: 'leave-loop', index: 0 }]))
  await finished()
  // The timer of the first record fires while the second waits: it is at work, so it may be charged
  // once; it must not be lost, and the pool must not stand still.
  send(scripts([{ do: 'wait', ms: 20, index: 1 }], { first: 1 }))
  await finished()
  expect(results().map(({ index }) => index)).toEqual([0, 1])
  expect(deadLetters()).toEqual([])
  expect(stats.threadRestarts).toBe(1)
})

test('a thread that exits while it has nothing to do is replaced', async () => {
  const { send, finished, results, stats } = await start({ threads: { count: 1 } })
  send(scripts([{ do: 'exit-later', index: 0 }]))
  await finished()
  await until(() => stats.threadRestarts === 1 && stats.threads.idle === 1)
  send(scripts([{ do: 'echo', index: 1 }], { first: 1 }))
  await finished()
  expect(results().map(({ index }) => index)).toEqual([0, 1])
})
