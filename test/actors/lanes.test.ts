import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { newInvocation, type Invocation } from '../../src/actors/invocation.ts'
import { Lanes, type LaneRun } from '../../src/actors/lanes.ts'
import type { Order } from '../../src/options.ts'

function invocation(offset: number, key: string | Uint8Array | null): Invocation {
  const keyBytes = typeof key === 'string' ? Buffer.from(key) : key
  const record = { topic: 't', partition: 0, offset, timestamp: 0, key: keyBytes, value: null, headers: [] }
  return newInvocation(record, offset, 1, 0)
}

function lanesWith(order: Order, ...keys: (string | Uint8Array | null)[]): Lanes {
  const lanes = new Lanes(order)
  for (const [offset, key] of keys.entries()) lanes.admit(invocation(offset, key))
  return lanes
}

const offsets = (run: LaneRun | null): number[] => run?.invocations.map(({ record }) => record.offset) ?? []

function handleAll(lanes: Lanes, run: LaneRun | null): void {
  if (run === null) return
  for (const _ of run.invocations) lanes.advance(run.lane)
  lanes.giveBack(run.lane)
}

describe('partition order', () => {
  test('hands out one run at a time, in offset order', () => {
    const lanes = lanesWith('partition', 'a', 'b', 'a')
    const first = lanes.take(2)
    expect(offsets(first)).toEqual([0, 1])
    expect(lanes.take(2)).toBeNull()
    handleAll(lanes, first)
    expect(offsets(lanes.take(2))).toEqual([2])
  })
})

describe('key order', () => {
  test('one key waits for itself only', () => {
    const lanes = lanesWith('key', 'a', 'b', 'a')
    const a = lanes.take(1)
    const b = lanes.take(1)
    expect([offsets(a), offsets(b)]).toEqual([[0], [1]])
    expect(lanes.take(1)).toBeNull()
    handleAll(lanes, a)
    expect(offsets(lanes.take(1))).toEqual([2])
  })

  // Case 33: keys compare by their bytes, whatever they look like as text.
  test('keys with the same replacement character are different keys', () => {
    const lanes = lanesWith('key', new Uint8Array([0xff]), new Uint8Array([0xfe]))
    expect(offsets(lanes.take(9))).toEqual([0])
    expect(offsets(lanes.take(9))).toEqual([1])
  })

  test('a key whose bytes somebody writes over is still the key it was', () => {
    const lanes = lanesWith('key', 'ab')
    const run = lanes.take(1)!
    run.invocations[0]!.record.key!.reverse()
    lanes.admit(invocation(1, 'ab'))
    expect(lanes.take(1)).toBeNull()
    handleAll(lanes, run)
    expect(offsets(lanes.take(1))).toEqual([1])
  })

  // Case 33: a record without a key has no order, an empty key is a key.
  test('records without a key run side by side, records with an empty key one by one', () => {
    const lanes = lanesWith('key', null, null, '', '')
    expect([offsets(lanes.take(1)), offsets(lanes.take(1)), offsets(lanes.take(1))]).toEqual([[0], [1], [2]])
    expect(lanes.take(1)).toBeNull()
  })

  // Case 36.
  test('a hot key does not keep the others waiting', () => {
    const lanes = lanesWith('key', ...Array.from({ length: 100 }, () => 'hot'), 'cold')
    const hot = lanes.take(10)
    expect(offsets(hot)).toHaveLength(10)
    expect(offsets(lanes.take(10))).toEqual([100])
  })

  test('a million keys that came and went leave nothing behind', () => {
    const lanes = new Lanes('key')
    for (let offset = 0; offset < 1_000_000; offset += 1) {
      lanes.admit(invocation(offset, String(offset)))
      handleAll(lanes, lanes.take(1))
    }
    expect([lanes.keyedLaneCount, lanes.recordCount]).toEqual([0, 0])
  })

  // Case 34: a record that arrives while its key's last record is at a handler.
  test('a record admitted while its lane is taken runs after it', () => {
    const lanes = lanesWith('key', 'a')
    const first = lanes.take(1)
    lanes.admit(invocation(1, 'a'))
    expect(lanes.take(1)).toBeNull()
    handleAll(lanes, first)
    expect(offsets(lanes.take(1))).toEqual([1])
  })
})

