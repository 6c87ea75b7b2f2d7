import { expect, test } from 'vitest'
import { InputTimes } from '../../src/state/input-times.ts'

const at = (safePosition: number) => ({ safePosition, unfinishedRuns: () => [] })

test('of several inputs a timer that stands in a checkpoint has its time in it, also before the record that it came ahead of: no other comes before it', () => {
  const times = new InputTimes(() => null)
  times.begin(null, null)
  times.follow(at(1))
  times.followCompanions([{ topic: 'payments', topicId: 0, snapshot: () => null, position: () => at(0) }])
  times.note(0, 10_000, null)
  times.note(1, 100_000, null)
  expect(times.atPositions()).toBe(10_000)
  times.noteFired(60_000)
  expect(times.atPositions()).toBe(60_000)
})

test('of one input the time of a checkpoint is that of its position', () => {
  const times = new InputTimes(() => null)
  times.begin(null, null)
  times.follow(at(1))
  times.note(0, 10_000, null)
  times.note(1, 100_000, null)
  times.noteFired(60_000)
  expect(times.atPositions()).toBe(10_000)
})
