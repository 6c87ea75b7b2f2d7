import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { StreamTime } from '../../src/state/stream-time.ts'

describe('stream time', () => {
  test('is the greatest timestamp so far, of a record and of a position', () => {
    const time = new StreamTime(null)
    expect([5, 3, 9, 9, 4].map((timestamp, offset) => time.note(offset, timestamp))).toEqual([5, 5, 9, 9, 9])
    expect([0, 1, 2, 3, 5, 100].map((position) => time.at(position))).toEqual([null, 5, 5, 9, 9, 9])
  })

  test('does not know a record that nobody has stamped', () => {
    const time = new StreamTime(null)
    expect(time.note(0, -1)).toBeNull()
    expect(time.note(1, 0)).toBe(0)
  })

  test('of every position where it may still stop is the same, whatever was forgotten', () => {
    const records = fc.array(
      fc.record({
        gap: fc.integer({ min: 1, max: 4 }),
        timestamp: fc.integer({ min: 0, max: 60 }),
        finished: fc.boolean(),
      }),
      { minLength: 1, maxLength: 80 },
    )
    fc.assert(
      fc.property(records, fc.nat(), (list, cut) => {
        const time = new StreamTime(10)
        let offset = 0
        const all = list.map((record) => ({ ...record, offset: (offset += record.gap) }))
        const before = all.slice(0, cut % (all.length + 1))
        for (const record of before) time.note(record.offset, record.timestamp)
        const open = before.filter(({ finished }) => !finished).map((record) => record.offset)
        const frontier = (before.at(-1)?.offset ?? 0) + 1
        time.forget(
          open[0] ?? frontier,
          open.flatMap((from) => [from, from + 1]),
        )
        const rest = all.slice(before.length)
        for (const record of rest) time.note(record.offset, record.timestamp)
        for (const position of [...open, frontier, ...rest.map((record) => record.offset + 1)]) {
          const expected = Math.max(
            10,
            ...all.filter((record) => record.offset < position).map(({ timestamp }) => timestamp),
          )
          expect(time.at(position)).toBe(expected)
        }
      }),
    )
  })

  test('keeps no more than what is unfinished, however long a record holds the position', () => {
    const time = new StreamTime(null)
    let kept = 0
    for (let offset = 0; offset < 200_000; offset += 1) {
      time.note(offset, offset)
      if (!time.isLong) continue
      // Record 0 is parked; the last hundred are at the handler.
      time.forget(0, [0, 1, offset - 99, offset + 1])
      kept = Math.max(kept, time.rises)
    }
    expect(time.at(0)).toBeNull()
    expect(kept).toBeLessThan(1_024)
  })
})
