import { expect, test } from 'vitest'
import { TurnLimit } from '../../../src/actors/executors/turn-limit.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'

test('a turn is over when it has lasted too long, and the next one says so and begins anew', async () => {
  const clock = new ManualClock()
  let nextTurns = 0
  const limit = new TurnLimit({ clock, maxTurnMs: 5, onNextTurn: () => (nextTurns += 1) })
  limit.begin(100)
  limit.end(104)
  limit.begin(104)
  expect(limit.isOver).toBe(false)
  limit.end(105)
  expect(limit.isOver).toBe(true)
  await clock.advance(0)
  expect([limit.isOver, nextTurns]).toEqual([false, 1])
  // Time that passes between turns belongs to none.
  limit.begin(200)
  limit.end(203)
  await clock.advance(0)
  limit.begin(300)
  limit.end(301)
  expect([limit.isOver, nextTurns]).toEqual([false, 1])
})
