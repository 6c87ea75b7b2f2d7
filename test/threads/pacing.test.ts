/** What a handler on a thread asks for crosses to main, where the whole actor keeps to it; so do rates and limits. */
import { afterEach, expect, test } from 'vitest'
import { AdaptiveLimit } from '../../src/actors/executors/adaptive-limit.ts'
import { systemClock } from '../../src/clock.ts'
import { ActorStats } from '../../src/metrics/stats.ts'
import { fixtureUrl, scripts, startPool, until, type PoolSettings } from './pool-fixture.ts'

const HOUR_MS = 3_600_000
let running: Awaited<ReturnType<typeof startPool>> | undefined

async function start(settings: PoolSettings = {}) {
  running = await startPool(fixtureUrl('throttling.js'), settings)
  return running
}

afterEach(async () => {
  running?.dispatcher.close()
  await running?.pool.destroy()
  running = undefined
})

test('context.throttle on a thread holds back all of the actor, on all threads and partitions', async () => {
  const { actor, actorOf, dispatcher, finished, send, stats } = await start()
  send(scripts([{ forMs: HOUR_MS }]))
  await finished()
  await until(() => dispatcher.throttleOf(actor) !== null)
  expect(dispatcher.throttleOf(actor)?.by).toBe('scripts/0/0')
  send(scripts([{}, {}], { first: 1 }))
  send(scripts([{}]).map((record) => ({ ...record, partition: 1 })))
  expect([actorOf(0).load.ready, actorOf(1).load.ready]).toEqual([2, 1])
  expect(stats.actor('enrich').throttles).toBe(1)
})

test('a ThrottledError of a thread uses up no attempt, and the actor goes on after it', async () => {
  const { deadLetters, finished, results, send, stats } = await start({
    threads: { count: 1 },
    actor: { retry: { attempts: 1, backoffMs: 1, maxBackoffMs: 1, jitter: 0 } },
  })
  send(scripts([{ refusals: 3 }]))
  await finished()
  expect([results(), deadLetters()]).toEqual([[{ attempt: 4, refused: 3 }], []])
  expect(stats.actor('enrich').throttles).toBe(3)
  expect(stats.actor('enrich').isThrottled).toBe(false)
})

test('a rate is of all threads together', async () => {
  const { actorOf, results, send } = await start({ actor: { rate: { perSecond: 0.000_01, burst: 3 } } })
  send(scripts(Array.from({ length: 10 }, () => ({}))))
  await until(() => results().length === 3)
  expect(actorOf(0).load).toMatchObject({ atHandler: 0, ready: 7 })
})

test('adaptive concurrency is of all threads together', async () => {
  const bounds = { min: 3, max: 50, target: 'latency' } as const
  const limit = new AdaptiveLimit(bounds, systemClock, new ActorStats('enrich'))
  const { actorOf, send, pool, actor } = await start({
    actor: { concurrency: bounds },
    pool: { limits: new Map([['enrich', limit]]) },
  })
  send(scripts(Array.from({ length: 20 }, () => ({ waits: true }))))
  await until(() => actorOf(0).load.atHandler === 3 && pool.roomOf(actor) === 0)
  expect(actorOf(0).load.ready).toBe(17)
})
