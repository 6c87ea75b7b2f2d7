import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { defineDedup } from '../../../src/operators/dedup/dedup.ts'
import type { DedupOperator } from '../../../src/operators/dedup/dedup-operator.ts'
import type { DedupMode } from '../../../src/operators/dedup/sights.ts'
import { topic } from '../../../src/streams/flows/flow.ts'
import { OperatorDriver, type PlayedRecord } from '../../support/operator-driver.ts'

interface Event {
  readonly id: string | null
}

const events = topic<Event>('events')
const unique = topic<Event>('unique')

const DAY_MS = 86_400_000

function dedup(mode: DedupMode, withinMs: number, graceMs?: number): DedupOperator {
  return defineDedup({
    ...{ input: events, output: unique, id: ({ id }: Event) => id, mode, withinMs },
    ...(graceMs === undefined ? {} : { graceMs }),
  })
}

const event = (id: string | null, timeMs: number, key: string | null = 'k'): PlayedRecord => ({
  ...{ key, value: { id }, timeMs },
})

/** Times of what passed; 0 cannot be a timestamp, and is left out. */
function passed(driver: OperatorDriver): unknown[] {
  return driver.effects.map(({ effect }) => effect.type === 'record' && (effect.options.timestamp ?? 0))
}

describe('an id that comes again passes', () => {
  // T32
  test('when the time since it was first seen is over, which duplicates do not extend', () => {
    const driver = new OperatorDriver(dedup('first', 7 * DAY_MS))
    driver.play([0, 6, 8].map((day) => event('a', day * DAY_MS)))
    expect(passed(driver)).toEqual([0, 8 * DAY_MS])
    expect(driver.played.map(({ aside }) => aside)).toEqual([undefined, 'duplicate', undefined])
  })

  // T32
  test('when it was not seen for so long, which duplicates extend where it says sliding', () => {
    const driver = new OperatorDriver(dedup('sliding', 7 * DAY_MS))
    driver.play([0, 6, 12, 20].map((day) => event('a', day * DAY_MS)))
    expect(passed(driver)).toEqual([0, 20 * DAY_MS])
  })

  test('at the end of that time, and not a millisecond before', () => {
    const driver = new OperatorDriver(dedup('first', 10))
    expect(passed(driver.play([event('a', 0), event('a', 9), event('a', 10)]))).toEqual([0, 10])
  })
})

describe('a record', () => {
  test('goes on as it is: with its key and its time', () => {
    const driver = new OperatorDriver(dedup('first', 10)).play([event('a', 5, 'key')])
    expect(driver.effects).toEqual([{ effect: unique.record({ id: 'a' }, { key: 'key', headers: [], timestamp: 5 }) }])
  })

  test('of another id, or seen under another key, does not count', () => {
    const driver = new OperatorDriver(dedup('first', 10))
    driver.play([event('a', 0, 'k1'), event('b', 1, 'k1'), event('a', 2, 'k2')])
    expect(passed(driver)).toEqual([0, 1])
  })

  test('that was seen with a later time is a duplicate: what comes first counts', () => {
    const driver = new OperatorDriver(dedup('first', 10))
    expect(passed(driver.play([event('a', 100), event('a', 95), event('a', 85)]))).toEqual([100])
    // So far behind nobody knows.
    expect(driver.played.at(-1)?.aside).toBe('expired')
  })

  test('without an id goes aside', () => {
    const driver = new OperatorDriver(dedup('first', 10)).play([event(null, 0)])
    expect(driver.played).toMatchObject([{ aside: 'null-key', effects: [] }])
  })

  test('that goes aside is told of, with what it was', () => {
    const others = topic<unknown>('others')
    const operator = defineDedup({
      ...{ input: events, output: unique, outputs: [others], id: ({ id }: Event) => id, withinMs: 10, graceMs: 5 },
      duplicate: ({ value, timeMs }) => [others.record(['duplicate', value.id, timeMs])],
      expired: ({ lateByMs, value }) => [others.record(['expired', value.id, lateByMs])],
      nullKey: ({ key }) => [others.record(['no id', String(key)])],
    })
    const driver = new OperatorDriver(operator)
    driver.play([event('a', 100), event('a', 101), event('b', 96), event('b', 94), event(null, 101, 'k')])
    const told = driver.effects.filter(({ effect }) => effect.type === 'record' && effect.topic === 'others')
    const timesAndValues = [
      ...[
        { timestamp: 101, value: ['duplicate', 'a', 101] },
        { timestamp: 94, value: ['expired', 'b', 2] },
      ],
      { timestamp: 101, value: ['no id', 'k'] },
    ]
    expect(told).toEqual(
      timesAndValues.map(({ timestamp, value }) => ({ effect: others.record(value, { timestamp }) })),
    )
  })
})

const someRecords = fc.array(
  fc.record({ id: fc.constantFrom('a', 'b', 'é'), advance: fc.nat(8), behind: fc.nat(12), restart: fc.boolean() }),
  { maxLength: 60 },
)

describe('whatever the order within grace, and wherever it restarts', () => {
  test.each(['first', 'sliding'] as const)('%s: each passes that nothing near it came before, and no other', (mode) => {
    fc.assert(
      fc.property(someRecords, (records) => {
        const withinMs = 10
        const driver = new OperatorDriver(dedup(mode, withinMs, 12))
        let now = 100
        const seen: { id: string; timeMs: number }[] = []
        const expected: number[] = []
        for (const { advance, behind, id, restart } of records) {
          now += advance
          const timeMs = now - behind
          // Another record moves stream time.
          driver.play([event(`tick ${now}`, now), event(id, timeMs)])
          if (restart) driver.restart()
          const isNear = seen.some((other) => other.id === id && Math.abs(other.timeMs - timeMs) < withinMs)
          if (!isNear) expected.push(timeMs)
          if (!isNear || mode === 'sliding') seen.push({ id, timeMs })
        }
        const ids = new Set(['a', 'b', 'é'])
        const got = driver.effects.flatMap(({ effect }) =>
          effect.type === 'record' && ids.has((effect.value as Event).id!) ? [effect.options.timestamp] : [],
        )
        expect(got).toEqual(expected)
      }),
    )
  })
})
