/**
 * What does keeping the safe position cost a record, and what does a commit cost?
 *
 *     npx tsx bench/offset-tracker.ts
 *
 * The engine starts and finishes up to 250,000 records a second in one process, 4,000 ns each, and
 * encodes one map for each partition at every commit, five times a second.
 */
import { decodeCompletionMap, encodeCompletionMap } from '../src/streams/completion-map.ts'
import { OffsetTracker } from '../src/streams/offset-tracker.ts'

const FIRST = 3_000_000_000 // beyond 2^31, as in any topic of some age
const RECORDS = 3_000_000
const ROUNDS = 5

/** Best of some rounds, in nanoseconds a unit: the others measured the neighbours. */
function bestNs(units: number, round: () => void): number {
  let best = Infinity
  for (let time = 0; time < ROUNDS; time++) {
    const begin = performance.now()
    round()
    best = Math.min(best, ((performance.now() - begin) * 1e6) / units)
  }
  return best
}

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

function printCommit(name: string, tracker: OffsetTracker): void {
  const times = 20
  const repeat = (step: () => unknown) => () => {
    for (let time = 0; time < times; time++) step()
  }
  const snapshot = tracker.snapshot()!
  const encoded = encodeCompletionMap(snapshot)
  const snapshotUs =
    bestNs(
      times,
      repeat(() => tracker.snapshot()),
    ) / 1000
  const encodeUs =
    bestNs(
      times,
      repeat(() => encodeCompletionMap(snapshot)),
    ) / 1000
  let size = `does not fit (${typeof encoded === 'string' ? '' : encoded.characters} characters)`
  let decodeUs = NaN
  if (typeof encoded === 'string') {
    size = `${encoded.length} characters`
    decodeUs =
      bestNs(
        times,
        repeat(() => decodeCompletionMap(encoded, snapshot)),
      ) / 1000
  }
  const row = [snapshotUs, encodeUs, decodeUs].map((us) => us.toFixed(1).padStart(9)).join('')
  console.log(`${name.padEnd(44)}${row}   ${size}`)
}

console.log('start + finish, ns a record')
console.log(`  in order                    ${bestNs(RECORDS, inOrder).toFixed(1)}`)
for (const inFlight of [100, 10_000, 100_000]) {
  const ns = bestNs(RECORDS, () => {
    inRandomOrder(inFlight)
  })
  console.log(`  at random, ${String(inFlight).padStart(7)} in flight ${ns.toFixed(1)}`)
}

console.log(`\n${'one commit, µs'.padEnd(44)} snapshot   encode   decode`)
printCommit(
  'in order, 1,000 in flight',
  trackerWith(1000, () => false),
)
printCommit(
  'one stuck, 1,000,000 finished behind it',
  trackerWith(1_000_001, (index) => index > 0),
)
printCommit(
  '100 stuck among 100,000',
  trackerWith(100_000, (index) => index % 1000 !== 0),
)
for (const count of [1000, 20_000, 60_000, 200_000]) {
  printCommit(
    `random halves of ${count}`,
    trackerWith(count, (index) => index > 0 && Math.random() < 0.5),
  )
}
printCommit(
  'every second of 20,000',
  trackerWith(20_000, (index) => index % 2 === 1),
)
printCommit(
  'random tenth unfinished of 50,000',
  trackerWith(50_000, (index) => index > 0 && Math.random() < 0.9),
)
