import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import { MergedTime } from '../../../src/operators/regroup/merged-time.ts'
import { SourceClock } from '../../../src/operators/regroup/source-clock.ts'
import {
  markHeader,
  readSourceNote,
  recordHeader,
  type SaidWithRecord,
} from '../../../src/operators/regroup/source-header.ts'
import type { RecordHeader } from '../../../src/streams/record.ts'

const WINDOW_MS = 10
const GRACE_MS = 2
const TARGETS = 2

interface Sold {
  readonly timeMs: number
  readonly key: number
}

interface Written {
  readonly header: RecordHeader
  readonly sold: Sold | null
}

type Logs = readonly Written[][]

const targetOf = (sold: Sold): number => sold.key % TARGETS
const windowOf = (sold: Sold): number => Math.floor(sold.timeMs / WINDOW_MS) * WINDOW_MS
const closedAt = (startMs: number): number => startMs + WINDOW_MS + GRACE_MS

/** One partition of the input as its front writes it: one list of writes for each record. */
class FrontUnderTest {
  readonly #source: number
  #clock: SourceClock

  constructor(source: number) {
    this.#source = source
    this.#clock = this.#begin(null)
  }

  #begin(streamTimeMs: number | null): SourceClock {
    return new SourceClock({ source: this.#source, targets: TARGETS, markEveryMs: 5, maxAdvanceMs: null, streamTimeMs })
  }

  restart(): void {
    this.#clock = this.#begin(this.#clock.isUnknown ? null : this.#clock.said.streamTimeMs)
  }

  take(sold: Sold, logs: Logs): void {
    const { isFarFuture, streamTimeMs } = this.#clock.take(sold.timeMs)
    const said = { source: this.#source, streamTimeMs, isIdle: false, timeMs: sold.timeMs, isFarFuture }
    logs[targetOf(sold)]!.push({ header: recordHeader(said), sold })
    this.#clock.noteHeard(targetOf(sold))
    this.#mark(this.#clock.marksDue(), logs)
  }

  /** Nothing comes for the moment; one that is at its end and had nothing at all says that it is idle. */
  rest(isAtEnd: boolean, logs: Logs): void {
    this.#mark(isAtEnd && this.#clock.isUnknown ? this.#clock.becomeIdle() : this.#clock.marksAtRest(), logs)
  }

  #mark(targets: readonly number[], logs: Logs): void {
    for (const target of targets) logs[target]!.push({ header: markHeader(this.#clock.said), sold: null })
  }
}

/** Counts by window and key, as an aggregation does; `restarts`: before which offsets it begins again. */
function finalsOf(log: readonly Written[], sources: number, restarts: ReadonlySet<number>): string[] {
  const finals: string[] = []
  const open = new Map<string, { startMs: number; key: number; count: number }>()
  let merged = new MergedTime(sources, null, null)
  let kept: Uint8Array | null = null
  for (const [offset, { header, sold }] of log.entries()) {
    if (restarts.has(offset)) {
      kept = merged.encodeAt(offset) ?? kept
      merged = new MergedTime(sources, kept, merged.current)
    }
    const note = readSourceNote([header])
    if (note === null) throw new Error('no header')
    const streamTimeMs = merged.note(offset, note.said) ?? -1
    const due = [...open].filter(([, { startMs }]) => closedAt(startMs) <= streamTimeMs)
    for (const [name, { count, key, startMs }] of due.sort(([, a], [, b]) => a.startMs - b.startMs || a.key - b.key)) {
      finals.push(`${startMs} ${key}: ${count}`)
      open.delete(name)
    }
    if (sold === null) continue
    const startMs = windowOf(sold)
    if (closedAt(startMs) <= note.said.streamTimeMs) continue
    // What is not late by its own source is not closed by the least of all.
    expect(closedAt(startMs)).toBeGreaterThan(streamTimeMs)
    const name = `${startMs} ${sold.key}`
    const count = (open.get(name)?.count ?? 0) + 1
    open.set(name, { startMs, key: sold.key, count })
  }
  return finals
}

/** The same by a plain look at all records. */
function expectedFinals(inputs: readonly (readonly Sold[])[], target: number): string[] {
  const counts = new Map<string, { startMs: number; key: number; count: number }>()
  let leastMs = Infinity
  for (const input of inputs) {
    let greatestMs = -1
    for (const sold of input) {
      greatestMs = Math.max(greatestMs, sold.timeMs)
      const startMs = windowOf(sold)
      if (targetOf(sold) !== target || closedAt(startMs) <= greatestMs) continue
      const name = `${startMs} ${sold.key}`
      counts.set(name, { startMs, key: sold.key, count: (counts.get(name)?.count ?? 0) + 1 })
    }
    if (greatestMs >= 0) leastMs = Math.min(leastMs, greatestMs)
  }
  return [...counts.values()]
    .filter(({ startMs }) => closedAt(startMs) <= leastMs)
    .sort((a, b) => a.startMs - b.startMs || a.key - b.key)
    .map(({ count, key, startMs }) => `${startMs} ${key}: ${count}`)
}

const input = (farMs: number): fc.Arbitrary<Sold[]> =>
  fc.array(
    fc.record({
      timeMs: fc.integer({ min: 0, max: 60 }).map((timeMs) => timeMs + farMs),
      key: fc.integer({ min: 0, max: 5 }),
    }),
    { maxLength: 25 },
  )

describe('MergedTime', () => {
  it('gives the same finals however partitions of the input interleave, hours apart or not, through restarts anywhere', () => {
    const inputs = fc
      .array(fc.constantFrom(0, 7, 40, 3_600_000), { minLength: 1, maxLength: 4 })
      .chain((apart) => fc.tuple(...apart.map(input)))
    fc.assert(
      fc.property(inputs, fc.array(fc.nat()), fc.array(fc.nat({ max: 200 })), (sold, turns, restarts) => {
        const logs: Written[][] = Array.from({ length: TARGETS }, () => [])
        const fronts = sold.map((_, source) => new FrontUnderTest(source))
        const left = sold.map((records) => [...records])
        for (let turn = 0; left.some((records) => records.length > 0); turn += 1) {
          const source = (turns[turn % Math.max(1, turns.length)] ?? 0) + turn
          const from = left.map((records, at) => ({ records, at })).filter(({ records }) => records.length > 0)
          const { at, records } = from[source % from.length]!
          // A stand-still, or a restart, at any record.
          if (source % 5 === 0) fronts[at]!.rest(false, logs)
          if (source % 7 === 0) fronts[at]!.restart()
          fronts[at]!.take(records.shift()!, logs)
        }
        for (const front of fronts) front.rest(true, logs)
        for (const [target, log] of logs.entries()) {
          expect(finalsOf(log, sold.length, new Set(restarts))).toEqual(expectedFinals(sold, target))
        }
      }),
      { numRuns: 500 },
    )
  })

  it('waits for a partition that has said nothing, and not for one that has said that it is idle', () => {
    const merged = new MergedTime(2, null, null)
    expect(merged.note(0, { source: 0, streamTimeMs: 50, isIdle: false })).toBeNull()
    expect(merged.note(1, { source: 1, streamTimeMs: -1, isIdle: true })).toBe(50)
    expect(merged.isIdle).toBe(false)
    expect(merged.note(2, { source: 1, streamTimeMs: 20, isIdle: false })).toBe(50)
    expect(merged.note(3, { source: 0, streamTimeMs: 90, isIdle: false })).toBe(50)
    expect(merged.note(4, { source: 1, streamTimeMs: 70, isIdle: false })).toBe(70)
  })

  it('has come as far as the furthest once all are idle', () => {
    const merged = new MergedTime(2, null, null)
    merged.note(0, { source: 0, streamTimeMs: 50, isIdle: true })
    expect(merged.note(1, { source: 1, streamTimeMs: 40, isIdle: true })).toBe(50)
    expect(merged.isIdle).toBe(true)
  })

  it('keeps what is known as of a position, and nothing behind it', () => {
    const merged = new MergedTime(2, null, null)
    merged.note(10, { source: 0, streamTimeMs: 5, isIdle: false })
    merged.note(11, { source: 1, streamTimeMs: 6, isIdle: false })
    merged.note(12, { source: 0, streamTimeMs: 9, isIdle: false })
    const kept = merged.encodeAt(12)
    expect(merged.encodeAt(12)).toBeNull()
    const again = new MergedTime(2, kept, 5)
    // As if the record of offset 12 had not been there.
    expect(again.note(12, { source: 1, streamTimeMs: 8, isIdle: false })).toBe(5)
    expect(again.note(13, { source: 0, streamTimeMs: 7, isIdle: false })).toBe(7)
  })

  it('waits after a restart for a partition that was idle before, until it has spoken again', () => {
    const merged = new MergedTime(2, null, null)
    merged.note(0, { source: 0, streamTimeMs: 50, isIdle: false })
    merged.note(1, { source: 1, streamTimeMs: 20, isIdle: true })
    const again = new MergedTime(2, merged.encodeAt(2), 50)
    expect(again.note(2, { source: 0, streamTimeMs: 90, isIdle: false })).toBe(50)
    expect(again.isIdle).toBe(false)
    expect(again.note(3, { source: 1, streamTimeMs: 20, isIdle: true })).toBe(90)
  })

  it('knows partitions that the input has got since as silent', () => {
    const merged = new MergedTime(1, null, null)
    merged.note(0, { source: 0, streamTimeMs: 5, isIdle: false })
    const again = new MergedTime(2, merged.encodeAt(1), 5)
    expect(again.note(1, { source: 0, streamTimeMs: 9, isIdle: false })).toBe(5)
  })
})

describe('SourceClock', () => {
  const clock = (maxAdvanceMs: number | null = null): SourceClock =>
    new SourceClock({ source: 3, targets: 3, markEveryMs: 1_000, maxAdvanceMs, streamTimeMs: null })

  it('tells all targets of its first record, and then those that are a step behind', () => {
    const source = clock()
    source.take(10_000)
    source.noteHeard(1)
    expect(source.marksDue()).toEqual([0, 2])
    source.take(10_999)
    source.noteHeard(1)
    expect(source.marksDue()).toEqual([])
    source.take(11_000)
    source.noteHeard(0)
    expect(source.marksDue()).toEqual([2])
    expect(source.marksAtRest()).toEqual([1])
    expect(source.marksAtRest()).toEqual([])
  })

  it('does not go on with a record that is too far ahead, and says which', () => {
    const source = clock(60_000)
    expect(source.take(1_000)).toEqual({ streamTimeMs: 1_000, isFarFuture: false })
    expect(source.take(61_001)).toEqual({ streamTimeMs: 1_000, isFarFuture: true })
    expect(source.take(61_000)).toEqual({ streamTimeMs: 61_000, isFarFuture: false })
    expect(source.take(-1)).toEqual({ streamTimeMs: 61_000, isFarFuture: false })
  })

  it('says once that it is idle, and all hear when it is not any more', () => {
    const source = clock()
    expect(source.becomeIdle()).toEqual([0, 1, 2])
    expect(source.said).toEqual({ source: 3, streamTimeMs: -1, isIdle: true })
    expect(source.becomeIdle()).toEqual([])
    expect(source.marksAtRest()).toEqual([])
    source.take(5)
    source.noteHeard(0)
    expect(source.said.isIdle).toBe(false)
    expect(source.marksDue()).toEqual([1, 2])
  })
})

describe('the header of a repartition record', () => {
  it('says of a record and of a mark what was written', () => {
    const said: SaidWithRecord = { source: 70_000, streamTimeMs: 1.5e12, isIdle: false, timeMs: 0, isFarFuture: true }
    expect(readSourceNote([['x', null], recordHeader(said)])).toEqual({ kind: 'record', said })
    const idle = { source: 1, streamTimeMs: -1, isIdle: true }
    expect(readSourceNote([markHeader(idle)])).toEqual({ kind: 'mark', said: idle })
  })

  it.each<[string, RecordHeader[]]>([
    ['no header', []],
    ['another one', [['troupe-id', Buffer.from('x')]]],
    ['a later version', [['troupe-source', Buffer.alloc(22, 2)]]],
    ['a shorter one', [['troupe-source', Buffer.from([1, 0, 0, 0, 0, 0])]]],
  ])('is nobody’s for %s', (_, headers) => {
    expect(readSourceNote(headers)).toBeNull()
  })
})
