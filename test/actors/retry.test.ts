import fc from 'fast-check'
import { expect, test } from 'vitest'
import { backoffDelayMs, retryDelayMs } from '../../src/actors/retry.ts'

const policy = { backoffMs: 100, maxBackoffMs: 1_000, jitter: 0 }

test('the delay doubles with each failed attempt, up to the cap', () => {
  expect([1, 2, 3, 4, 5, 6, 1_000].map((failed) => backoffDelayMs(policy, failed, () => 0))).toEqual([
    100, 200, 400, 800, 1_000, 1_000, 1_000,
  ])
})

test('the random share shortens it, never beyond that share', () => {
  const half = { ...policy, jitter: 0.5 }
  expect(backoffDelayMs(half, 1, () => 0)).toBe(100)
  expect(backoffDelayMs(half, 1, () => 0.5)).toBe(75)
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100 }), fc.double({ min: 0, max: 1, noNaN: true }), (failed, random) => {
      const full = backoffDelayMs(policy, failed, () => random)
      const delay = backoffDelayMs(half, failed, () => random)
      expect(delay).toBeGreaterThanOrEqual(full / 2)
      expect(delay).toBeLessThanOrEqual(full)
    }),
  )
})

test("a handler's own delay goes over the back-off and its cap; beyond what a timer takes it is cut, or it would fire at once", () => {
  expect(retryDelayMs(policy, 1, undefined, () => 0)).toBe(100)
  expect(retryDelayMs(policy, 1, 0, () => 0)).toBe(0)
  expect(retryDelayMs(policy, 1, 5_000, () => 0)).toBe(5_000)
  expect(retryDelayMs(policy, 1, 1e12, () => 0)).toBe(2 ** 31 - 1)
})
