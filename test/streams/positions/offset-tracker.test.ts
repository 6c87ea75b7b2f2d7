import { AssertionError } from 'node:assert'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  CompletionMap,
  decodeCompletionMap,
  encodeCompletionMap,
} from '../../../src/streams/positions/completion-map.ts'
import { OffsetTracker } from '../../../src/streams/positions/offset-tracker.ts'

/** A tracker at `position` that has started the given offsets, with their sequence numbers by offset. */
function started(position: number | null, offsets: readonly number[]) {
  const tracker = new OffsetTracker({ position })
  const sequences = new Map(offsets.map((offset) => [offset, tracker.start(offset)]))
  return {
    tracker,
    finish: (...finished: readonly number[]) => {
      for (const offset of finished) expect(tracker.finish(sequences.get(offset)!)).toBe(true)
      return tracker.safePosition
    },
  }
}

/** The offsets that a snapshot shows as unfinished, one by one. */
function unfinishedOf(tracker: OffsetTracker): number[] {
  const { unfinished } = tracker.snapshot()!
  const offsets: number[] = []
  for (let at = 0; at < unfinished.length; at += 2) {
    for (let offset = unfinished[at]!; offset < unfinished[at + 1]!; offset++) offsets.push(offset)
  }
  return offsets
}

describe('the safe position', () => {
  test('is not known before anything is', () => {
    const tracker = new OffsetTracker({ position: null })
    expect(tracker.safePosition).toBeNull()
    expect(tracker.snapshot()).toBeNull()
    expect(tracker.oldestUnfinished).toBeNull()
    expect(tracker.isIdle).toBe(true)
  })

  test('is the committed one while nothing has started', () => {
    expect(new OffsetTracker({ position: 42 }).safePosition).toBe(42)
  })

  test('stays at the first record until that is finished', () => {
    const { tracker, finish } = started(null, [0, 1, 2])
    expect(tracker.safePosition).toBe(0)
    expect(finish(1)).toBe(0)
    expect(finish(2)).toBe(0)
    expect(finish(0)).toBe(3)
  })

  test('moves with the oldest unfinished record', () => {
    const { finish } = started(10, [10, 11, 12, 13])
    expect(finish(10)).toBe(11)
    expect(finish(12)).toBe(11)
    expect(finish(11)).toBe(13)
    expect(finish(13)).toBe(14)
  })

  // Case 23: compaction, transaction markers, aborted records, retention.
  test('crosses offsets that do not exist, as soon as it is known that they do not', () => {
    const { tracker, finish } = started(10, [100, 105, 300])
    expect(tracker.safePosition).toBe(100) // nothing below 100 will ever come
    expect(finish(105)).toBe(100)
    expect(finish(100)).toBe(300) // 101 to 299 do not exist or are finished
    expect(finish(300)).toBe(301)
  })

  // Case 23: a position that stops before a trailing marker shows a lag that never goes away.
  test('moves past trailing markers when the end of the partition is reached', () => {
    const { tracker, finish } = started(10, [10])
    finish(10)
    expect(tracker.advanceTo(12)).toBe(true)
    expect(tracker.safePosition).toBe(12)
    expect(tracker.advanceTo(12)).toBe(false)
    expect(tracker.advanceTo(5)).toBe(false)
    expect(tracker.safePosition).toBe(12)
  })

  test('does not pass what is in flight when the end of the partition is reached', () => {
    const { tracker, finish } = started(10, [10, 11])
    tracker.advanceTo(13)
    expect(tracker.safePosition).toBe(10)
    expect(finish(11)).toBe(10)
    expect(finish(10)).toBe(13)
  })

  test('is known at the end of an empty partition', () => {
    const tracker = new OffsetTracker({ position: null })
    tracker.advanceTo(7)
    expect(tracker.safePosition).toBe(7)
  })

  // Case 27.
  test.each([2 ** 31 - 2, 2 ** 32 - 2, 2 ** 52])('is exact around offset %d', (first) => {
    const { finish } = started(first, [first, first + 1, first + 2, first + 40_000])
    expect(finish(first + 2)).toBe(first)
    expect(finish(first)).toBe(first + 1)
    expect(finish(first + 1)).toBe(first + 40_000)
    expect(finish(first + 40_000)).toBe(first + 40_001)
  })

  test('is exact up to the last offset that a number can hold', () => {
    const last = Number.MAX_SAFE_INTEGER
    const { finish } = started(last - 1, [last - 1, last])
    expect(finish(last)).toBe(last - 1)
    expect(finish(last - 1)).toBe(2 ** 53)
  })
})

