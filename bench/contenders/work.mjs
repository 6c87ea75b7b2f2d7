// Work of a known cost for each record, and a check of the order of a key's records, wherever it runs.
import { createHash } from 'node:crypto'
import { performance } from 'node:perf_hooks'

/** Plain JavaScript that cannot be shortened: about a nanosecond an iteration. */
function spin(iterations, seed) {
  let state = seed | 0
  for (let left = iterations; left > 0; left -= 1) state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
  return state
}

function hash(times, value) {
  let digest = value
  for (let left = times; left > 0; left -= 1) digest = createHash('sha256').update(digest).digest()
  return digest[0]
}

/** `{ spin: iterations }` or `{ sha256: times }`. */
export function makeWork({ spin: iterations, sha256 }) {
  return sha256 === undefined ? (value) => spin(iterations, value[4]) : (value) => hash(sha256, value)
}

/** How many iterations take a microsecond on a core that is free: the best of some times. */
export function calibrate() {
  const iterations = 2_000_000
  let best = Infinity
  for (let time = 0; time < 30; time += 1) {
    const startedAt = performance.now()
    spin(iterations, time)
    best = Math.min(best, performance.now() - startedAt)
  }
  return iterations / (best * 1000)
}

/** Memory that all threads share: `ended` has how many records of each key are through. */
export function makeShared(keys, counted) {
  return { counted, late: new Int32Array(new SharedArrayBuffer(4)), ended: int32s(keys) }
}

const int32s = (length) => new Int32Array(new SharedArrayBuffer(4 * length))

let sum = 0

/** Handles a value. A record is late when it begins before one that comes earlier in its key is through. */
export function makeHandler({ work, shared: { counted, late, ended } }) {
  const workOn = makeWork(work)
  return (value) => {
    const key = uint32(value, 0)
    const place = uint32(value, 4)
    if (Atomics.load(ended, key) < place) Atomics.add(late, 0, 1)
    sum ^= workOn(value)
    Atomics.add(ended, key, 1)
    Atomics.add(counted, 0, 1)
    return sum
  }
}

const uint32 = (bytes, at) => bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)

/** Of all records so far. */
export const latePercent = ({ counted, late }) => (100 * Atomics.load(late, 0)) / Math.max(1, Atomics.load(counted, 0))
