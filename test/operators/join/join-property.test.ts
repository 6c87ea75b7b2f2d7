import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JoinKind } from '../../../src/operators/join/definition.ts'
import { defineJoin } from '../../../src/operators/join/join.ts'
import type { JoinOperator } from '../../../src/operators/join/join-operator.ts'
import { topic } from '../../../src/streams/flows/flow.ts'
import { OperatorDriver } from '../../support/operator-driver.ts'

interface Numbered {
  readonly no: number
  /** Makes some so large that a key has more than one pack. */
  readonly filling: string
}

const lefts = topic<Numbered>('lefts')
const rights = topic<Numbered>('rights')
const out = topic<string>('out')

interface Case {
  readonly kind: JoinKind
  readonly beforeMs: number
  readonly afterMs: number
  readonly graceMs: number
  readonly records: readonly Arrival[]
}

interface Arrival {
  readonly side: 0 | 1
  readonly key: string
  readonly advanceMs: number
  readonly behindMs: number
  readonly isLarge: boolean
  readonly restart: boolean
}

interface Taken {
  readonly no: number
  readonly side: 0 | 1
  readonly key: string
  readonly timeMs: number
}

const cases: fc.Arbitrary<Case> = fc
  .record({
    kind: fc.constantFrom<JoinKind>('inner', 'left', 'outer'),
    beforeMs: fc.integer({ min: -10, max: 40 }),
    spanMs: fc.nat(40),
    graceMs: fc.nat(20),
    records: fc.array(
      fc.record({
        side: fc.constantFrom<0 | 1>(0, 1),
        key: fc.constantFrom('a', 'b'),
        advanceMs: fc.nat(8),
        behindMs: fc.nat(25),
        isLarge: fc.boolean(),
        restart: fc.boolean(),
      }),
      { maxLength: 60 },
    ),
  })
  .map(({ spanMs, ...given }) => ({ ...given, afterMs: spanMs - given.beforeMs }))

function joinOf({ afterMs, beforeMs, graceMs, kind }: Case): JoinOperator {
  return defineJoin({
    ...{ left: lefts, right: rights, kind, within: { beforeMs, afterMs }, graceMs, outputs: [out] },
    result: ({ left, right, timeMs }) => [out.record(`${left?.no ?? '-'} ${right?.no ?? '-'} at ${timeMs}`)],
  })
}

interface Played {
  readonly driver: OperatorDriver
  /** What was not late. */
  readonly taken: readonly Taken[]
  readonly lateCount: number
}

function play(given: Case, restarts: boolean): Played {
  const driver = new OperatorDriver(joinOf(given))
  const taken: Taken[] = []
  let now = 1_000
  for (const [no, { advanceMs, behindMs, isLarge, key, restart, side }] of given.records.entries()) {
    // No record has moved stream time so far yet, but one of another key does.
    now += advanceMs
    const timeMs = now - behindMs
    const value = { no, filling: isLarge ? 'x'.repeat(3_000) : '' }
    driver.play([{ key: 'clock', value: { no: -1, filling: '' }, timeMs: now, input: side }])
    driver.play([{ key, value, timeMs, input: side }])
    if (behindMs <= given.graceMs) taken.push({ no, side, key, timeMs })
    if (restarts && restart) driver.restart()
  }
  driver.advanceTo(1_000_000)
  return { driver, taken, lateCount: given.records.length - taken.length }
}

/** All pairs, and what has none: by looking at each with each. */
function bruteForce({ afterMs, beforeMs, kind }: Case, taken: readonly Taken[]): string[] {
  const results: string[] = []
  const isPaired = new Set<number>()
  for (const left of taken.filter(({ side }) => side === 0)) {
    for (const right of taken.filter(({ side }) => side === 1)) {
      const isNear = left.timeMs - beforeMs <= right.timeMs && right.timeMs <= left.timeMs + afterMs
      if (left.key !== right.key || !isNear) continue
      results.push(`${left.no} ${right.no} at ${Math.max(left.timeMs, right.timeMs)}`)
      isPaired.add(left.no).add(right.no)
    }
  }
  for (const { no, side, timeMs } of taken.filter((record) => !isPaired.has(record.no))) {
    if (side === 0 && kind !== 'inner') results.push(`${no} - at ${timeMs}`)
    if (side === 1 && kind === 'outer') results.push(`- ${no} at ${timeMs}`)
  }
  return results.sort()
}

function resultsOf({ driver }: Played): string[] {
  return driver.effects.flatMap(({ effect }) => {
    const result = effect.type === 'record' ? String(effect.value) : ''
    return result.includes('-1') ? [] : [result]
  })
}

describe('whatever comes, in whatever order within grace', () => {
  test('the results are those of each record compared with each', () => {
    fc.assert(
      fc.property(cases, (given) => {
        const played = play(given, false)
        expect(resultsOf(played).sort()).toEqual(bruteForce(given, played.taken))
        expect(played.driver.played.filter(({ aside }) => aside === 'late')).toHaveLength(played.lateCount)
      }),
    )
  })

  test('a restart behind any record changes nothing, nor does it the order of what comes out', () => {
    fc.assert(
      fc.property(cases, (given) => {
        expect(resultsOf(play(given, true))).toEqual(resultsOf(play(given, false)))
      }),
    )
  })

  test('in the end nothing is kept', () => {
    fc.assert(
      fc.property(cases, (given) => {
        const { driver } = play(given, true)
        expect([driver.kept.size, driver.timers.size]).toEqual([0, 0])
      }),
    )
  })
})
