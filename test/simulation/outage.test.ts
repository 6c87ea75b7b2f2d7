/**
 * Worlds in which attempts are without limit, and what fails, fails many times and at once: as while a service is away.
 * Among rebalances, crashes and whatever else the world has, no record becomes a dead letter for it, and the order holds.
 */
import { expect, test } from 'vitest'
import { troupe } from './engine-under-test.ts'
import { play } from './play.ts'
import { makeWorld, type World } from './world.ts'

const WORLDS = 40
const TIMES_AS_OFTEN = 10

function outage(seed: number): World {
  const world = makeWorld(seed)
  const records = world.records.map(({ plan, ...record }) => ({
    ...record,
    plan: {
      ...plan,
      failures: plan.failures * TIMES_AS_OFTEN,
      failure: plan.failure === 'asks-for-retry' ? plan.failure : ('throws' as const),
    },
  }))
  return { ...world, attempts: 'unlimited', records }
}

test(`in ${WORLDS} worlds whatever is tried without limit comes to what it would have come to`, async () => {
  const violations: string[] = []
  let failed = 0
  for (let seed = 1; seed <= WORLDS; seed += 1) {
    const world = outage(seed)
    failed += world.records.filter(({ plan }) => plan.failures > 0).length
    const played = await play(world, troupe)
    violations.push(...played.violations.map((each) => `world ${seed}: ${each}`))
  }
  expect(violations).toEqual([])
  expect(failed).toBeGreaterThan(100)
})
