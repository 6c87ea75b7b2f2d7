import { expect, test } from 'vitest'
import { MissingTopics } from '../../../../src/streams/kafka/transactions/missing-topics.ts'

test('a topic that was never there is gone at once; one that was there, when it has stayed away', () => {
  const missing = new MissingTopics()
  expect(missing.isGone('orders', 0)).toBe(true)
  missing.noteSeen('orders')
  expect([0, 29_999, 30_000].map((nowMs) => missing.isGone('orders', nowMs))).toEqual([false, false, true])
})

test('one that has come back is missing from the next time on', () => {
  const missing = new MissingTopics()
  missing.noteSeen('orders')
  expect(missing.isGone('orders', 0)).toBe(false)
  missing.noteSeen('orders')
  expect(missing.isGone('orders', 40_000)).toBe(false)
})
