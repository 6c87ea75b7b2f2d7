import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { newInvocation, type Invocation } from '../../../src/actors/invocation.ts'
import { Lanes, type Lane, type LaneRun } from '../../../src/actors/lanes/lanes.ts'
import type { Order, RunOn } from '../../../src/options/options.ts'

function invocation(offset: number, key: string | Uint8Array | null): Invocation {
  const keyBytes = typeof key === 'string' ? Buffer.from(key) : key
  const record = { topic: 't', partition: 0, offset, timestamp: 0, key: keyBytes, value: null, headers: [] }
  return newInvocation(record, offset, 1, 0)
}

function lanesWith(order: Order, ...keys: (string | Uint8Array | null)[]): Lanes {
  return lanesOn('threads', order, ...keys)
}

function lanesOn(runOn: RunOn, order: Order, ...keys: (string | Uint8Array | null)[]): Lanes {
  const lanes = new Lanes(order, runOn === 'main')
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
    const lanes = new Lanes('key', true)
    for (let offset = 0; offset < 1_000_000; offset += 1) {
      lanes.admit(invocation(offset, String(offset)))
      handleAll(lanes, lanes.take(1))
    }
    expect([lanes.busyKeyCount, lanes.recordCount]).toEqual([0, 0])
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
    const lanes = new Lanes('unordered', true)
    for (let offset = 0; offset < 5; offset += 1) lanes.admit(invocation(offset, 'k'))
    const [first, second] = [lanes.take(2)!, lanes.take(2)!]
    expect([offsets(first), offsets(second), lanes.readyRecordCount]).toEqual([[0, 1], [2, 3], 1])
    // Nothing of the first was run: it goes first again.
    lanes.giveBack(first.lane)
    expect([offsets(lanes.take(10)), lanes.readyRecordCount]).toEqual([[0, 1, 4], 0])
  })

  test('a record that fails waits alone', () => {
    const lanes = new Lanes('unordered', true)
    for (let offset = 0; offset < 3; offset += 1) lanes.admit(invocation(offset, 'k'))
    const run = lanes.take(3)!
    const failed = lanes.part(run.lane, run.invocations[0]!)
    lanes.suspend(failed)
    lanes.advance(run.lane)
    lanes.giveBack(run.lane)
    expect([lanes.blockedRecordCount, lanes.readyRecordCount, lanes.recordCount]).toEqual([1, 1, 2])
    expect(offsets(lanes.take(3))).toEqual([2])
    lanes.wake(failed)
    expect(offsets(lanes.take(3))).toEqual([0])
  })

  test('a discard forgets the queue and keeps what was taken from it', () => {
    const lanes = new Lanes('unordered', true)
    for (let offset = 0; offset < 4; offset += 1) lanes.admit(invocation(offset, null))
    const run = lanes.take(2)!
    expect(lanes.discardQueued().map(({ record }) => record.offset)).toEqual([2, 3])
    expect([lanes.recordCount, lanes.readyRecordCount]).toEqual([2, 0])
    handleAll(lanes, run)
    lanes.admit(invocation(4, null))
    expect([offsets(lanes.take(2)), lanes.recordCount]).toEqual([[4], 1])
  })
})

describe('loose records of key order', () => {
  test('records of different keys go together, one of each key', () => {
    const lanes = lanesOn('main', 'key', 'a', 'b', 'a', null, 'a')
    const run = lanes.take(10)
    expect([offsets(run), lanes.take(10)]).toEqual([[0, 1, 3], null])
    handleAll(lanes, run)
    expect(offsets(lanes.take(10))).toEqual([2, 4])
  })

  test('on threads each key has a run of its own, of all its records', () => {
    const lanes = lanesWith('key', 'a', 'b', 'a')
    expect([offsets(lanes.take(10)), offsets(lanes.take(10))]).toEqual([[0, 2], [1]])
  })

  test('one that fails keeps back what follows of its key, and no other', () => {
    const lanes = lanesOn('main', 'key', 'a', 'b', 'a', 'b')
    const run = lanes.take(10)!
    const failed = lanes.part(run.lane, run.invocations[0]!)
    lanes.suspend(failed)
    lanes.advance(run.lane)
    lanes.giveBack(run.lane)
    expect([lanes.blockedRecordCount, offsets(lanes.take(10)), lanes.take(10)]).toEqual([2, [3], null])
    lanes.wake(failed)
    expect(offsets(lanes.take(10))).toEqual([0, 2])
  })

  test('one that takes longer keeps back its key, from the middle of its run', () => {
    const lanes = lanesOn('main', 'key', 'a', 'b', 'c', 'b')
    const run = lanes.take(10)!
    const slow = lanes.part(run.lane, run.invocations[1]!)
    lanes.advance(run.lane)
    lanes.advance(run.lane)
    lanes.giveBack(run.lane)
    lanes.admit(invocation(4, 'b'))
    lanes.admit(invocation(5, 'c'))
    expect([offsets(lanes.take(10)), lanes.take(10)]).toEqual([[5], null])
    lanes.advance(slow)
    lanes.giveBack(slow)
    expect(offsets(lanes.take(10))).toEqual([3, 4])
  })

  test('a lane that was ready before later records is taken before them', () => {
    const lanes = lanesOn('main', 'key', 'a', 'a', 'a')
    handleAll(lanes, lanes.take(1))
    lanes.admit(invocation(3, 'b'))
    expect([offsets(lanes.take(1)), offsets(lanes.take(1))]).toEqual([[1], [3]])
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
    expect([lanes.recordCount, lanes.busyKeyCount]).toEqual([0, 0])
  })
})

