import { expect, test } from 'vitest'
import { Lookout } from '../../src/lookout.ts'
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

test('nobody is overdue for the time in which this process stood still', async () => {
  const clock = new ManualClock()
  const waits = new OpenWaits(clock)
  waits.judgeBy(new Lookout(clock).start())
  const ended = waits.begin('commit')
  const answer = waits.answer('positions', 'x', new Promise<never>(() => undefined))
  let isGivenUp = false
  answer.catch(() => (isGivenUp = true))
  await clock.advance(10_000)
  await clock.standStill(600_000)
  await clock.advance(5_000)
  expect([isGivenUp, waits.overdue('positions'), waits.describeOverdue()]).toEqual([false, 0, []])
  ended()
  expect(waits.everOverdue('commit')).toBe(0)
  await clock.advance(25_000)
  expect([isGivenUp, waits.everOverdue('positions')]).toEqual([true, 1])
})