describe('starting', () => {
  test.each([
    ['an offset that was started', 11],
    ['an offset below one that was started', 10],
    ['an offset below the committed position', 3],
    ['a negative offset', -1],
    ['a fraction', 12.5],
    ['no number', NaN],
    ['more than a number can hold', 2 ** 53],
  ])('%s is refused, and changes nothing', (_, offset) => {
    const { tracker } = started(10, [11])
    expect(() => tracker.start(offset)).toThrow(AssertionError)
    expect(() => {
      tracker.skip(offset)
    }).toThrow(AssertionError)
    expect(tracker.snapshot()).toEqual(started(10, [11]).tracker.snapshot())
    expect(tracker.startedCount).toBe(1)
  })

  test('below the end of the partition is refused', () => {
    const { tracker } = started(10, [11])
    tracker.advanceTo(20)
    expect(() => tracker.start(19)).toThrow(AssertionError)
    expect(tracker.start(20)).toBeGreaterThan(0)
  })

  test('counts', () => {
    const { tracker, finish } = started(0, [0, 1, 2])
    finish(1)
    expect([tracker.startedCount, tracker.unfinishedCount, tracker.isIdle]).toEqual([3, 2, false])
    finish(0, 2)
    expect([tracker.startedCount, tracker.unfinishedCount, tracker.isIdle]).toEqual([3, 0, true])
  })

  test('gives the oldest unfinished record a name', () => {
    const tracker = new OffsetTracker({ position: 5 })
    const first = tracker.start(5)
    const second = tracker.start(8)
    expect(tracker.oldestUnfinished).toEqual({ offset: 5, sequence: first })
    tracker.finish(first)
    expect(tracker.oldestUnfinished).toEqual({ offset: 8, sequence: second })
    tracker.finish(second)
    expect(tracker.oldestUnfinished).toBeNull()
  })
})

// Case 22: a mark that comes late is a no-op.
describe('finishing a second time', () => {
  test('changes nothing, even when others have the room by now', () => {
    const tracker = new OffsetTracker({ position: 0 })
    const late = tracker.start(0)
    tracker.finish(late)
    for (let offset = 1; offset < 1000; offset++) {
      const sequence = tracker.start(offset)
      expect(tracker.finish(late)).toBe(false)
      expect(tracker.safePosition).toBe(offset)
      expect(tracker.finish(sequence)).toBe(true)
    }
  })

  test.each([0, -0, -1, 1, 63, 2 ** 21, 2 ** 53, NaN, Infinity])(
    'and a number never given, %d, changes nothing',
    (n) => {
      const { tracker } = started(0, [0, 1])
      expect(tracker.finish(n)).toBe(false)
      expect(tracker.safePosition).toBe(0)
      expect(tracker.unfinishedCount).toBe(2)
    },
  )
})

describe('what is no record', () => {
  test('holds the position where it is, and lets it go', () => {
    const { tracker, finish } = started(10, [10, 11])
    const timer = tracker.hold()
    const next = tracker.start(12)
    expect(finish(10, 11)).toBe(12)
    tracker.finish(next)
    expect(tracker.safePosition).toBe(12)
    expect(tracker.oldestUnfinished).toEqual({ offset: 12, sequence: timer })
    expect(tracker.finish(timer)).toBe(true)
    expect(tracker.safePosition).toBe(13)
  })

  test('is not in the map: the map speaks of records', () => {
    const { tracker } = started(10, [10])
    tracker.hold()
    tracker.hold()
    tracker.finish(tracker.start(11))
    expect(unfinishedOf(tracker)).toEqual([10])
    expect(tracker.snapshot()).toMatchObject({ position: 10, frontier: 12 })
  })

  test('cannot be held where no position is known', () => {
    expect(() => new OffsetTracker({ position: null }).hold()).toThrow(AssertionError)
  })
})

