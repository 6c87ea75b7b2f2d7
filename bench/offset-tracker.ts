/**
 * What does keeping the safe position cost a record, and what does a commit cost?
 *
 * The engine starts and finishes up to 250,000 records a second in one process, 4,000 ns each, and
 * encodes one map for each partition at every commit, five times a second.
 */
import { decodeCompletionMap, encodeCompletionMap } from '../src/streams/positions/completion-map.ts'
import { OffsetTracker } from '../src/streams/positions/offset-tracker.ts'
import type { Benchmark } from './harness/benchmark.ts'
import { cell, type Cell, type Table } from './harness/report.ts'
import { spreadOf } from './harness/rounds.ts'

const FIRST = 3_000_000_000 // beyond 2^31, as in any topic of some age
const RECORDS = 3_000_000
const COMMITS = 20

function inOrder(): void {
  const tracker = new OffsetTracker({ position: FIRST })
  for (let index = 0; index < RECORDS; index++) tracker.finish(tracker.start(FIRST + index))
}

/** As many as `inFlight` unfinished, of which a random one finishes whenever one starts. */
function inRandomOrder(inFlight: number): void {
  const tracker = new OffsetTracker({ position: FIRST })
  const sequences = Float64Array.from({ length: inFlight }, (_, index) => tracker.start(FIRST + index))
  for (let index = 0; index < RECORDS; index++) {
    const which = picks[index & (picks.length - 1)]! % inFlight
    tracker.finish(sequences[which]!)
    sequences[which] = tracker.start(FIRST + inFlight + index)
  }
}

const picks = Uint32Array.from({ length: 65_536 }, () => Math.random() * 2 ** 32)

/** A tracker with `count` records started, of which those are finished that `isFinished` names. */
function trackerWith(count: number, isFinished: (index: number) => boolean): OffsetTracker {
  const tracker = new OffsetTracker({ position: FIRST })
  for (let index = 0; index < count; index++) {
    const sequence = tracker.start(FIRST + index)
    if (isFinished(index)) tracker.finish(sequence)
  }
  return tracker
}

export const offsetTracker: Benchmark<Record<string, never>> = {
  name: 'offset-tracker',
  question: 'What does keeping the safe position cost a record, and a commit its completion map?',
  goal: 'little of the 4,000 ns that a record has at 250,000 a second',
  defaults: {},
  run({ rounds }) {
    /** Nanoseconds a unit. */
    const timed = (units: number, step: () => void): Cell => {
      const once = (): number => {
        const startedAt = performance.now()
        step()
        return ((performance.now() - startedAt) * 1e6) / units
      }
      once()
      return cell(spreadOf(Array.from({ length: rounds }, once)), 1)
    }
    const records: Table = {
      title: 'A record',
      columns: ['start + finish, ns'],
      rows: [
        { name: 'in order', cells: [timed(RECORDS, inOrder)] },
        ...[100, 10_000, 100_000].map((inFlight) => ({
          name: `at random, ${inFlight.toLocaleString('en')} in flight`,
          cells: [timed(RECORDS, () => inRandomOrder(inFlight))],
        })),
      ],
    }
    const commits: Table = {
      title: 'A commit',
      columns: ['snapshot, µs', 'encode, µs', 'decode, µs', 'characters'],
      rows: trackers().map(([name, tracker]) => ({ name, cells: commitCells(tracker, timed) })),
    }
    return Promise.resolve([records, commits])
  },
}

function commitCells(tracker: OffsetTracker, timed: (units: number, step: () => void) => Cell): Cell[] {
  const perCommit = (step: () => unknown): Cell =>
    timed(COMMITS * 1000, () => {
      for (let time = 0; time < COMMITS; time++) step()
    })
  const snapshot = tracker.snapshot()!
  const encoded = encodeCompletionMap(snapshot)
  const costs = [perCommit(() => tracker.snapshot()), perCommit(() => encodeCompletionMap(snapshot))]
  // One that does not fit is not written.
  if (typeof encoded !== 'string') return [...costs, cell(null), cell(spreadOf([encoded.characters]))]
  return [...costs, perCommit(() => decodeCompletionMap(encoded, snapshot)), cell(spreadOf([encoded.length]))]
}

function trackers(): [name: string, tracker: OffsetTracker][] {
  return [
    ['in order, 1,000 in flight', trackerWith(1000, () => false)],
    ['one stuck, 1,000,000 finished behind it', trackerWith(1_000_001, (index) => index > 0)],
    ['100 stuck among 100,000', trackerWith(100_000, (index) => index % 1000 !== 0)],
    ...[1000, 20_000, 60_000, 200_000].map((count): [string, OffsetTracker] => [
      `random halves of ${count.toLocaleString('en')}`,
      trackerWith(count, (index) => index > 0 && Math.random() < 0.5),
    ]),
    ['every second of 20,000', trackerWith(20_000, (index) => index % 2 === 1)],
    ['random tenth unfinished of 50,000', trackerWith(50_000, (index) => index > 0 && Math.random() < 0.9)],
  ]
}
