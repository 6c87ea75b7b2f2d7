/** Calls of a batch handler on real threads. */
import { afterEach, expect, test } from 'vitest'
import { fixtureUrl, scripts, startPool, type PoolSettings } from './pool-fixture.ts'

let running: Awaited<ReturnType<typeof startPool>> | undefined

async function start(settings: PoolSettings = {}) {
  running = await startPool(fixtureUrl('batch.js'), settings)
  return running
}

afterEach(async () => {
  await running?.pool.destroy()
  running = undefined
})

const keyOf = (at: number): string => `k${at % 40}`
const echoes = (count: number, waitMs = 0) => Array.from({ length: count }, (_, n) => ({ do: 'echo', n, waitMs }))

test.each([0, 5])(
  'one crossing carries one call, and main knows its limits from the thread (waits %i ms)',
  async (waitMs) => {
    const { manifests, send, finished, results, stats } = await start()
    expect(manifests[0]).toMatchObject({ call: { maxRecords: 50, maxBytes: 1_048_576, maxWaitMs: 0 } })
    send(scripts(echoes(400, waitMs), { key: keyOf }))
    await finished()
    const all = results()
    expect(all).toHaveLength(400)
    const { batchRecords, cost, handlerSeconds } = stats.actor('enrich')
    expect([batchRecords.count, batchRecords.sum, handlerSeconds.count]).toEqual([8, 400, 400])
    expect(all.every(({ size }) => size === 50)).toBe(true)
    expect(cost.promises).toBe(waitMs === 0 ? 0 : 400)
    // In the order of each key.
    for (let key = 0; key < 40; key += 1) {
      const own = all.map(({ n }) => n as number).filter((n) => n % 40 === key)
      expect(own).toEqual([...own].sort((a, b) => a - b))
    }
  },
)

test('a record that fails goes again alone; its lane waits, and all others count', async () => {
  const { send, finished, results } = await start()
  const records = echoes(60).map((script) => (script.n === 7 ? { ...script, do: 'retry', times: 2 } : script))
  send(scripts(records, { key: (at) => `k${at % 30}` }))
  await finished()
  const all = results()
  const again = all.filter(({ attempt, size }) => attempt === 3 && size === 1)
  expect(again.map(({ n }) => n)).toEqual([7])
  expect(all.filter(({ attempt }) => attempt === 1)).toHaveLength(59)
  expect(all.findIndex(({ n }) => n === 7)).toBeLessThan(all.findIndex(({ n }) => n === 37))
})

test.each(['throw', 'exit'])('of a call that ends by "%s" only the guilty uses up its attempts', async (what) => {
  const { send, finished, results, deadLetters, lines } = await start({ threads: { count: 1 } })
  const records = echoes(30).map((script) => (script.n === 11 ? { ...script, do: what } : script))
  send(scripts(records, { key: keyOf }))
  await finished()
  expect(results()).toHaveLength(29)
  expect(results().every(({ attempt }) => attempt === 1)).toBe(true)
  const [letter, ...others] = deadLetters()
  expect(others).toEqual([])
  expect(letter!.headers).toMatchObject({ 'troupe.offset': '11', 'troupe.attempts': '3' })
  if (what === 'throw')
    expect(lines.map(({ message }) => message)).toContainEqual(
      expect.stringContaining('each of its 30 records goes again alone'),
    )
})

test('a call that a RetryableError ends goes again, and not one by one', async () => {
  const { send, finished, results, stats } = await start()
  const away = echoes(40).map((script) => ({ ...script, do: 'away', times: 1 }))
  send(scripts(away, { key: keyOf }))
  await finished()
  expect(results().map(({ attempt }) => attempt)).toEqual(away.map(() => 2))
  // Timers of one moment end within a millisecond or two of each other.
  expect(stats.actor('enrich').batchRecords.count).toBeLessThan(20)
})

test('an endless loop in a call is ended by the watchdog; its records go again alone, and one is at fault', async () => {
  const { send, finished, results, deadLetters } = await start({
    actor: { handlerTimeoutMs: 50, retry: { attempts: 1, backoffMs: 1, maxBackoffMs: 1, jitter: 0 } },
    pool: { watch: { intervalMs: 20, graceMs: 50 } },
  })
  send(
    scripts(
      echoes(10).map((script) => (script.n === 3 ? { ...script, do: 'loop' } : script)),
      { key: keyOf },
    ),
  )
  await finished()
  expect(results()).toHaveLength(9)
  expect(deadLetters().map(({ headers }) => [headers['troupe.offset'], headers['troupe.error-code']])).toEqual([
    ['3', 'HANDLER_TIMEOUT'],
  ])
})

test('no more records are in progress than `concurrency` says', async () => {
  const { pool, send, finished, results } = await start({ actor: { concurrency: 60 } })
  send(scripts(echoes(200, 3), { key: keyOf }))
  const { actor } = running!.actorOf(0)
  expect(pool.roomOf(actor)).toBeGreaterThanOrEqual(0)
  await finished()
  expect([results().length, pool.roomOf(actor), pool.inProgressOf(actor)]).toEqual([200, 60, 0])
})
