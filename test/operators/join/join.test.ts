import { describe, expect, test } from 'vitest'
import type { JoinKind } from '../../../src/operators/join/definition.ts'
import { defineJoin } from '../../../src/operators/join/join.ts'
import type { JoinOperator } from '../../../src/operators/join/join-operator.ts'
import { shapesOfKept } from '../../../src/state/kept-shapes.ts'
import { changedShapes, newShapes } from '../../../src/state/shape-records.ts'
import { topic } from '../../../src/streams/flows/flow.ts'
import { OperatorDriver, type PlayedRecord } from '../../support/operator-driver.ts'

const lefts = topic<string>('lefts')
const rights = topic<string>('rights')
const out = topic<unknown>('out')

interface Within {
  readonly beforeMs: number
  readonly afterMs: number
}

function join(kind: JoinKind, within: Within, graceMs = 0): JoinOperator {
  return defineJoin({
    ...{ left: lefts, right: rights, kind, within, graceMs, outputs: [out] },
    result: ({ key, left, right }) => [out.record([key, left, right])],
    late: ({ lateByMs, side, value }) => [out.record(['late', side, value, lateByMs])],
    nullKey: ({ side, value }) => [out.record(['no key', side, value])],
  })
}

const left = (key: string | null, value: string, timeMs: number): PlayedRecord => ({ key, value, timeMs, input: 0 })
const right = (key: string | null, value: string, timeMs: number): PlayedRecord => ({ key, value, timeMs, input: 1 })

/** What was sent, with the timestamp of each. */
function sent(driver: OperatorDriver): unknown[] {
  return driver.effects.map(({ effect }) =>
    effect.type === 'record' ? [effect.value, effect.options.timestamp] : effect,
  )
}

describe('a right record joins a left one', () => {
  // Both ends count; the time of a pair is the greater of both (T13).
  test.each([
    [89, []],
    [90, [[['k', 'L', 'R'], 100]]],
    [100, [[['k', 'L', 'R'], 100]]],
    [130, [[['k', 'L', 'R'], 130]]],
    [131, []],
  ])('at %i of 90 to 130, with the greater of both times', (timeMs, expected) => {
    const within = { beforeMs: 10, afterMs: 30 }
    const asTheyCome = new OperatorDriver(join('inner', within, 100)).play([
      left('k', 'L', 100),
      right('k', 'R', timeMs),
    ])
    expect(sent(asTheyCome)).toEqual(expected)
    const theOtherWayRound = new OperatorDriver(join('inner', within, 100)).play([
      ...[right('k', 'R', timeMs), left('k', 'L', 100)],
    ])
    expect(sent(theOtherWayRound)).toEqual(expected)
  })

  test('of its own key only', () => {
    const driver = new OperatorDriver(join('inner', { beforeMs: 10, afterMs: 10 }))
    expect(sent(driver.play([left('a', 'L', 1), right('b', 'R', 1)]))).toEqual([])
  })

  test('and each other one, of one key and time as well', () => {
    const driver = new OperatorDriver(join('inner', { beforeMs: 0, afterMs: 0 }))
    driver.play([left('k', 'L1', 5), left('k', 'L2', 5), right('k', 'R1', 5), right('k', 'R2', 5)])
    expect(sent(driver).map((effect) => (effect as [unknown])[0])).toEqual([
      ...[
        ['k', 'L1', 'R1'],
        ['k', 'L2', 'R1'],
      ],
      ...[
        ['k', 'L1', 'R2'],
        ['k', 'L2', 'R2'],
      ],
    ])
  })

  test('only so much later, where beforeMs is below 0', () => {
    const driver = new OperatorDriver(join('inner', { beforeMs: -5, afterMs: 10 }))
    driver.play([left('k', 'L', 100), right('k', 'too soon', 104), right('k', 'R', 105)])
    expect(sent(driver)).toEqual([[['k', 'L', 'R'], 105]])
  })
})

describe('what has no partner', () => {
  test('comes out alone once stream time is past its last partner and grace, and once only', () => {
    const driver = new OperatorDriver(join('left', { beforeMs: 0, afterMs: 10 }, 5))
    driver.play([left('k', 'L', 100), right('other', 'R', 115)])
    expect(sent(driver)).toEqual([])
    driver.advanceTo(116).advanceTo(1_000)
    expect(sent(driver)).toEqual([[['k', 'L', undefined], 100]])
  })

  test('does not come out before a partner that comes within grace', () => {
    const driver = new OperatorDriver(join('left', { beforeMs: 0, afterMs: 10 }, 5))
    driver.play([left('k', 'L', 100), left('other', 'L', 115), right('k', 'R', 110)]).advanceTo(120)
    expect(sent(driver)).toEqual([[['k', 'L', 'R'], 110]])
  })

  test('comes out of both sides of an outer join, in the order of their times', () => {
    const driver = new OperatorDriver(join('outer', { beforeMs: 10, afterMs: 10 }))
    driver.play([right('k', 'R', 100), left('k', 'L', 200)]).advanceTo(300)
    expect(sent(driver)).toEqual([
      [['k', undefined, 'R'], 100],
      [['k', 'L', undefined], 200],
    ])
  })

  test('comes out of no inner join', () => {
    const driver = new OperatorDriver(join('inner', { beforeMs: 0, afterMs: 10 }))
    expect(sent(driver.play([left('k', 'L', 100), right('k', 'R', 99)]).advanceTo(1_000))).toEqual([
      [['late', 'right', 'R', 1], 99],
    ])
  })
})

