import { describe, expect, test } from 'vitest'
import { findCulprit, type LostBatch } from '../../../src/actors/threads/blame.ts'
import type { Invocation } from '../../../src/actors/invocation.ts'
import type { Lane } from '../../../src/actors/lanes.ts'
import {
  recordEnded as ended,
  recordRuns as runs,
  recordWaits as waits,
} from '../../../src/actors/threads/progress-board.ts'
import { sourceRecord } from '../actor-fixture.ts'

/** A batch of lanes; each number is how far the thread had come with a record. */
function batch(
  lanes: number[][],
  isAlone = false,
  settled: number[] = [],
): LostBatch & { readonly invocations: readonly Invocation[] } {
  const states = lanes.flat()
  const runsOf = lanes.map((lane) => ({
    lane: {} as Lane,
    invocations: lane.map((_, index) => ({ record: sourceRecord(index), runsAlone: false }) as Invocation),
  }))
  return {
    runs: runsOf.map((run, at) => ({ length: run.invocations.length, open: settled.includes(at) ? null : run })),
    isAlone,
    stateOf: (index) => states[index]!,
    invocations: runsOf.flatMap((run) => run.invocations),
  }
}

const suspects = (...lost: ReturnType<typeof batch>[]) =>
  lost.map(({ invocations }) => invocations.flatMap(({ runsAlone }, index) => (runsAlone ? [index] : [])))

describe('who ended the thread', () => {
  test('the only record that was at work', () => {
    const lost = batch([[ended], [runs], [waits]])
    expect(findCulprit([lost], false)).toBe(lost.invocations[1])
    expect(suspects(lost)).toEqual([[1]])
  })

  test('not charged while records before it in its lane have to go again; it runs alone next time', () => {
    const lost = batch([[ended, runs, waits]])
    expect(findCulprit([lost], false)).toBeNull()
    expect(suspects(lost)).toEqual([[1]])
  })

  test('of several at work none is charged, all run alone', () => {
    const lost = batch([[runs, waits], [ended], [runs]])
    expect(findCulprit([lost], false)).toBeNull()
    expect(suspects(lost)).toEqual([[0, 3]])
  })

  test('batches of one thread are judged together', () => {
    const lost = [batch([[runs]]), batch([[waits], [runs]])]
    expect(findCulprit(lost, false)).toBeNull()
    expect(suspects(...lost)).toEqual([[0], [1]])
  })

  test('nobody, when none was at work', () => {
    const lost = [batch([[ended], [ended]]), batch([[waits]])]
    expect(findCulprit(lost, false)).toBeNull()
    expect(suspects(...lost)).toEqual([[], []])
  })

  test('when the memory ran out any that had run may have filled it', () => {
    const lost = batch([[ended], [runs], [waits]])
    expect(findCulprit([lost], true)).toBeNull()
    expect(suspects(lost)).toEqual([[0, 1]])
  })

  test.each([true, false])('not a record whose outcome is known, out of memory or not', (isOutOfMemory) => {
    const lost = batch([[runs], [runs], [ended]], false, [0, 2])
    expect(findCulprit([lost], isOutOfMemory)).toBe(isOutOfMemory ? null : lost.invocations[1])
    expect(suspects(lost)).toEqual([[1]])
  })

  test.each([true, false])('a record that had the thread to itself, out of memory or not', (isOutOfMemory) => {
    const alone = batch([[runs]], true)
    const other = batch([[waits, waits]])
    expect(findCulprit([other, alone], isOutOfMemory)).toBe(alone.invocations[0])
    expect(suspects(other)).toEqual([[]])
  })

  test('not a record that waited for the thread to be its own', () => {
    const alone = batch([[waits]], true)
    const other = batch([[runs]])
    expect(findCulprit([alone, other], false)).toBe(other.invocations[0])
  })
})
