import type { Admin, Kafka } from 'kafkajs'
import { expect, test } from 'vitest'
import { EventTime, findUnusedTime, stepOf } from './event-time.ts'

const NOW_MS = Date.UTC(2026, 2, 10, 12, 30)
const HOUR_MS = 3_600_000

test('half an hour is within the records of a run; without an end to it a minute passes each second', () => {
  expect(stepOf({ records: 1_800, rate: undefined })).toBe(1_000)
  expect(stepOf({ records: undefined, rate: 500 })).toBe(120)
})

test('time stands still, then goes on step by step till it has come to the clock, and then with it', () => {
  const time = new EventTime(NOW_MS - 2 * HOUR_MS, HOUR_MS / 2 + 0.5, () => NOW_MS)
  expect([time.next(), time.next()]).toEqual([NOW_MS - 2 * HOUR_MS, NOW_MS - 2 * HOUR_MS])
  time.go()
  const times = Array.from({ length: 5 }, () => (time.next() - NOW_MS) / HOUR_MS)
  expect(times[0]).toBeCloseTo(-1.5, 5)
  expect(times.slice(2)).toEqual([expect.closeTo(-0.5, 5), 0, 0])
})

test('a run that begins close to the clock has its half an hour all the same', () => {
  const time = new EventTime(NOW_MS, HOUR_MS / 4, () => NOW_MS)
  time.go()
  expect([time.next(), time.next(), time.next()].map((each) => (each - NOW_MS) / HOUR_MS)).toEqual([0.25, 0.5, 0.5])
})

/** A topic of two partitions; the first has records of these times. */
function kafkaWith(times: readonly number[]): Kafka {
  const high = String(times.length)
  const admin: Partial<Admin> = {
    connect: () => Promise.resolve(),
    disconnect: () => Promise.resolve(),
    fetchTopicOffsets: () =>
      Promise.resolve([
        { partition: 0, offset: high, high, low: '0' },
        { partition: 1, offset: '0', high: '0', low: '0' },
      ]),
    fetchTopicOffsetsByTimestamp: (_, fromMs = 0) => {
      const first = times.findIndex((time) => time >= fromMs)
      return Promise.resolve([
        { partition: 1, offset: '0' },
        { partition: 0, offset: first === -1 ? high : String(first) },
      ])
    },
  }
  return { admin: () => admin } as Partial<Kafka> as Kafka
}

test('a run begins in the past, a whole hour after all that there is', async () => {
  const first = await findUnusedTime(kafkaWith([]), 'orders', NOW_MS)
  expect(first).toBeLessThan(NOW_MS - 4 * 24 * HOUR_MS)
  expect(first % HOUR_MS).toBe(0)
  const latest = first + 5.2 * HOUR_MS
  const next = await findUnusedTime(kafkaWith([first, latest, first + HOUR_MS]), 'orders', NOW_MS)
  expect(next - latest).toBeGreaterThanOrEqual(HOUR_MS)
  expect(next - latest).toBeLessThanOrEqual(2 * HOUR_MS)
})
