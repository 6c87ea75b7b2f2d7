/** An input is idle when nothing has come for a while, all of it is handled, and nothing more stands in the log. */
import { expect, test } from 'vitest'
import { IdleWatch } from '../../src/actors/idle-watch.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'

function watchedInput() {
  const clock = new ManualClock()
  const startedAtMs = clock.now()
  const input = { position: 10 as number | null, end: 10, isAway: false, asked: 0, idleAtMs: [] as number[] }
  const watch = new IdleWatch({
    clock,
    afterMs: 5_000,
    restsAt: () => (input.position === null ? null : [0, input.position]),
    logEnds() {
      input.asked += 1
      return input.isAway ? Promise.reject(new Error('no broker answers')) : Promise.resolve([0, input.end])
    },
    onIdle: () => input.idleAtMs.push(clock.now() - startedAtMs),
  })
  watch.start()
  return { clock, input, watch }
}

test('it is idle when nothing has come for so long, told once, until something comes', async () => {
  const { clock, input, watch } = watchedInput()
  await clock.advance(4_999)
  watch.noteArrival(clock.now())
  await clock.advance(4_999)
  expect(watch.isIdle).toBe(false)
  await clock.advance(60_000)
  expect(input.idleAtMs).toEqual([9_999])
  expect(watch.isIdle).toBe(true)

  watch.noteArrival(clock.now())
  expect(watch.isIdle).toBe(false)
  await clock.advance(5_000)
  expect(input.idleAtMs).toEqual([9_999, 74_998])
})

test('it is not idle while the log has more, be it in a transaction that is open', async () => {
  const { clock, input, watch } = watchedInput()
  input.end = 11
  await clock.advance(60_000)
  expect(watch.isIdle).toBe(false)

  input.position = 11
  await clock.advance(1_000)
  expect(watch.isIdle).toBe(true)
})

test('it is not idle while something is held, and nobody is asked', async () => {
  const { clock, input, watch } = watchedInput()
  input.position = null
  await clock.advance(60_000)
  expect([watch.isIdle, input.asked]).toEqual([false, 0])
})

test('it is not idle while no broker says where the log ends', async () => {
  const { clock, input, watch } = watchedInput()
  input.isAway = true
  await clock.advance(60_000)
  expect(watch.isIdle).toBe(false)

  input.isAway = false
  await clock.advance(1_000)
  expect(watch.isIdle).toBe(true)
})

test('an answer that was under way when something came counts for nothing', async () => {
  const { clock, input, watch } = watchedInput()
  let answer: (ends: number[]) => void = () => undefined
  const slow = new IdleWatch({
    clock,
    afterMs: 5_000,
    restsAt: () => [10],
    logEnds: () => new Promise((resolve) => (answer = resolve)),
    onIdle: () => input.idleAtMs.push(-1),
  })
  watch.stop()
  slow.start()
  await clock.advance(5_000)
  slow.noteArrival(clock.now())
  answer([10])
  await clock.advance(4_999)
  expect([slow.isIdle, input.idleAtMs]).toEqual([false, []])
})

test('who goes on meanwhile hears when the log has more by now', async () => {
  const { clock, input, watch } = watchedInput()
  await clock.advance(5_000)
  expect(watch.confirm()).toBe(true)
  await clock.advance(1_000)
  expect(watch.confirm()).toBe(false)
  await clock.advance(0)
  expect(watch.confirm()).toBe(true)

  input.end = 11
  await clock.advance(1_000)
  expect(watch.confirm()).toBe(false)
  await clock.advance(0)
  expect([watch.confirm(), watch.isIdle]).toEqual([false, false])
})

test('stopped, it says and asks nothing', async () => {
  const { clock, input, watch } = watchedInput()
  watch.stop()
  await clock.advance(60_000)
  watch.noteArrival(clock.now())
  await clock.advance(60_000)
  expect([watch.isIdle, input.asked, input.idleAtMs]).toEqual([false, 0, []])
})
