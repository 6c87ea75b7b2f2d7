/** Whoever judges others by elapsed time does not count the time in which this process stood still. */
import { expect, test } from 'vitest'
import { Lookout } from '../src/lookout.ts'
import { ManualClock } from '../src/testing/manual-clock.ts'

function makeLookout() {
  const clock = new ManualClock()
  return { clock, lookout: new Lookout(clock).start() }
}

test('time that goes by is seen, also when nobody asks', async () => {
  const { clock, lookout } = makeLookout()
  const began = clock.now()
  await clock.advance(3_600_000)
  expect(lookout.seenSince(began)).toBe(3_600_000)
})

test.each([-3_600_000, 3_600_000])('a wall clock that is set by %i ms changes nothing', async (stepMs) => {
  const { clock, lookout } = makeLookout()
  const began = clock.now()
  const fired: number[] = []
  lookout.after(1500, () => fired.push(clock.now() - began))
  await clock.advance(500)
  clock.stepWall(stepMs)
  await clock.advance(1000)
  expect(lookout.seenSince(began)).toBe(1500)
  expect(fired).toEqual([1500])
})

test('of 60 s in which the process stood still at most a beat counts as seen', async () => {
  const { clock, lookout } = makeLookout()
  const began = clock.now()
  await clock.advance(5_000)
  await clock.standStill(60_000)
  await clock.advance(2_000)
  expect(lookout.seenSince(began)).toBe(8_000)
  expect(lookout.seenSince(clock.now() - 1_500)).toBe(1_500)
})

test('who asks first after the stop is told the same', async () => {
  const { clock, lookout } = makeLookout()
  const began = clock.now()
  const asked: number[] = []
  clock.after(500, () => asked.push(lookout.seenSince(began)))
  await clock.standStill(60_000)
  expect(asked).toEqual([1_000])
})

test('a deadline in which the process stood still is put off by what it missed, up to all of it', async () => {
  const { clock, lookout } = makeLookout()
  const fired: string[] = []
  lookout.after(30_000, () => fired.push('late'))
  lookout.after(30_000, () => fired.push('cancelled'))()
  await clock.advance(10_000)
  await clock.standStill(60_000)
  await clock.advance(29_999)
  expect(fired).toEqual([])
  await clock.advance(1)
  expect(fired).toEqual(['late'])
})

test('a stop that ends before the deadline puts it off as well', async () => {
  const { clock, lookout } = makeLookout()
  let isLate = false
  lookout.after(30_000, () => (isLate = true))
  await clock.advance(5_000)
  await clock.standStill(11_000)
  await clock.advance(23_999)
  expect(isLate).toBe(false)
  await clock.advance(1)
  expect(isLate).toBe(true)
})

// A loop that is held by handlers on main, for seconds each time, must still find who is stuck.
test('a process that stands still again and again excuses nobody for ever', async () => {
  const { clock, lookout } = makeLookout()
  let isLate = false
  lookout.after(30_000, () => (isLate = true))
  for (let stop = 0; stop < 100; stop += 1) await clock.standStill(5_000)
  expect(isLate).toBe(true)
})

test.each([1, 2])('stopped, it holds no timer, started %i times', async (starts) => {
  const { clock, lookout } = makeLookout()
  await clock.advance(500)
  for (let start = 1; start < starts; start += 1) lookout.start()
  lookout.stop()
  expect(clock.pendingTimers).toBe(0)
})
