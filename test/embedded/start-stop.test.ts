/** Supervisors that come and go leave nothing behind. In a process of its own: what this one holds is the test runner's. */
import { expect, test } from 'vitest'
import { scriptLines } from './script-lines.ts'

interface Held {
  readonly cycles: number
  readonly handles: Readonly<Record<string, number>>
  readonly threads: number
  readonly files: number
  readonly heapBytes: number
}

const AT_ONCE = 20
const ROUNDS = 5
/**
 * Heap that a supervisor may leave: the binding of the Kafka client keeps the callbacks of every consumer, some 10 to 20 kB
 * with what they reach. An engine that they still reached would be 250 kB.
 */
const HEAP_BYTES_A_CYCLE = 50_000

// The counts come from /proc.
test.runIf(process.platform === 'linux')(
  '100 starts and stops leave no handle, thread or open file, and next to no heap',
  async () => {
    const held = await scriptLines<Held>(new URL('start-stop.mjs', import.meta.url), ROUNDS, AT_ONCE)
    const [first, last] = [held[0]!, held.at(-1)!]
    expect([first.cycles, last.cycles]).toEqual([20, 100])
    for (const [name, count] of Object.entries(last.handles)) {
      expect(count, name).toBeLessThanOrEqual(first.handles[name] ?? 0)
    }
    expect(last.threads, 'threads').toBeLessThanOrEqual(first.threads)
    expect(last.files, 'open files').toBeLessThanOrEqual(first.files)
    const perCycle = (last.heapBytes - first.heapBytes) / (last.cycles - first.cycles)
    expect(perCycle, JSON.stringify(held)).toBeLessThan(HEAP_BYTES_A_CYCLE)
  },
  900_000,
)
