/** Handlers that do not heed their abort signal: their key and their slot are not given to others before the promise says so. */
import { expect, test } from 'vitest'
import { troupe } from './engine-under-test.ts'
import { play } from './play.ts'
import { ignoringSignals, makeWorld } from './world.ts'

const WORLDS = 10

test.fails.each(['main', 'threads'] as const)('worlds whose handlers ignore their signal hold (%s)', async (runOn) => {
  const violations: string[] = []
  for (let seed = 1, played = 0; played < WORLDS; seed += 1) {
    const world = ignoringSignals(makeWorld(seed))
    const isIgnoring = world.records.some(({ plan }) => plan.failure === 'ignores-signal')
    if (world.runOn !== runOn || !isIgnoring) continue
    played += 1
    const found = (await play(world, troupe)).violations
    violations.push(...found.map((each) => `seed ${seed}: ${each}`))
  }
  expect(violations).toEqual([])
})
