/** An operator as an app: what it keeps, its timer and its outputs are of one checkpoint with its position. */
import { Registry } from 'prom-client'
import { describe, expect, test } from 'vitest'
import { registerMetrics } from '../../src/metrics/metrics.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import type { Operator } from '../../src/operators/operator.ts'
import { checkpointPoints } from '../../src/streams/delivery/checkpoint-points.ts'
import { startTestApp } from '../../src/testing/app/start-test-app.ts'
import { MINUTE_MS, counting, counts, running } from '../support/counting-operator.ts'

const START_MS = Date.UTC(2026, 0, 1)
const at = (ms: number, key: string | null = 'ann') => ({ key, timestamp: START_MS + ms })
const seen = (app: Awaited<ReturnType<typeof startTestApp>>) =>
  app.read(counts).map(({ options, value }) => [options.key, value])

test('an operator is given the records of a partition one after the other, and its timer before the first record as late', async () => {
  const app = await startTestApp(counting, { startMs: START_MS })
  await app.send({ page: 'a' }, at(0))
  await app.send({ page: 'a' }, at(1_000, 'bob'))
  await app.send({ page: 'a' }, at(2_000))
  expect(app.state('open').get('ann')).toEqual({ sinceMs: START_MS, records: 2 })
  expect(seen(app)).toEqual([])
  await app.send({ page: 'a' }, at(MINUTE_MS))
  expect(seen(app)).toEqual([['ann', 2]])
  expect(app.state('open').get('ann')).toEqual({ sinceMs: START_MS + MINUTE_MS, records: 1 })
  await app.advanceTo(START_MS + 3 * MINUTE_MS)
  expect(seen(app)).toEqual([
    ['ann', 2],
    ['bob', 1],
    ['ann', 1],
  ])
  await app.close()
})

describe('a crash', () => {
  test.each(checkpointPoints)(
    '%s: what an operator keeps, its timers and its outputs are exact after it',
    async (point) => {
      const app = await startTestApp(counting, { startMs: START_MS })
      await app.send({ page: 'tell' }, at(0))
      app.append({ page: 'tell' }, at(1_000))
      app.append({ page: 'a' }, at(2_000, 'bob'))
      app.append({ page: 'tell' }, at(MINUTE_MS + 500))
      await app.crash({ at: point })
      expect(seen(app)).toEqual([['ann', 2]])
      expect(app.state('open').get('ann')).toEqual({ sinceMs: START_MS + MINUTE_MS + 500, records: 1 })
      await app.rebalance()
      await app.advanceTo(START_MS + 5 * MINUTE_MS)
      expect(seen(app)).toEqual([
        ['ann', 2],
        ['bob', 1],
        ['ann', 1],
      ])
      await app.close()
    },
  )
})

test('of outputs with the same lastOf only the last one of a checkpoint goes out', async () => {
  const app = await startTestApp(counting, { startMs: START_MS })
  for (const key of ['ann', 'bob', 'ann', 'ann']) app.append({ page: 'tell' }, at(0, key))
  await app.idle(1_000)
  await app.send({ page: 'tell' }, at(1))
  expect(app.read(running).map(({ options, value }) => [options.key, value])).toEqual([
    ['bob', 1],
    ['ann', 3],
    ['ann', 4],
  ])
  await app.close()
})

test('what a function in an operator throws is a failed attempt, which leaves no trace', async () => {
  const app = await startTestApp(counting, { startMs: START_MS, actor: { retry: { attempts: 2 } } })
  await app.send({ page: 'bad' }, at(0))
  await app.send({ page: 'nowhere' }, at(1))
  await app.send({ page: 'a' }, at(2))
  expect(app.deadLetters().map(({ id, message }) => [id, message])).toEqual([
    ['clicks/0/0', 'no such page'],
    ['clicks/0/1', 'it is nowhere'],
  ])
  expect(app.state('open').get('ann')).toEqual({ sinceMs: START_MS + 2, records: 1 })
  await app.close()
})

test('an operator goes in offset order of the partition whatever its actor says of keys, and what cannot hold with that is refused', async () => {
  await expect(startTestApp(counting, { actor: { order: 'unordered' } })).rejects.toThrow(/order of clicks/)
  await expect(startTestApp(counting, { actor: { failedRecords: 'park' } })).rejects.toThrow(/failedRecords of clicks/)
})

describe('a value that cannot be written', () => {
  const unfit = { endless: 'a value could not be encoded as count of a minute', large: 'a value and its key take' }
  test.each(Object.entries(unfit))('fails the record that has made it, and no other: %s', async (page, message) => {
    const app = await startTestApp(counting, { startMs: START_MS })
    for (const [offset, each] of ['a', page, 'a', page, 'a'].entries()) app.append({ page: each }, at(offset))
    app.append({ page: 'a' }, at(9, 'bob'))
    await app.idle(1_000)
    expect(app.deadLetters().map(({ code, id }) => [code, id])).toEqual([
      ['STATE_INVALID', 'clicks/0/1'],
      ['STATE_INVALID', 'clicks/0/3'],
    ])
    expect(app.deadLetters()[0]?.message).toContain(message)
    expect(app.state('open').get('ann')).toEqual({ sinceMs: START_MS, records: 3 })
    await app.advanceTo(START_MS + 2 * MINUTE_MS)
    expect(seen(app)).toEqual([
      ['ann', 3],
      ['bob', 1],
    ])
    await app.close()
  })
})

test('what went aside is counted by its reason once its record is handled, however many attempts that took', async () => {
  let failures = 2
  const flaky: Operator = {
    ...counting,
    take: (taken, kept, input) => {
      const outcome = counting.take(taken, kept, input)
      if (outcome.aside !== undefined && (failures -= 1) >= 0) throw new Error('not yet')
      return outcome
    },
  }
  const app = await startTestApp(flaky, { startMs: START_MS })
  await app.send({ page: 'a' }, at(0))
  await app.send({ page: 'a' }, at(1, null))
  await app.send({ page: 'future' }, at(2))
  await app.send({ page: 'a' }, at(3, null))
  expect(app.status().actors[0]?.aside).toEqual({ 'null-key': 2, 'far-future': 1 })
  expect(app.deadLetters().map(({ id, message }) => [id, message])).toEqual([['clicks/0/2', 'it is too far ahead']])
  await app.close()
})

test('reasons of records that went aside are labels of a metric', async () => {
  const stats = new EngineStats()
  const registry = new Registry()
  registerMetrics(registry, stats)
  stats.actor('sums').aside.add('far-future')
  expect(await registry.metrics()).toContain('troupe_records_aside_total{actor="sums",reason="far_future"} 1')
})
