/** Windows against a computation that has all records before it, and knows nothing of windows that are kept or closed. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { defineAggregation } from '../../../src/operators/aggregation/aggregation.ts'
import { hopping, session, sliding, tumbling } from '../../../src/operators/windows/declared-window.ts'
import type { DeclaredWindow } from '../../../src/operators/windows/declared-window.ts'
import { text } from '../../../src/streams/flows/codec.ts'
import { topic } from '../../../src/streams/flows/flow.ts'
import { OperatorDriver, type PlayedRecord } from '../../support/operator-driver.ts'

interface Reading {
  readonly amount: number
  readonly name: string
}

interface Sent extends PlayedRecord {
  readonly key: string
  readonly value: Reading
}

interface Final {
  readonly key: string
  readonly startMs: number
  readonly endMs: number
  readonly timeMs: number
  readonly values: unknown
}

const readings = topic<Reading, 'readings', string>('readings', { key: text })
const finals = topic<Final>('finals')

const aggregationOf = (window: DeclaredWindow, emit: 'final' | 'updates') =>
  defineAggregation({
    input: readings,
    window,
    emit,
    values: ({ average, collect, count, first, last, max, min, reduce, sum }) => ({
      count: count(),
      named: count(({ name }) => (name === '' ? null : name)),
      sum: sum(({ amount }) => amount),
      average: average(({ amount }) => amount),
      min: min(({ amount }) => amount),
      max: max(({ name }) => name),
      names: collect(({ name }) => name),
      first: first((reading) => reading),
      last: last(({ name }) => name),
      set: reduce({
        initial: () => new Set<string>(),
        add: (set, { name }) => set.add(name),
        merge: (set, other) => new Set([...set, ...other]),
      }),
    }),
    outputs: [finals],
    result: ({ key, timeMs, values, window: { endMs, startMs } }) => [
      finals.record({ key, startMs, endMs, timeMs, values: { ...values, set: [...values.set].sort() } }),
    ],
    ...(window.what === 'session' && emit === 'updates'
      ? {
          merged: ({
            key,
            window: { endMs, startMs },
          }: {
            key: string
            window: { startMs: number; endMs: number }
          }) => [finals.record({ key, startMs, endMs, timeMs: endMs, values: null })],
        }
      : {}),
  })

/** Of records in order of time. Sums are exact: amounts are whole numbers of quarters. */
function valuesOf(records: readonly Sent[]): unknown {
  const amounts = records.map(({ value }) => value.amount)
  const names = records.map(({ value }) => value.name)
  const sum = amounts.reduce((whole, amount) => whole + amount, 0)
  return {
    count: records.length,
    named: names.filter((name) => name !== '').length,
    sum,
    average: sum / records.length,
    min: Math.min(...amounts),
    max: names.toSorted().at(-1),
    names,
    first: records[0]!.value,
    last: names.at(-1),
    set: [...new Set(names)].sort(),
  }
}

/** Of one key, in order of time: from when to when there is a window. */
function windowsOf(window: DeclaredWindow, times: readonly number[]): { startMs: number; endMs: number }[] {
  switch (window.what) {
    case 'tumbling':
    case 'hopping': {
      const { advanceMs, offsetMs, sizeMs } = window
      const latest = Math.max(...times)
      const starts = Array.from(
        { length: Math.ceil(latest / advanceMs) + 2 },
        (_, at) => offsetMs + (at - 1) * advanceMs,
      )
      return starts
        .filter((startMs) => startMs >= 0 || (window.what === 'tumbling' && startMs + sizeMs > 0))
        .map((startMs) => ({ startMs, endMs: startMs + sizeMs }))
    }
    case 'sliding':
      return [...new Set(times)].map((endMs) => ({ startMs: endMs - window.sizeMs, endMs }))
    case 'session': {
      const begins = times.filter((timeMs, at) => at === 0 || timeMs - times[at - 1]! > window.gapMs)
      return begins.map((startMs, at) => ({
        startMs,
        endMs: times.findLast((timeMs) => timeMs < (begins[at + 1] ?? Infinity))!,
      }))
    }
  }
}

function expectedOf(window: DeclaredWindow, records: readonly Sent[]): Final[] {
  const keys = [...new Set(records.map(({ key }) => key))]
  const endIsWithin = window.what === 'sliding' || window.what === 'session'
  const all = keys.flatMap((key) => {
    const own = records.filter((record) => record.key === key).toSorted((a, b) => a.timeMs - b.timeMs)
    const spans = windowsOf(
      window,
      own.map(({ timeMs }) => timeMs),
    )
    return spans.flatMap(({ endMs, startMs }) => {
      const within = own.filter(({ timeMs }) => timeMs >= startMs && (endIsWithin ? timeMs <= endMs : timeMs < endMs))
      if (within.length === 0) return []
      return [{ key, startMs, endMs, timeMs: within.at(-1)!.timeMs, values: valuesOf(within) }]
    })
  })
  return all.sort((a, b) => a.endMs - b.endMs || (a.key < b.key ? -1 : 1))
}

const finalsOf = (driver: OperatorDriver) =>
  driver.effects.map(({ effect }) => (effect as { readonly value: unknown }).value as Final)

