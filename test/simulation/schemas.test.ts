/**
 * Worlds in which values name schemas of a registry, which has them late and is away for a time. Whatever else the world
 * has, each record comes to what it would have come to, with all its attempts, and the order holds.
 */
import { expect, test } from 'vitest'
import { Random } from '../../src/testing/random.ts'
import { troupe } from './engine-under-test.ts'
import { play } from './play.ts'
import { makeWorld, type World } from './world.ts'

const WORLDS = 60

function withSchemas(seed: number): World {
  const world = makeWorld(seed)
  const random = new Random(seed).fork('schemas')
  const count = random.pick([1, 2, 5, 50])
  const endMs = Math.max(...world.records.map(({ atMs }) => atMs))
  const isThreadEnd = (failure: string): boolean => ['exits', 'fills-memory', 'loops'].includes(failure)
  const outages = Array.from({ length: random.integer(0, 3) }, () => ({
    atMs: random.integer(0, endMs),
    action: { type: 'registry-away', durationMs: random.integer(50, 5_000) } as const,
  }))
  return {
    ...world,
    runOn: 'main',
    records: world.records.map(({ plan, ...record }) => ({
      ...record,
      plan: isThreadEnd(plan.failure) ? { ...plan, failure: 'throws' } : plan,
    })),
    timetable: [...world.timetable.filter(({ action }) => action.type !== 'end-thread'), ...outages],
    schemas: {
      ids: world.records.map(() => random.integer(1, count)),
      appear: Array.from({ length: count }, (_, at) => ({
        id: at + 1,
        atMs: random.chance(0.5) ? 0 : random.integer(0, endMs + 2_000),
      })),
    },
  }
}

test(`in ${WORLDS} worlds a registry that is late or away costs no record anything but time`, async () => {
  const violations: string[] = []
  let questions = 0
  for (let seed = 1; seed <= WORLDS; seed += 1) {
    const played = await play(withSchemas(seed), troupe)
    questions += played.questions
    violations.push(...played.violations.map((each) => `world ${seed}: ${each}`))
  }
  expect(violations).toEqual([])
  expect(questions).toBeGreaterThan(WORLDS)
})
