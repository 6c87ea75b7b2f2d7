/** Pauses that come fast throw away what was fetched ahead, and free it. Case 50. In a process of its own, as is what it holds. */
import { expect, test } from 'vitest'
import { scriptLines } from './script-lines.ts'

interface Held {
  readonly round: number
  readonly rssBytes: number
  readonly heapBytes: number
}

const ROUNDS = 5
const PAUSES = 1000
const FETCHES = 30
/** The allocator and the client's own queues take their time to find their size. */
const WARM_UP = 2
/** What is thrown away in the rounds after that comes to 90 MB at least. */
const RSS_BYTES = 40_000_000
/** A kilobyte for each pause. */
const HEAP_BYTES = (ROUNDS - WARM_UP) * PAUSES * 1000

test('thousands of pauses with records fetched ahead leave no memory behind, and each record comes once', async () => {
  const held = await scriptLines<Held>(new URL('pause-resume.mjs', import.meta.url), ROUNDS, PAUSES, FETCHES)
  expect(held).toHaveLength(ROUNDS)
  const [warm, last] = [held[WARM_UP - 1]!, held.at(-1)!]
  expect(last.rssBytes - warm.rssBytes, JSON.stringify(held)).toBeLessThan(RSS_BYTES)
  expect(last.heapBytes - warm.heapBytes, JSON.stringify(held)).toBeLessThan(HEAP_BYTES)
}, 300_000)