describe('a snapshot', () => {
  test('has the position and what is unfinished beyond it', () => {
    const { tracker, finish } = started(10, [10, 11, 12, 13, 14, 15])
    finish(11, 13, 14)
    expect(tracker.snapshot()).toEqual({
      position: 10,
      frontier: 16,
      unfinished: Float64Array.of(10, 11, 12, 13, 15, 16),
    })
  })

  // Case 20.
  test('stays what it was when the tracker goes on', () => {
    const { tracker, finish } = started(10, [10, 11, 12])
    finish(11)
    const snapshot = tracker.snapshot()
    const before = structuredClone(snapshot)
    finish(10, 12)
    tracker.start(13)
    expect(snapshot).toEqual(before)
  })

  // Case 23: in a compacted topic what is in flight would otherwise be thousands of runs.
  test('has one run for neighbours, however far apart they are', () => {
    const { tracker, finish } = started(0, [0, 10, 25, 26, 90])
    expect(tracker.snapshot()!.unfinished).toEqual(Float64Array.of(0, 91))
    finish(25)
    expect(tracker.snapshot()!.unfinished).toEqual(Float64Array.of(0, 11, 26, 91))
  })

  test('says nothing of trailing markers, nor of markers in between', () => {
    const { tracker } = started(0, [0, 1])
    tracker.advanceTo(5)
    expect(tracker.snapshot()).toEqual({ position: 0, frontier: 2, unfinished: Float64Array.of(0, 2) })
    tracker.start(5)
    expect(tracker.snapshot()).toEqual({ position: 0, frontier: 6, unfinished: Float64Array.of(0, 6) })
  })

  // Case 26. The bound is wide: a walk over millions takes milliseconds. More records than a tracker
  // can have in flight show that what is finished leaves no trace.
  test('of one stuck record with millions finished behind it takes microseconds and no memory', () => {
    const tracker = new OffsetTracker({ position: 0 })
    tracker.start(0)
    const last = 2 ** 21 + 1
    for (let offset = 1; offset <= last; offset++) tracker.finish(tracker.start(offset))
    const times = Array.from({ length: 20 }, () => {
      const begin = performance.now()
      encodeCompletionMap(tracker.snapshot()!)
      return performance.now() - begin
    })
    expect(Math.min(...times)).toBeLessThan(0.5)
    expect(tracker.snapshot()).toEqual({ position: 0, frontier: last + 1, unfinished: Float64Array.of(0, 1) })
  })
})

