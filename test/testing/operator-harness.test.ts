/** Aggregations in the harness, by the case vectors: with codecs, stamped as in the engine, and kept as bytes between two runs. */
import { describe, expect, test } from 'vitest'
import { createHarness } from '../../src/testing/harness.ts'
import {
  aggregationOf,
  cases,
  readings,
  recordOf,
  type AggregationCase,
  type Reading,
} from '../operators/aggregation/cases.ts'
import { counting } from '../support/counting-operator.ts'

/** A multiple of all sizes of windows: at 0 nothing can be written. */
const BASE_MS = 36_000_000_000

const ofTheEpoch = 'T06 hopping windows begin at multiples of the epoch, whenever the first record comes'
/** That one is of the epoch's own beginning. */
const later = cases.filter(({ title }) => title !== ofTheEpoch)

async function played(each: AggregationCase, cut = -1) {
  const harness = createHarness(aggregationOf(each))
  const outputs: string[] = []
  const aside: [number, string][] = []
  for (const [at, { key, timeMs, value }] of each.records.map(recordOf).entries()) {
    if (at === cut) await harness.restart()
    const later = value === null ? null : { ...(value as Reading), atMs: BASE_MS + timeMs }
    const came = await harness.send(later, { key, timestamp: BASE_MS + timeMs })
    outputs.push(...came.outputs.map((effect) => (effect.type === 'record' ? shown(String(effect.value)) : 'a row')))
    if (came.aside !== null) aside.push([at, came.aside])
  }
  return { outputs, aside: Object.fromEntries(aside) }
}

const shown = (text: string): string => text.replaceAll(/\d{10,}/g, (time) => String(Number(time) - BASE_MS))

describe('an aggregation in the harness', () => {
  test.for(later)('comes to what the case says: $title', async (each) => {
    expect(await played(each)).toEqual({ outputs: each.outputs, aside: each.aside ?? {} })
  })

  test.for(later)('does so whatever record it begins again at: $title', async (each) => {
    for (const cut of each.records.keys()) {
      expect(await played(each, cut)).toEqual({ outputs: each.outputs, aside: each.aside ?? {} })
    }
  })
})

test('what a function of an operator throws comes to the test, and leaves no trace in the harness', async () => {
  const harness = createHarness(counting)
  const at = (ms: number) => ({ key: 'ann', timestamp: BASE_MS + ms })
  await harness.send({ page: 'a' }, at(0))
  await expect(harness.send({ page: 'bad' }, at(1))).rejects.toThrow('no such page')
  expect(await harness.send({ page: 'nowhere' }, at(2))).toEqual({
    outputs: [],
    aside: null,
    deadLetter: 'it is nowhere',
  })
  const { outputs } = await harness.advanceTo(BASE_MS + 60_000)
  expect(outputs.map((effect) => (effect.type === 'record' ? (effect.value as unknown) : effect))).toEqual([1])
  await expect(harness.send({}, { input: { ...readings, name: 'others' } })).rejects.toThrow(/none of its inputs/)
})