describe('unordered', () => {
  test('what is taken at once leaves the rest to others', () => {
    const lanes = new Lanes('unordered')
    for (let offset = 0; offset < 5; offset += 1) lanes.admit(invocation(offset, 'k'))
    const [first, second] = [lanes.take(2)!, lanes.take(2)!]
    expect([offsets(first), offsets(second), lanes.readyRecordCount]).toEqual([[0, 1], [2, 3], 1])
    // Nothing of the first was run: it goes first again.
    lanes.giveBack(first.lane)
    expect([offsets(lanes.take(10)), lanes.readyRecordCount]).toEqual([[0, 1, 4], 0])
  })

  test('a record that fails waits alone', () => {
    const lanes = new Lanes('unordered')
    for (let offset = 0; offset < 3; offset += 1) lanes.admit(invocation(offset, 'k'))
    const run = lanes.take(3)!
    const failed = lanes.part(run.lane)
    lanes.suspend(failed)
    lanes.advance(run.lane)
    lanes.giveBack(run.lane)
    expect([lanes.blockedRecordCount, lanes.readyRecordCount, lanes.recordCount]).toEqual([1, 1, 2])
    expect(offsets(lanes.take(3))).toEqual([2])
    lanes.wake(failed)
    expect(offsets(lanes.take(3))).toEqual([0])
  })

  test('a discard forgets the queue and keeps what was taken from it', () => {
    const lanes = new Lanes('unordered')
    for (let offset = 0; offset < 4; offset += 1) lanes.admit(invocation(offset, null))
    const run = lanes.take(2)!
    expect(lanes.discardQueued().map(({ record }) => record.offset)).toEqual([2, 3])
    expect([lanes.recordCount, lanes.readyRecordCount]).toEqual([2, 0])
    handleAll(lanes, run)
    lanes.admit(invocation(4, null))
    expect([offsets(lanes.take(2)), lanes.recordCount]).toEqual([[4], 1])
  })
})

describe('retry', () => {
  test('a lane that waits holds back itself only, and goes on with the same record', () => {
    const lanes = lanesWith('key', 'a', 'a', 'b')
    const run = lanes.take(2)
    expect(offsets(run)).toEqual([0, 1])
    lanes.suspend((run as LaneRun).lane)
    expect(offsets(lanes.take(2))).toEqual([2])
    expect(lanes.take(2)).toBeNull()
    lanes.wake((run as LaneRun).lane)
    expect(offsets(lanes.take(2))).toEqual([0, 1])
  })

  // Case 35: a wake that comes late, after the lane was discarded, revives nothing.
  test('a discarded lane does not wake', () => {
    const lanes = lanesWith('key', 'a')
    const run = lanes.take(1) as LaneRun
    lanes.suspend(run.lane)
    expect(lanes.discardQueued().map(({ record }) => record.offset)).toEqual([0])
    lanes.wake(run.lane)
    expect(lanes.take(1)).toBeNull()
  })
})

describe('discard', () => {
  test('forgets what waits and keeps what is at a handler', () => {
    const lanes = lanesWith('key', 'a', 'a', 'a', 'b')
    const run = lanes.take(2) as LaneRun
    expect(
      lanes
        .discardQueued()
        .map(({ record }) => record.offset)
        .sort(),
    ).toEqual([2, 3])
    expect(lanes.recordCount).toBe(2)
    handleAll(lanes, run)
    expect([lanes.recordCount, lanes.keyedLaneCount]).toEqual([0, 0])
  })
})

describe('suspects', () => {
  test('a suspect is the only record of its run', () => {
    const lanes = new Lanes('partition')
    for (let offset = 0; offset < 3; offset += 1) {
      const next = invocation(offset, null)
      next.runsAlone = offset === 1
      lanes.admit(next)
    }
    const runs: number[][] = []
    for (let run = lanes.take(9); run !== null; run = lanes.take(9)) {
      runs.push(offsets(run))
      handleAll(lanes, run)
    }
    expect(runs).toEqual([[0], [1], [2]])
  })
})

test('whatever is taken, given back and retried: each record is handed out, and each key in order', () => {
  const steps = fc.array(
    fc.record({
      key: fc.constantFrom('a', 'b', 'c', null),
      take: fc.nat(3),
      handled: fc.nat(3),
      retries: fc.boolean(),
    }),
    { minLength: 1, maxLength: 60 },
  )
  fc.assert(
    fc.property(steps, fc.constantFrom<Order>('partition', 'key', 'unordered'), (plan, order) => {
      const lanes = new Lanes(order)
      const handled: { key: string | null; offset: number }[] = []
      const waiting: LaneRun[] = []
      const runOnce = (take: number, count: number, retries: boolean): void => {
        const run = lanes.take(Math.max(1, take))
        if (run === null) return
        for (const { record } of run.invocations.slice(0, count)) {
          handled.push({ key: record.key === null ? null : record.key.toString(), offset: record.offset })
          lanes.advance(run.lane)
        }
        if (retries && count < run.invocations.length) {
          lanes.suspend(run.lane)
          waiting.push(run)
        } else {
          lanes.giveBack(run.lane)
        }
      }
      for (const [offset, step] of plan.entries()) {
        lanes.admit(invocation(offset, step.key))
        runOnce(step.take, step.handled, step.retries)
        if (offset % 5 === 4) for (const run of waiting.splice(0)) lanes.wake(run.lane)
      }
      for (const run of waiting.splice(0)) lanes.wake(run.lane)
      while (lanes.readyRecordCount > 0) runOnce(2, 2, false)
      expect(handled.map(({ offset }) => offset).sort((a, b) => a - b)).toEqual(plan.map((_, offset) => offset))
      const ordered = order === 'unordered' ? [] : order === 'partition' ? [undefined] : ['a', 'b', 'c']
      for (const key of ordered) {
        const ofKey = handled.filter((one) => key === undefined || one.key === key).map(({ offset }) => offset)
        expect(ofKey).toEqual([...ofKey].sort((a, b) => a - b))
      }
      expect([lanes.recordCount, lanes.keyedLaneCount]).toEqual([0, 0])
    }),
  )
})
