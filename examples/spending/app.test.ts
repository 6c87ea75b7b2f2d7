import { checkpointPoints, startTestApp } from 'troupe/testing'
import { describe, expect, test } from 'vitest'
import { alerts } from './flows.ts'
import watch from './watch.ts'

const DAY_MS = 24 * 60 * 60 * 1000

describe('what happens to its process', () => {
  test.each(checkpointPoints)('a crash %s: each cent is counted once, and the alert is there once', async (at) => {
    const app = await startTestApp(watch)
    await app.send({ cents: 90_000 }, { key: 'ann' })
    app.append({ cents: 20_000 }, { key: 'ann' })
    await app.crash({ at })
    expect(app.state('spent').get('ann')).toBe(110_000)
    expect(app.read(alerts)).toEqual([alerts.record({ customer: 'ann', spentCents: 110_000 }, { key: 'ann' })])
    await app.close()
  })

  test('a rebalance takes what customers have spent along', async () => {
    const app = await startTestApp(watch, { partitions: 4 })
    for (const key of ['ann', 'bob', 'eve']) await app.send({ cents: 90_000 }, { key })
    await app.rebalance()
    for (const key of ['ann', 'bob', 'eve']) await app.send({ cents: 20_000 }, { key })
    expect(app.read(alerts).map(({ value }) => value.customer)).toEqual(['ann', 'bob', 'eve'])
    await app.close()
  })
})

test('what a customer has spent is gone after 30 days', async () => {
  const app = await startTestApp(watch)
  await app.send({ cents: 90_000 }, { key: 'ann' })
  await app.advanceTo(app.nowMs + 30 * DAY_MS)
  expect(app.state('spent').get('ann')).toBeUndefined()
  await app.close()
})
