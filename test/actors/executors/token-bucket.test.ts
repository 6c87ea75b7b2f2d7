import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { TokenBucket } from '../../../src/actors/executors/token-bucket.ts'

/** Takes whatever there is, at these times. */
function takeAll(bucket: TokenBucket, atMs: readonly number[]): number[] {
  return atMs.map((nowMs) => {
    const count = bucket.available(nowMs)
    bucket.take(count, nowMs)
    return count
  })
}

const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0)

describe('in the long run', () => {
  test.each([0.3, 1 / 3, 7, 49.9, 1_000])(
    '%d a second is that, looked at every millisecond for an hour',
    (perSecond) => {
      const bucket = new TokenBucket(perSecond, 1, 0)
      const all = takeAll(
        bucket,
        Array.from({ length: 3_600_001 }, (_, ms) => ms),
      )
      // One was there at the start.
      expect(sum(all)).toBe(Math.min(3_600_000, Math.floor(3600 * perSecond + 1e-6)) + 1)
    },
  )

  test('no window of any length has more than its burst and what comes due in it and 20 ms before, whatever comes when', () => {
    const looks = fc.array(fc.double({ min: 0, max: 5_000, noNaN: true }), { minLength: 2, maxLength: 60 })
    fc.assert(
      fc.property(
        looks,
        fc.double({ min: 0.1, max: 500, noNaN: true }),
        fc.integer({ min: 1, max: 50 }),
        (gaps, rate, burst) => {
          const bucket = new TokenBucket(rate, burst, 0)
          let nowMs = 0
          const atMs = gaps.map((gap) => (nowMs += gap))
          const counts = takeAll(bucket, atMs)
          for (let from = 0; from < atMs.length; from += 1) {
            for (let to = from; to < atMs.length; to += 1) {
              const most = burst + ((20 + atMs[to]! - atMs[from]!) * rate) / 1000
              expect(sum(counts.slice(from, to + 1))).toBeLessThanOrEqual(most + 1e-3)
            }
          }
        },
      ),
    )
  })
})

test('a pause earns the burst, and no more', () => {
  const bucket = new TokenBucket(10, 5, 0)
  expect(takeAll(bucket, [0, 1_000_000, 1_000_050, 1_000_100])).toEqual([5, 5, 0, 1])
})

test('who waits for the next one and comes late loses nothing, up to 20 ms', () => {
  const bucket = new TokenBucket(100, 1, 0)
  // Every 12 ms instead of every 10: now and then two are due.
  expect(takeAll(bucket, [0, 1, 22, 23, 34, 46, 58, 60])).toEqual([1, 0, 2, 0, 1, 1, 1, 0])
  // Longer than that is a pause.
  expect(takeAll(bucket, [61, 1_000])).toEqual([0, 3])
})

test('unless it is given the burst is what comes due in a second, and one at least', () => {
  expect(new TokenBucket(50, null, 0).available(0)).toBe(50)
  expect(new TokenBucket(0.1, null, 0).available(0)).toBe(1)
})

test('what has not gone after all may go, but a full bucket holds no more for it', () => {
  const bucket = new TokenBucket(10, 5, 0)
  bucket.take(5, 0)
  bucket.giveBack(2)
  expect(bucket.available(0)).toBe(2)
  bucket.giveBack(3)
  expect(bucket.available(400)).toBe(5)
})

test('it says when the next one may go', () => {
  const bucket = new TokenBucket(0.3, 1, 0)
  expect(bucket.waitMs(0)).toBe(0)
  bucket.take(1, 0)
  expect(bucket.waitMs(0)).toBeCloseTo(3333.33, 1)
  expect(bucket.waitMs(3_000)).toBeCloseTo(333.33, 1)
  expect([bucket.available(3_333), bucket.available(3_334)]).toEqual([0, 1])
})

test('who does not come for what it has waited for has gone: a pause earns the burst, and no more', () => {
  const bucket = new TokenBucket(10_000, 1, 0)
  bucket.take(1, 0)
  expect(bucket.available(0)).toBe(0)
  expect(bucket.available(60_000)).toBe(1)
})
