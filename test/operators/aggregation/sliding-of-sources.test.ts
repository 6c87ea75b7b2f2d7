/** Sliding windows where several sources come together: what is late is so by the record's own, and windows close by the one that is behind. */
import { defineAggregation, json, sliding, topic } from 'troupe'
import { expect, test } from 'vitest'
import { OperatorDriver, type PlayedRecord } from '../../support/operator-driver.ts'

const results = topic<readonly [endMs: number, count: number]>('results', { value: json() })

const aggregation = defineAggregation({
  input: topic<number>('input', { value: json() }),
  window: sliding({ sizeMs: 60, graceMs: 5 }),
  values: ({ count }) => ({ count: count() }),
  outputs: [results],
  result: ({ values: { count }, window: { endMs } }) => [results.record([endMs, count])],
})

/** In this order, of one source. `behindMs`: so far is another one behind it, up to the last record. */
function finalsOf(times: readonly number[], behindMs: number): unknown {
  let sourceTimeMs = 0
  const records = times.map((timeMs): PlayedRecord => {
    sourceTimeMs = Math.max(sourceTimeMs, timeMs)
    return { key: 'a', value: 0, timeMs, sourceTimeMs, streamTimeMs: Math.max(0, sourceTimeMs - behindMs) }
  })
  const driver = new OperatorDriver(aggregation).play(records).restart().advanceTo(10_000)
  return driver.effects.flatMap(({ effect }) => (effect.type === 'record' ? [effect.value as unknown] : []))
}

test('a source that is ahead closes no window of which nobody was told', () => {
  const finals = [
    [0, 1],
    [10, 2],
    [30, 3],
    [65, 3],
  ]
  for (const behindMs of [0, 20, 1_000]) expect(finalsOf([0, 10, 30, 65], behindMs)).toEqual(finals)
})

test('a late record counts in those windows only that its own source has not closed, however far another is behind', () => {
  // 20 comes when windows up to 44 are closed: it counts in the one that ends at 50, and in the one at 70.
  const finals = [
    [0, 1],
    [40, 2],
    [50, 4],
    [70, 4],
    [90, 4],
  ]
  for (const behindMs of [0, 20, 1_000]) expect(finalsOf([0, 40, 50, 20, 70, 90], behindMs)).toEqual(finals)
})
