import { expect, test } from 'vitest'
import { sleep } from '../../src/clock.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { ProcessClock } from '../../src/testing/process-clock.ts'

test('timers fire in the order of their time, and in the order they were made within one moment', async () => {
  const clock = new ManualClock({ startMs: 1000 })
  const fired: string[] = []
  clock.after(20, () => fired.push(`second at ${clock.now()}`))
  clock.after(10, () => fired.push(`first at ${clock.now()}`))
  clock.after(20, () => fired.push(`third at ${clock.now()}`))
  await clock.advance(15)
  expect(fired).toEqual(['first at 1010'])
  expect(clock.now()).toBe(1015)
  await clock.advance(5)
  expect(fired).toEqual(['first at 1010', 'second at 1020', 'third at 1020'])
  expect(clock.pendingTimers).toBe(0)
})

test('promise chains go on between two timers of one moment', async () => {
  const clock = new ManualClock()
  const seen: string[] = []
  const chain = async (): Promise<void> => {
    for (let step = 0; step < 50; step += 1) await Promise.resolve()
    seen.push('end of the chain')
  }
  clock.after(5, () => void chain())
  clock.after(5, () => seen.push('second timer'))
  await clock.advance(5)
  expect(seen).toEqual(['end of the chain', 'second timer'])
})

test('timers that a timer arms fire in the same advance when they are due', async () => {
  const clock = new ManualClock()
  let count = 0
  const tick = (): void => {
    count += 1
    clock.after(10, tick)
  }
  clock.after(10, tick)
  await clock.advance(1000)
  expect(count).toBe(100)
  expect(clock.pendingTimers).toBe(1)
})

test('settle runs timers of 0 ms and what follows from them, and lets no time pass', async () => {
  const clock = new ManualClock()
  const before = clock.now()
  let reached = 0
  const again = (): void => {
    reached += 1
    if (reached < 10) void Promise.resolve().then(() => clock.after(0, again))
  }
  clock.after(0, again)
  clock.after(0.001, () => (reached = NaN))
  await clock.settle()
  expect(reached).toBe(10)
  expect(clock.now()).toBe(before)
})

test('a cancelled timer does not fire, also when it is cancelled twice or by one before it', async () => {
  const clock = new ManualClock()
  let fired = 0
  const cancel = clock.after(10, () => (fired += 1))
  clock.after(5, cancel)
  await clock.advance(5)
  cancel()
  await clock.advance(100)
  expect(fired).toBe(0)
  expect(clock.pendingTimers).toBe(0)
})

test('many timers in random order come back sorted', async () => {
  const clock = new ManualClock({ startMs: 0 })
  const seen: number[] = []
  for (let at = 0; at < 2000; at += 1) {
    const cancel = clock.after((at * 7919) % 1009, () => seen.push(clock.now()))
    if (at % 3 === 0) cancel()
  }
  await clock.advance(2000)
  expect(seen).toHaveLength(1333)
  expect(seen).toEqual([...seen].sort((a, b) => a - b))
})

test('runUntil stops at the timer that made the condition true, and says why it cannot hold', async () => {
  const clock = new ManualClock({ startMs: 0 })
  let isDone = false
  void sleep(clock, 500).then(() => (isDone = true))
  clock.after(900, () => undefined)
  await clock.runUntil(() => isDone)
  expect(clock.now()).toBe(500)
  await expect(clock.runUntil(() => false, { maxMs: 100 })).rejects.toThrow('1 timers are left')
  await expect(clock.runUntil(() => false)).rejects.toThrow('no timer is left')
})

test('moving the clock twice at once is an error, because neither would know what it waits for', async () => {
  const clock = new ManualClock()
  const first = clock.advance(10)
  await expect(clock.advance(10)).rejects.toThrow('moved already')
  await first
  await clock.advance(10)
})

test('a timer of 0 ms that re-arms itself for ever is found, not waited for', async () => {
  const clock = new ManualClock()
  const again = (): void => {
    clock.after(0, again)
  }
  again()
  await expect(clock.settle()).rejects.toThrow('re-arms a timer of 0 ms')
}, 60_000)

test('a frozen process wakes with everything that was due, in order; a killed one never', async () => {
  const clock = new ManualClock({ startMs: 0 })
  const process = new ProcessClock(clock)
  const seen: string[] = []
  process.after(10, () => seen.push(`a at ${clock.now()}`))
  process.after(20, () => seen.push(`b at ${clock.now()}`))
  process.after(200, () => seen.push(`c at ${clock.now()}`))
  process.freeze()
  await clock.advance(100)
  expect(seen).toEqual([])
  process.thaw()
  await clock.settle()
  expect(seen).toEqual(['a at 100', 'b at 100'])
  process.kill()
  process.after(1, () => seen.push('d'))
  await clock.advance(1000)
  expect(seen).toEqual(['a at 100', 'b at 100'])
  expect(clock.pendingTimers).toBe(0)
})

test('a step of the wall clock moves what people read, and neither time nor timers', async () => {
  const clock = new ManualClock({ startMs: 10_000_000 })
  const fired: number[] = []
  clock.after(1000, () => fired.push(clock.now()))
  clock.stepWall(-3_600_000)
  expect(clock.now()).toBe(10_000_000)
  expect(clock.wallNow()).toBe(6_400_000)
  await clock.advance(1000)
  expect(fired).toEqual([10_001_000])
  clock.stepWall(2 * 3_600_000)
  expect(clock.wallNow()).toBe(13_601_000)
})

test('what became due while the process stood still fires when it wakes, in its order', async () => {
  const clock = new ManualClock({ startMs: 0 })
  const fired: string[] = []
  const beat = (): void => {
    fired.push(`beat at ${clock.now()}`)
    clock.after(1000, beat)
  }
  clock.after(1000, beat)
  clock.after(500, () => fired.push(`first at ${clock.now()}`))
  await clock.standStill(60_000)
  expect(fired).toEqual(['first at 60000', 'beat at 60000'])
  await clock.advance(1000)
  expect(fired.slice(2)).toEqual(['beat at 61000'])
})

test('each simulated process has a wall clock of its own', () => {
  const clock = new ManualClock({ startMs: 0 })
  const one = new ProcessClock(clock)
  const other = new ProcessClock(clock)
  one.stepWall(3_600_000)
  expect([one.wallNow(), other.wallNow(), one.now()]).toEqual([3_600_000, 0, 0])
})