describe('after a restart', () => {
  const map = new CompletionMap({ position: 10, frontier: 20, unfinished: Float64Array.of(10, 11, 15, 17) })

  // Case 31.
  test('finished records are recognised and skipped', () => {
    const tracker = new OffsetTracker({ position: 10, map })
    const handled = []
    for (let offset = 10; offset < 23; offset++) {
      if (tracker.isFinishedBefore(offset)) tracker.skip(offset)
      else handled.push([offset, tracker.start(offset)] as const)
    }
    expect(handled.map(([offset]) => offset)).toEqual([10, 15, 16, 20, 21, 22])
    expect(tracker.skippedCount).toBe(7)
    for (const [offset, sequence] of handled) {
      expect(tracker.safePosition).toBe(offset)
      tracker.finish(sequence)
    }
    expect(tracker.safePosition).toBe(23)
  })

  test('the map stands before the first record has come', () => {
    expect(new OffsetTracker({ position: 10, map }).snapshot()).toEqual({
      position: 10,
      frontier: 20,
      unfinished: Float64Array.of(10, 11, 15, 17),
    })
  })

  // A second crash soon after the first must not cost what the first did not.
  test('what was finished and has not come again is still shown as finished', () => {
    const tracker = new OffsetTracker({ position: 10, map })
    tracker.finish(tracker.start(10))
    tracker.skip(11)
    tracker.skip(12)
    expect(tracker.snapshot()).toEqual({ position: 13, frontier: 20, unfinished: Float64Array.of(15, 17) })
    tracker.skip(14)
    tracker.start(15)
    expect(tracker.snapshot()).toEqual({ position: 15, frontier: 20, unfinished: Float64Array.of(15, 17) })
  })

  test('what is finished now counts, though the map that was read said otherwise', () => {
    const tracker = new OffsetTracker({ position: 10, map })
    tracker.start(10)
    tracker.finish(tracker.start(15))
    expect(tracker.snapshot()).toEqual({ position: 10, frontier: 20, unfinished: Float64Array.of(10, 11, 16, 17) })
  })

  test('the map ends where its frontier was', () => {
    const tracker = new OffsetTracker({ position: 10, map })
    tracker.start(19)
    expect(tracker.isFinishedBefore(20)).toBe(false)
    expect(tracker.snapshot()).toEqual({ position: 19, frontier: 20, unfinished: Float64Array.of(19, 20) })
  })

  test('a map of another position is refused', () => {
    expect(() => new OffsetTracker({ position: 11, map })).toThrow(AssertionError)
    expect(() => new OffsetTracker({ position: null, map })).toThrow(AssertionError)
  })
})

