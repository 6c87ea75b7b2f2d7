import { expect, test } from 'vitest'
import { Lookout } from '../../../src/lookout.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { Watchdog } from '../../../src/actors/threads/watchdog.ts'

const at = (threadId: number, progress: number, limitMs = 50, number = threadId) => ({
  threadId,
  number,
  progress,
  limitMs,
})

test('a thread where nothing moves for longer than its record may take is held', () => {
  const watchdog = new Watchdog(1_000, 1_000)
  expect(watchdog.look(0, [at(1, 3)])).toEqual([])
  expect(watchdog.look(1_049, [at(1, 3)])).toEqual([])
  expect(watchdog.look(1_050, [at(1, 3)])).toEqual([1])
})

test('any record that begins or ends on the thread starts the time anew', () => {
  const watchdog = new Watchdog(1_000, 1_000)
  watchdog.look(0, [at(1, 3), at(1, 0, 0, 7)])
  expect(watchdog.look(1_000, [at(1, 4), at(1, 0, 0, 7)])).toEqual([])
  expect(watchdog.look(2_000, [at(1, 4), at(1, 1, 50, 7)])).toEqual([])
  expect(watchdog.look(3_049, [at(1, 4), at(1, 1, 50, 7)])).toEqual([])
  expect(watchdog.look(3_050, [at(1, 4), at(1, 1, 50, 7)])).toEqual([1])
})

test('so does another batch, even at the same place', () => {
  const watchdog = new Watchdog(1_000, 1_000)
  watchdog.look(0, [at(1, 3, 50, 1)])
  watchdog.look(900, [at(1, 3, 50, 2)])
  expect(watchdog.look(1_900, [at(1, 3, 50, 2)])).toEqual([])
})

test('the most patient of the records at work decides; a batch that waits behind them does not', () => {
  const watchdog = new Watchdog(60_000, 1_000)
  const batches = [at(1, 1, 50), at(1, 1, 2_000, 8), at(1, 0, 0, 9)]
  watchdog.look(0, batches)
  expect(watchdog.look(2_999, batches)).toEqual([])
  expect(watchdog.look(3_000, batches)).toEqual([1])
})

test('a thread that begins nothing of what it has is held too, after the longest time of all', () => {
  const watchdog = new Watchdog(5_000, 1_000)
  watchdog.look(0, [at(1, 0, 0)])
  expect(watchdog.look(5_999, [at(1, 0, 0)])).toEqual([])
  expect(watchdog.look(6_000, [at(1, 0, 0)])).toEqual([1])
})

test('a process that stood still for 60 s takes no thread for held that had no time to go on', async () => {
  const clock = new ManualClock()
  const lookout = new Lookout(clock).start()
  const watchdog = new Watchdog(1_000, 1_000)
  watchdog.look(lookout.seenMs, [at(1, 3, 5_000)])
  await clock.standStill(60_000)
  expect(watchdog.look(lookout.seenMs, [at(1, 3, 5_000)])).toEqual([])
  await clock.advance(5_000)
  expect(watchdog.look(lookout.seenMs, [at(1, 3, 5_000)])).toEqual([1])
})

test('a thread without work is not held', () => {
  const watchdog = new Watchdog(0, 1_000)
  watchdog.look(0, [at(1, 3)])
  watchdog.look(5_000, [])
  expect(watchdog.look(10_000, [at(1, 3)])).toEqual([])
})
