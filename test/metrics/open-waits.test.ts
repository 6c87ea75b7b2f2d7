import { expect, test } from 'vitest'
import { OpenWaits } from '../../src/metrics/open-waits.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'

test('an answer in time is passed on, an error too, and nothing is left of the wait', async () => {
  const clock = new ManualClock()
  const waits = new OpenWaits(clock)
  expect(await waits.answer('positions', 'x', Promise.resolve(5))).toBe(5)
  await expect(waits.answer('positions', 'x', Promise.reject(new Error('no')))).rejects.toThrow('no')
  await clock.advance(1_000_000)
  expect([clock.pendingTimers, waits.everOverdue('positions')]).toEqual([0, 0])
})

test('an answer that does not come is given up at its deadline, counted once, and may come later', async () => {
  const clock = new ManualClock()
  const waits = new OpenWaits(clock)
  let come: (value: number) => void = () => undefined
  const answer = waits.answer('positions', 'what is committed', new Promise<number>((resolve) => (come = resolve)))
  const failed = expect(answer).rejects.toMatchObject({
    code: 'ANSWER_OVERDUE',
    message: expect.stringContaining('the client has not said what is committed for 30 s') as string,
  })
  await clock.advance(30_000)
  await failed
  come(5)
  await clock.settle()
  expect([waits.overdue('positions'), waits.everOverdue('positions')]).toEqual([0, 1])
})
