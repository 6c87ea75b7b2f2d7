import { expect, test } from 'vitest'
import { WakeEstimate } from '../../../src/actors/threads/wake-estimate.ts'

test('the quickest of the last round trips is what waking up takes', () => {
  const estimate = new WakeEstimate()
  expect(estimate.ms).toBeNull()
  const note = (...trips: number[]): number | null => {
    for (const ms of trips) estimate.note(ms)
    return estimate.ms
  }
  expect(note(5, 0.2, 7)).toBe(0.2)
  // It does not stand for ever: a machine that has become slower shows after as many trips.
  expect(note(...new Array<number>(48).fill(0.9))).toBe(0.9)
})
