/** Counters and gauges in random worlds: whatever happens there, a member's accounts add up. */
import { expect, test } from 'vitest'
import { EngineStats } from '../../src/metrics/stats.ts'
import { SeamCounts } from '../support/seam-counts.ts'
import { AccountedEngine, findMistakes } from './account-checkers.ts'
import { troupe } from './engine-under-test.ts'
import { play } from './play.ts'
import { makeWorld } from './world.ts'

const WORLDS = 30

test(`accounts add up in worlds 1 to ${WORLDS}, and in as many that nobody has seen`, async () => {
  const first = Date.now() % 2 ** 31
  const seeds = Array.from({ length: WORLDS }, (_, at) => [at + 1, first + at]).flat()
  const failures: string[] = []
  let looks = 0
  for (const seed of seeds) {
    const engine = new AccountedEngine(troupe)
    await play(makeWorld(seed), engine)
    looks += engine.looks
    if (engine.violations.length > 0) failures.push(`world ${seed}\n  ${engine.violations.join('\n  ')}`)
  }
  expect(failures).toEqual([])
  expect(looks).toBeGreaterThan(10 * seeds.length)
})

test('the checker cries out at a record, a letter or an output that is counted wrongly', () => {
  const stats = new EngineStats()
  const partition = stats.partition('a', 'in', 0)
  expect(findMistakes(stats, new SeamCounts(), 0)).toEqual([])
  partition.received = 3
  partition.done = 1
  partition.deadLettered = 1
  partition.bytesInFlight = -1
  stats.sink('table').durable = 1
  expect(findMistakes(stats, new SeamCounts(), 1).map((each) => each.slice(0, 24))).toEqual([
    'in/0: received, and fini',
    'in/0: received (3) are m',
    'in/0: finished by a try ',
    'in/0: bytesInFlight is -',
    'records in flight, by cr',
    'dead letters, by partiti',
    'latencies observed: 0 an',
    'sink table was never see',
  ])
})
