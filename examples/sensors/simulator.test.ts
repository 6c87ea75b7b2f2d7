import { createHarness } from 'troupe/testing'
import { expect, test } from 'vitest'
import { sensorData, type Reading } from './flows.ts'
import { createSimulator, type SimulatedRecord } from './simulator.ts'
import watch from './watch.ts'

function simulate(count: number, { seed = 1, brokenShare = 0.05 } = {}): readonly SimulatedRecord[] {
  let nowMs = Date.UTC(2026, 0, 31)
  const read = createSimulator({ seed, brokenShare, now: () => (nowMs += 1) })
  return Array.from({ length: count }, read)
}

test('the same seed makes the same readings, another one others', () => {
  expect(simulate(500)).toEqual(simulate(500))
  expect(simulate(500, { seed: 2 })).not.toEqual(simulate(500))
})

test('exactly those with a flaw are dead letters, in every way', async () => {
  const harness = createHarness(watch)
  const records = simulate(10_000)
  const outcomes = await Promise.all(records.map(({ key, value }) => harness.sendBytes(value, { key })))
  const wrong = records.filter(({ flaw }, at) => (outcomes[at]?.type === 'done') !== (flaw === undefined))
  expect(wrong).toEqual([])
  const flaws = records.flatMap(({ flaw }) => flaw ?? [])
  expect(flaws.length).toBeGreaterThan(400)
  expect(flaws.length).toBeLessThan(600)
  expect(new Set(flaws).size).toBe(15)
})

test('sensors 1 to 10 read 20 to 30 degrees and 40 to 60 percent, each in its own order of time, some beyond a limit', () => {
  const times = new Map<number, number>()
  let hot = 0
  for (const { key, value } of simulate(4_000, { brokenShare: 0 })) {
    const reading: Reading = sensorData.value.decode(value ?? Buffer.alloc(0))
    expect(key).toBe(String(reading.sensor_id))
    expect(reading.timestamp).toBeGreaterThan(times.get(reading.sensor_id) ?? 0)
    times.set(reading.sensor_id, reading.timestamp)
    expect(reading.temperature).toSatisfy((degrees: number) => degrees >= 20 && degrees <= 30)
    expect(reading.humidity).toSatisfy((percent: number) => percent >= 40 && percent <= 60)
    if (reading.temperature > 29) hot += 1
  }
  expect([...times.keys()].sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  expect(hot).toBeGreaterThan(0)
  expect(hot).toBeLessThan(200)
})