describe('suspects', () => {
  test('a suspect is the only record of its run', () => {
    const lanes = new Lanes('partition', true)
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

/** What a record in progress may come to. */
type Fate = 'handled' | 'fails' | 'unrun'

/** Runs in progress, taken and ended as the partition actor does it; notes whatever begins too early. */
class Play {
  readonly #lanes: Lanes
  readonly #order: Order
  readonly #open = new Map<Invocation, Invocation[]>()
  readonly #waiting: Lane[] = []
  readonly runs: LaneRun[] = []
  readonly handled: number[] = []
  readonly tooEarly: string[] = []

  constructor(order: Order, runOn: RunOn) {
    this.#lanes = new Lanes(order, runOn === 'main')
    this.#order = order
  }

  get left(): number[] {
    return [
      this.#lanes.recordCount,
      this.#lanes.readyRecordCount,
      this.#lanes.blockedRecordCount,
      this.#lanes.busyKeyCount,
    ]
  }

  admit(offset: number, key: string | null): void {
    const admitted = invocation(offset, key)
    const isBefore = (other: Invocation): boolean =>
      this.#order === 'partition' || (this.#order === 'key' && key !== null && other.record.key?.toString() === key)
    this.#open.set(admitted, [...this.#open.keys()].filter(isBefore))
    this.#lanes.admit(admitted)
  }

  take(maxRecords: number): void {
    const run = this.#lanes.take(maxRecords)
    if (run === null) return
    this.runs.push(run)
    for (const [at, taken] of run.invocations.entries()) {
      const mates = run.lane.isLoose ? [] : run.invocations.slice(0, at)
      const before = this.#open.get(taken)!.filter((other) => this.#open.has(other) && !mates.includes(other))
      if (before.length > 0) this.tooEarly.push(`${taken.record.offset} before ${before[0]!.record.offset}`)
    }
  }

  /** The handler of one record does not finish at once. */
  setApart(index: number, at: number): void {
    const run = this.runs[index % this.runs.length]
    if (run === undefined || !run.lane.isLoose || run.invocations.length < 2) return
    const slow = run.invocations[at % run.invocations.length]!
    const others = run.invocations.filter((other) => other !== slow)
    const own = { lane: this.#lanes.part(run.lane, slow), invocations: [slow] }
    this.runs.splice(this.runs.indexOf(run), 1, { lane: run.lane, invocations: others }, own)
  }

  end(index: number, fates: readonly Fate[]): void {
    const [run] = this.runs.splice(index % Math.max(1, this.runs.length), 1)
    if (run === undefined) return
    for (const [at, ended] of run.invocations.entries()) {
      const fate = fates[at % fates.length]!
      if (fate === 'unrun') break
      if (fate === 'fails') {
        const lane = run.lane.isLoose ? this.#lanes.part(run.lane, ended) : run.lane
        this.#lanes.suspend(lane)
        this.#waiting.push(lane)
        if (run.lane === lane) return
        continue
      }
      this.handled.push(ended.record.offset)
      this.#open.delete(ended)
      this.#lanes.advance(run.lane)
    }
    this.#lanes.giveBack(run.lane)
  }

  wake(): void {
    for (const lane of this.#waiting.splice(0)) this.#lanes.wake(lane)
  }

  finish(): void {
    this.wake()
    while (this.runs.length > 0 || this.#lanes.readyRecordCount > 0) {
      this.take(2)
      this.end(0, ['handled'])
    }
  }

  discard(): number[] {
    return this.#lanes.discardQueued().map(({ record }) => record.offset)
  }
}

const steps = fc.array(
  fc.record({
    key: fc.constantFrom('a', 'b', 'c', 'd', null),
    take: fc.nat(4),
    apart: fc.option(fc.nat(4)),
    ends: fc.option(fc.nat(4)),
    fates: fc.array(fc.constantFrom<Fate>('handled', 'handled', 'fails', 'unrun'), { minLength: 1, maxLength: 4 }),
    wakes: fc.boolean(),
  }),
  { minLength: 1, maxLength: 60 },
)
const settings = [
  steps,
  fc.constantFrom<Order>('partition', 'key', 'unordered'),
  fc.constantFrom<RunOn>('main', 'threads'),
] as const

function follow(play: Play, plan: readonly (typeof steps extends fc.Arbitrary<(infer Step)[]> ? Step : never)[]): void {
  for (const [offset, { key, take, apart, ends, fates, wakes }] of plan.entries()) {
    play.admit(offset, key)
    if (take > 0) play.take(take)
    if (apart !== null) play.setApart(apart, offset)
    if (ends !== null) play.end(ends, fates)
    if (wakes) play.wake()
  }
}

const byNumber = (a: number, b: number): number => a - b

test('whatever is taken, set apart, given back and retried: each record is handled once, and none begins before one of its key has ended', () => {
  fc.assert(
    fc.property(...settings, (plan, order, runOn) => {
      const play = new Play(order, runOn)
      follow(play, plan)
      play.finish()
      expect(play.tooEarly).toEqual([])
      expect(play.handled.sort(byNumber)).toEqual(plan.map((_, offset) => offset))
      expect(play.left).toEqual([0, 0, 0, 0])
    }),
    { numRuns: 500 },
  )
})

test('whenever the queue is discarded: what is at a handler ends, the rest is given up, and nothing is left', () => {
  fc.assert(
    fc.property(...settings, (plan, order, runOn) => {
      const play = new Play(order, runOn)
      follow(play, plan)
      const atHandler = play.runs.flatMap(({ invocations }) => invocations.map(({ record }) => record.offset))
      const known = [...play.handled, ...atHandler, ...play.discard()]
      expect(known.sort(byNumber)).toEqual(plan.map((_, offset) => offset))
      play.finish()
      expect(play.tooEarly).toEqual([])
      expect(play.left).toEqual([0, 0, 0, 0])
    }),
    { numRuns: 500 },
  )
})