const graceMs = fc.integer({ min: 0, max: 40 })
const windows: fc.Arbitrary<DeclaredWindow> = fc.oneof(
  fc
    .record({ sizeMs: fc.integer({ min: 1, max: 30 }), graceMs, offsetMs: fc.integer({ min: -9, max: 9 }) })
    .map(tumbling),
  fc
    .record({ advanceMs: fc.integer({ min: 1, max: 10 }), more: fc.integer({ min: 0, max: 25 }), graceMs })
    .map(({ advanceMs, more, ...rest }) => hopping({ sizeMs: advanceMs + more, advanceMs, ...rest })),
  fc.record({ sizeMs: fc.integer({ min: 1, max: 30 }), graceMs }).map(sliding),
  fc.record({ gapMs: fc.integer({ min: 1, max: 12 }), graceMs }).map(session),
)

/** Each comes at most its lag later than records of its time: within grace, as it is cut by the test. */
const sent = fc.array(
  fc.record({
    key: fc.constantFrom('a', 'b', 'c'),
    timeMs: fc.integer({ min: 0, max: 120 }),
    lag: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    value: fc.record({
      amount: fc.integer({ min: -400, max: 400 }).map((quarters) => quarters / 4),
      name: fc.constantFrom('', 'x', 'y', 'zz', 'ä'),
    }),
  }),
  { minLength: 1, maxLength: 40 },
)

/** Of one time in one order, whatever the arrival, since nothing but the offset says which is the first. */
function arrivalOf(window: DeclaredWindow, records: readonly (Sent & { readonly lag: number })[]): Sent[] {
  return records
    .toSorted((a, b) => a.timeMs - b.timeMs)
    .map((record, at) => ({ ...record, at }))
    .toSorted((a, b) => a.timeMs + a.lag * window.graceMs - (b.timeMs + b.lag * window.graceMs) || a.at - b.at)
}

/** A time that closes everything. */
const END_MS = 10_000

describe('windows', () => {
  test('have the same finals in whatever order their records come within grace, and those are what all of them come to', () => {
    fc.assert(
      fc.property(windows, sent, (window, records) => {
        const arrival = arrivalOf(window, records)
        const driver = new OperatorDriver(aggregationOf(window, 'final')).play(arrival).advanceTo(END_MS)
        // Of one time and key, in the order of their offsets.
        expect(finalsOf(driver)).toEqual(expectedOf(window, arrival))
        expect(driver.played.filter(({ aside }) => aside !== undefined)).toEqual([])
        expect([driver.kept.size, driver.timers.size]).toEqual([0, 0])
      }),
      { numRuns: 200 },
    )
  })

  test('do not see a restart, before whichever record it is', () => {
    fc.assert(
      fc.property(
        windows,
        sent,
        fc.constantFrom('final' as const, 'updates' as const),
        fc.nat(),
        (window, records, emit, cut) => {
          // In any order: late ones too.
          const at = cut % (records.length + 1)
          const whole = new OperatorDriver(aggregationOf(window, emit)).play(records).advanceTo(END_MS)
          const halves = new OperatorDriver(aggregationOf(window, emit)).play(records.slice(0, at)).restart()
          halves.play(records.slice(at)).advanceTo(END_MS)
          expect(halves.played).toEqual(whole.played)
        },
      ),
      { numRuns: 150 },
    )
  })

  test('are in their last update what they are in their final, and what was merged is taken back', () => {
    fc.assert(
      fc.property(windows, sent, (window, records) => {
        const finalDriver = new OperatorDriver(aggregationOf(window, 'final')).play(records).advanceTo(END_MS)
        const updates = new OperatorDriver(aggregationOf(window, 'updates')).play(records).advanceTo(END_MS)
        const lasts = new Map<string, Final>()
        for (const { effect, lastOf } of updates.effects)
          lasts.set(lastOf!, (effect as { value: unknown }).value as Final)
        const standing = [...lasts.values()].filter(({ values }) => values !== null)
        const order = (a: Final, b: Final) => a.endMs - b.endMs || a.startMs - b.startMs || (a.key < b.key ? -1 : 1)
        expect(standing.sort(order)).toEqual(finalsOf(finalDriver).sort(order))
      }),
      { numRuns: 150 },
    )
  })

  test('of sums of any numbers are the same in any order, to the last bit', () => {
    const amounts = fc.array(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e300, max: 1e300 }), {
      minLength: 1,
      maxLength: 30,
    })
    const sums = (list: readonly number[]) => {
      const records = list.map((amount) => ({ key: 'a', timeMs: 1, value: { amount, name: '' } }))
      const driver = new OperatorDriver(aggregationOf(tumbling({ sizeMs: 10 }), 'final'))
        .play(records)
        .advanceTo(END_MS)
      return finalsOf(driver).map(({ values }) => (values as { readonly sum: number; readonly average: number }).sum)
    }
    fc.assert(
      fc.property(amounts, fc.infiniteStream(fc.nat()), (list, chance) => {
        const ranked = list.map((amount) => ({ amount, rank: chance.next().value as number }))
        const shuffled = ranked.sort((a, b) => a.rank - b.rank).map(({ amount }) => amount)
        expect(sums(shuffled)).toEqual(sums(list))
      }),
    )
  })

  test('of sums round once: ten times 0.1 is 1', () => {
    const tenth = { key: 'a', timeMs: 1, value: { amount: 0.1, name: '' } }
    const driver = new OperatorDriver(aggregationOf(tumbling({ sizeMs: 10 }), 'final')).play(Array(10).fill(tenth))
    expect(finalsOf(driver.advanceTo(END_MS))).toMatchObject([{ values: { sum: 1, average: 0.1 } }])
  })
})
