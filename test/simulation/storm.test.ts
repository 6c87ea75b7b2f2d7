/**
 * Members that come and go faster than their group can settle, over many partitions. Random worlds
 * have a few members and partitions; here it is many of both, and nothing else goes wrong. Case 15.
 */
import { expect, test } from 'vitest'
import { Random } from '../../src/testing/random.ts'
import { troupe } from './engine-under-test.ts'
import { play, type Played } from './play.ts'
import { makeWorld, type World } from './world.ts'

const PARTITIONS = 80

interface Storm {
  readonly strategy: World['strategy']
  readonly members: number
  readonly everyMs: number
  readonly durationMs: number
  readonly records: number
}

/** Every so often one of the members stops or starts. */
function storm(seed: number, { durationMs, everyMs, members, records, strategy }: Storm): World {
  const random = new Random(seed).fork('storm')
  let running = members
  const toggles = Array.from({ length: Math.floor(durationMs / everyMs) }, (_, at) => {
    const isStop = running === members || (running > 1 && random.chance(0.5))
    running += isStop ? -1 : 1
    const action = { type: 'scale', members: running } as const
    return { atMs: (at + 1) * everyMs, action }
  })
  return {
    ...makeWorld(seed),
    theme: 'calm',
    strategy,
    isStatic: false,
    topics: [{ name: 'in-0', partitions: PARTITIONS, firstOffset: 0 }],
    runOn: 'main',
    order: 'key',
    attempts: 3,
    concurrency: 20,
    commitIntervalMs: 200,
    drainTimeoutMs: 60_000,
    handlerTimeoutMs: 1_000,
    maxRecords: 500,
    maxPartitionRecords: 100,
    maxRunRecords: 50,
    maxMetadataCharacters: 4_096,
    maxBatch: 100,
    latencyMs: [0.5, 2],
    records: Array.from({ length: records }, () => {
      const key = random.integer(0, 999)
      return {
        atMs: random.integer(0, durationMs),
        topic: 'in-0',
        partition: key % PARTITIONS,
        key: `k${key}`,
        plan: {
          costMs: random.integer(0, 20),
          failures: random.chance(0.02) ? 1 : 0,
          failure: 'throws' as const,
          ignoresForMs: 0,
          ending: 'done' as const,
          records: 1,
          rows: random.chance(0.1) ? 1 : 0,
          isRefused: false,
          isGarbage: false,
        },
      }
    }).sort((one, other) => one.atMs - other.atMs),
    timetable: [{ atMs: 0, action: { type: 'scale', members } }, ...toggles],
  }
}

async function assignments(played: Promise<Played>): Promise<{ violations: readonly string[]; assigned: number }> {
  const { events, violations } = await played
  return { violations, assigned: events.filter(({ type }) => type === 'assigned').length }
}

test.each(['cooperative-sticky', 'eager'] as const)(
  'twelve members, one of them toggled every 500 ms (%s): nothing is lost, repeated or out of order, and all ends',
  async (strategy) => {
    const world = storm(15, { strategy, members: 12, everyMs: 500, durationMs: 20_000, records: 4_000 })
    const { assigned, violations } = await assignments(play(world, troupe))
    expect(violations).toEqual([])
    expect(assigned).toBeGreaterThan(100)
  },
)

test.each(['cooperative-sticky', 'eager'] as const)(
  'six members, one of them toggled every 3 s (%s): the same',
  async (strategy) => {
    const world = storm(16, { strategy, members: 6, everyMs: 3_000, durationMs: 30_000, records: 4_000 })
    const { assigned, violations } = await assignments(play(world, troupe))
    expect(violations).toEqual([])
    expect(assigned).toBeGreaterThan(10)
  },
)