// Case 22: against a model that keeps every offset in a set.
describe('in any order', () => {
  test('five thousand in flight finish', () => {
    const order = Array.from({ length: 5000 }, (_, index) => (index * 1867) % 5000) // 1867 is prime to 5000
    const { tracker, finish } = started(0, [...order.keys()])
    const finished = new Set<number>()
    let expected = 0
    for (const offset of order) {
      finished.add(offset)
      while (finished.has(expected)) expected += 1
      expect(finish(offset)).toBe(expected)
    }
    expect(tracker.safePosition).toBe(5000)
    expect(tracker.isIdle).toBe(true)
  })

  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ do: fc.constant('start' as const), gap: fc.constantFrom(0, 0, 0, 1, 5, 1000) }),
    },
    { weight: 6, arbitrary: fc.record({ do: fc.constant('finish' as const), which: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('finish late' as const), which: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('skip' as const), gap: fc.constantFrom(0, 2) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('hold' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('reach the end' as const), gap: fc.constantFrom(0, 1, 3) }) },
  )
  const first = fc.constantFrom(null, 0, 1, 2 ** 31 - 3, 2 ** 53 - 2 ** 20)

  test('the position is what the model says, never goes back and never passes an unfinished record', () => {
    fc.assert(
      fc.property(first, fc.array(step, { maxLength: 200 }), (position, steps) => {
        const tracker = new OffsetTracker({ position })
        const unfinished = new Map<number, number>() // sequence → offset that holds the position
        const received = new Set<number>()
        const holds = new Set<number>()
        const late: number[] = []
        let next = position ?? 0
        let known = position !== null
        let last = -1
        for (const now of steps) {
          if (now.do === 'start' || now.do === 'skip') {
            next += now.gap
            received.add(next)
            if (now.do === 'start') unfinished.set(tracker.start(next), next)
            else tracker.skip(next)
            next += 1
            known = true
          } else if (now.do === 'hold' && known) {
            const sequence = tracker.hold()
            holds.add(sequence)
            unfinished.set(sequence, next)
          } else if (now.do === 'reach the end') {
            next += now.gap
            tracker.advanceTo(next)
            known = true
          } else if (now.do === 'finish' && unfinished.size > 0) {
            const sequence = [...unfinished.keys()][now.which % unfinished.size]!
            expect(tracker.finish(sequence)).toBe(true)
            unfinished.delete(sequence)
            late.push(sequence)
          } else if (now.do === 'finish late' && late.length > 0) {
            expect(tracker.finish(late[now.which % late.length]!)).toBe(false)
          }

          const expected = unfinished.size > 0 ? Math.min(...unfinished.values()) : next
          expect(tracker.safePosition).toBe(known ? expected : null)
          expect(tracker.unfinishedCount).toBe(unfinished.size)
          if (!known) continue
          expect(expected).toBeGreaterThanOrEqual(last)
          last = expected

          // The snapshot tells every received record right.
          const map = new CompletionMap(tracker.snapshot()!)
          expect(map.position).toBe(expected)
          const open = new Set([...unfinished].filter(([sequence]) => !holds.has(sequence)).map(([, offset]) => offset))
          for (const offset of received) {
            if (offset >= expected) expect([offset, map.isFinished(offset)]).toEqual([offset, !open.has(offset)])
          }
        }
      }),
    )
  })

  // The whole way: snapshot, text, crash, text, tracker. Case 31.
  test('crashes lose nothing and repeat only what the last commit did not show as finished', () => {
    const world = fc.record({
      gaps: fc.array(fc.constantFrom(1, 1, 1, 1, 2, 7), { minLength: 1, maxLength: 60 }),
      first: fc.constantFrom(0, 2 ** 32),
      lives: fc.array(
        fc.array(
          fc.record({ start: fc.nat(12), finish: fc.array(fc.nat(), { maxLength: 12 }), commit: fc.boolean() }),
          {
            maxLength: 8,
          },
        ),
        { maxLength: 6 },
      ),
    })
    fc.assert(
      fc.property(world, ({ gaps, first, lives }) => {
        let at = first
        const log = gaps.map((gap) => (at += gap))
        const finishedEver = new Set<number>()
        let committed: { position: number | null; text: string; finished: Set<number> } = {
          position: null,
          text: '',
          finished: new Set(),
        }

        /** One life of the process: reads on from the last commit, ends with a crash. */
        function live(steps: readonly { start: number; finish: readonly number[]; commit: boolean }[]) {
          const { position } = committed
          const read = decodeCompletionMap(committed.text, { position: position ?? 0, end: at + 1 })
          expect(read.kind).toBe(committed.text === '' ? 'none' : 'map')
          const tracker = new OffsetTracker({ position, map: read.kind === 'map' ? read.map : null })
          const coming = log.filter((offset) => offset >= (position ?? 0))
          const inFlight: [sequence: number, offset: number][] = []
          const finished = new Set(committed.finished)
          for (const { start, finish, commit } of steps) {
            for (const offset of coming.splice(0, start)) {
              const isFinished = tracker.isFinishedBefore(offset)
              expect([offset, isFinished]).toEqual([offset, committed.finished.has(offset)])
              if (isFinished) tracker.skip(offset)
              else inFlight.push([tracker.start(offset), offset])
            }
            for (const which of finish) {
              if (inFlight.length === 0) break
              const [[sequence, offset]] = inFlight.splice(which % inFlight.length, 1) as [[number, number]]
              tracker.finish(sequence)
              finished.add(offset)
              finishedEver.add(offset)
            }
            const snapshot = commit ? tracker.snapshot() : null
            if (snapshot === null) continue
            for (const offset of log) if (offset < snapshot.position) expect(finished).toContain(offset)
            const text = encodeCompletionMap(snapshot)
            if (typeof text !== 'string') throw new Error('60 records did not fit')
            committed = { position: snapshot.position, text, finished: new Set(finished) }
          }
        }

        for (const steps of lives) live(steps)
        live([{ start: log.length, finish: log.map(() => 0), commit: true }])
        expect(finishedEver).toEqual(new Set(log))
        expect(committed).toMatchObject({ position: at + 1, text: '' })
      }),
      { numRuns: 500 },
    )
  })
})
