import { done } from 'troupe'
import { createHarness } from 'troupe/testing'
import { expect, test } from 'vitest'
import { alerts } from './flows.ts'
import watch from './watch.ts'

const DAY_MS = 24 * 60 * 60 * 1000

test('a customer who passes the limit is told of once', async () => {
  const harness = createHarness(watch)
  expect(await harness.send({ cents: 90_000 }, { key: 'ann' })).toEqual(done())
  expect(await harness.send({ cents: 20_000 }, { key: 'ann' })).toEqual(
    done([alerts.record({ customer: 'ann', spentCents: 110_000 }, { key: 'ann' })]),
  )
  expect(await harness.send({ cents: 1 }, { key: 'ann' })).toEqual(done())
  expect(harness.state('spent').get('ann')).toBe(110_001)
})

test('what a customer has spent is gone 30 days after the last payment', async () => {
  const harness = createHarness(watch)
  await harness.send({ cents: 90_000 }, { key: 'ann', timestamp: 1 })
  harness.advanceTo(1 + 30 * DAY_MS)
  expect(harness.state('spent').get('ann')).toBeUndefined()
  expect(await harness.send({ cents: 20_000 }, { key: 'ann', timestamp: 2 + 30 * DAY_MS })).toEqual(done())
})