describe('a record that joins nothing', () => {
  test('is late beyond grace, by so much as it would have had to come sooner', () => {
    const driver = new OperatorDriver(join('left', { beforeMs: 100, afterMs: 100 }, 5))
    driver.play([left('k', 'L', 100), right('k', 'in time', 95), right('k', 'R', 94)])
    expect(sent(driver)).toEqual([
      [['k', 'L', 'in time'], 100],
      [['late', 'right', 'R', 1], 94],
    ])
    expect(driver.played.at(-1)?.aside).toBe('late')
  })

  // T14
  test.each([
    [
      'inner',
      [
        ['no key', 'left', 'L'],
        ['no key', 'right', 'R'],
      ],
      ['null-key', 'null-key'],
    ],
    [
      'left',
      [
        [null, 'L', undefined],
        ['no key', 'right', 'R'],
      ],
      [undefined, 'null-key'],
    ],
    [
      'outer',
      [
        [null, 'L', undefined],
        [null, undefined, 'R'],
      ],
      [undefined, undefined],
    ],
  ] as const)('has no key: in an %s join it goes aside, unless its side comes out alone', (kind, effects, asides) => {
    const driver = new OperatorDriver(join(kind, { beforeMs: 0, afterMs: 0 }))
    driver.play([left(null, 'L', 1), right(null, 'R', 1)])
    expect(sent(driver).map((effect) => (effect as [unknown])[0])).toEqual(effects)
    expect(driver.played.map(({ aside }) => aside)).toEqual(asides)
  })
})

describe('what is kept', () => {
  test('is gone when no partner can come', () => {
    const driver = new OperatorDriver(join('outer', { beforeMs: 1_000, afterMs: 60_000 }, 500))
    for (let at = 0; at < 1_000; at += 1) {
      driver.play([left(`k${at % 10}`, 'x'.repeat(500), at * 10), right(`k${at % 7}`, 'x'.repeat(500), at * 10)])
    }
    expect(driver.kept.size).toBeGreaterThan(0)
    driver.advanceTo(1_000_000)
    expect(driver.kept.size).toBe(0)
    expect(driver.timers.size).toBe(0)
  })

  test('of a hot key is in values of less than 100 kB, and no more of it than the window needs', () => {
    const operator = join('left', { beforeMs: 1_000, afterMs: 1_000 }, 0)
    const driver = new OperatorDriver(operator)
    const value = 'x'.repeat(1_000)
    const sizes = (): number[] =>
      [...driver.kept].map(([name, kept]) => operator.states[Number(name[0])]!.codec.encode(kept).byteLength)
    for (let at = 0; at < 4_000; at += 1) driver.play([left('hot', value, at)])
    expect(Math.max(...sizes())).toBeLessThan(100_000)
    // 1,000 ms of records of 1 kB are needed; of what is older at most a stretch is there.
    const bytes = sizes().reduce((sum, each) => sum + each, 0)
    expect(bytes).toBeGreaterThan(1_000_000)
    expect(bytes).toBeLessThan(2_000_000)
  })
})

describe('what is kept', () => {
  const known = { kind: 'left', within: { beforeMs: 3_600_000, afterMs: 60_000 }, graceMs: 5_000 } as const
  /** What is said of it when it begins with what the known one has kept. */
  const saidOf = ({
    graceMs,
    kind,
    within,
  }: {
    kind: JoinKind
    within: Within
    graceMs: number
  }): readonly string[] => {
    const kept = new Map<string, Uint8Array>()
    const store = { get: (key: Uint8Array | string) => kept.get(Buffer.from(key).toString('hex')) }
    const shapesOf = (operator: JoinOperator) => shapesOfKept(operator.states)
    for (const [key, value] of newShapes(store, shapesOf(join(known.kind, known.within, known.graceMs)))) {
      kept.set(Buffer.from(key).toString('hex'), value!)
    }
    return changedShapes(store, shapesOf(join(kind, within, graceMs)))
  }

  test.each([
    ['before', { ...known, within: { ...known.within, beforeMs: 60_000 } }],
    ['after', { ...known, within: { ...known.within, afterMs: 0 } }],
    ['kind', { ...known, kind: 'outer' as const }],
    ['a grace of much more than the window', { ...known, graceMs: 86_400_000 }],
  ])('is refused after another %s', (_what, other) => {
    expect(saidOf(other)).toEqual([
      expect.stringContaining('state held was written with codec'),
      expect.stringContaining('state packs was written with codec'),
    ])
  })

  test('is taken over by the same, and with another grace, which holds from then on', () => {
    expect([saidOf(known), saidOf({ ...known, graceMs: 0 }), saidOf({ ...known, graceMs: 3_600_000 })]).toEqual([
      [],
      [],
      [],
    ])
    const within = { beforeMs: 100, afterMs: 100 }
    const driver = new OperatorDriver(join('left', within, 10)).play([left('k', 'L', 1_000), left('k', 'M', 1_050)])
    // Its timer is set to 1,111 by now.
    driver.goOnAs(join('left', within, 200)).play([left('other', 'X', 1_250), right('k', 'R', 1_060)])
    expect(sent(driver)).toEqual([
      [['k', 'L', 'R'], 1_060],
      [['k', 'M', 'R'], 1_060],
    ])
    expect(sent(driver.advanceTo(10_000)).slice(2)).toEqual([[['other', 'X', undefined], 1_250]])
    expect([driver.kept.size, driver.timers.size]).toEqual([0, 0])
  })
})
