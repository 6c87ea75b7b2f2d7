import { describe, expect, test } from 'vitest'
import { describeThreadEnd, findCulprit, type LostBatch } from '../../../src/actors/threads/blame.ts'
import type { Invocation } from '../../../src/actors/invocation.ts'
import type { Lane } from '../../../src/actors/lanes/lanes.ts'
import {
  recordEnded as ended,
  recordRuns as runs,
  recordWaits as waits,
} from '../../../src/actors/threads/protocol/progress-board.ts'
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
    expect(findCulprit([lost], false).culprit).toBe(lost.invocations[1])
    expect(suspects(lost)).toEqual([[1]])
  })

  test('not charged while records before it in its lane have to go again; it runs alone next time', () => {
    const lost = batch([[ended, runs, waits]])
    expect(findCulprit([lost], false).culprit).toBeNull()
    expect(suspects(lost)).toEqual([[1]])
  })

  test('of several at work none is charged, all run alone', () => {
    const lost = batch([[runs, waits], [ended], [runs]])
    expect(findCulprit([lost], false).culprit).toBeNull()
    expect(suspects(lost)).toEqual([[0, 3]])
  })

  test('batches of one thread are judged together', () => {
    const lost = [batch([[runs]]), batch([[waits], [runs]])]
    expect(findCulprit(lost, false).culprit).toBeNull()
    expect(suspects(...lost)).toEqual([[0], [1]])
  })

  test('nobody, when none was at work', () => {
    const lost = [batch([[ended], [ended]]), batch([[waits]])]
    expect(findCulprit(lost, false).culprit).toBeNull()
    expect(suspects(...lost)).toEqual([[], []])
  })

  test('when the memory ran out any that had run may have filled it', () => {
    const lost = batch([[ended], [runs], [waits]])
    expect(findCulprit([lost], true).culprit).toBeNull()
    expect(suspects(lost)).toEqual([[0, 1]])
  })

  test.each([true, false])('not a record whose outcome is known, out of memory or not', (isOutOfMemory) => {
    const lost = batch([[runs], [runs], [ended]], false, [0, 2])
    expect(findCulprit([lost], isOutOfMemory).culprit).toBe(isOutOfMemory ? null : lost.invocations[1])
    expect(suspects(lost)).toEqual([[1]])
  })

  test.each([true, false])('a record that had the thread to itself, out of memory or not', (isOutOfMemory) => {
    const alone = batch([[runs]], true)
    const other = batch([[waits, waits]])
    expect(findCulprit([other, alone], isOutOfMemory).culprit).toBe(alone.invocations[0])
    expect(suspects(other)).toEqual([[]])
  })

  test('not a record that waited for the thread to be its own', () => {
    const alone = batch([[waits]], true)
    const other = batch([[runs]])
    expect(findCulprit([alone, other], false).culprit).toBe(other.invocations[0])
  })
})

describe('the line of a thread that has ended says why, and names what it was at', () => {
  const at = (offset: number) => ({ record: `clicks/3/${offset}`, handler: 'enrich', handlerTimeoutMs: 50 })
  const exited = new Error('the thread exited with code 3')

  test.each([
    [
      { cause: exited, wasHeld: false, wasAt: [at(7)] },
      'the thread exited with code 3; it was at record clicks/3/7 (handler enrich)',
    ],
    [
      { cause: exited, wasHeld: true, wasAt: [at(7)] },
      'it was held for longer than 50 ms, and we ended it; it was at record clicks/3/7 (handler enrich)',
    ],
    [
      { cause: exited, wasHeld: true, wasAt: [] },
      'it was held by what an earlier record left behind, and we ended it; it was at no record',
    ],
    [
      { cause: new Error('out of memory'), wasHeld: false, wasAt: [at(7), at(8)] },
      'out of memory; it was at one of 2 records, each of which runs alone next time: clicks/3/7 (handler enrich), clicks/3/8 (handler enrich)',
    ],
  ])('%o', (thread, words) => {
    const [fields, message] = describeThreadEnd(thread)
    expect(message).toBe(`a worker thread ended and is replaced: ${words}`)
    expect(fields).toEqual({
      ...(thread.wasHeld ? {} : { error: thread.cause }),
      records: thread.wasAt.map(({ record }) => record),
    })
  })

  test('of thousands ten are named', () => {
    const wasAt = Array.from({ length: 1_000 }, (_, offset) => at(offset))
    const [fields, message] = describeThreadEnd({ cause: exited, wasHeld: false, wasAt })
    expect(message).toMatch(/at one of 1000 records.*clicks\/3\/9 \(handler enrich\), and 990 more$/)
    expect((fields as { records: string[] }).records).toHaveLength(10)
  })
})
