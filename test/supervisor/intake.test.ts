/** Pauses and resumes, of the engine's own accord and of the user's. Cases 50 to 52. */
import { describe, expect, test } from 'vitest'
import type { KeyBudget } from '../../src/actors/lanes/key-brake.ts'
import type { PartitionActor } from '../../src/actors/partition-actor.ts'
import type { ResolvedActor } from '../../src/options/options.ts'
import { silentLog } from '../../src/log.ts'
import { Credit } from '../../src/streams/credit.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import { Intake } from '../../src/supervisor/intake.ts'
import { UserPauses } from '../../src/supervisor/user-pauses.ts'
import { inputOf, failure, makeActor, resolvedActor, sourceRecord } from '../actors/actor-fixture.ts'

function makeIntake(
  options: { partitions?: number; maxPartitionRecords?: number; actor?: Partial<ResolvedActor> } = {},
) {
  const said: string[] = []
  const note = (word: string) => (partitions: readonly { readonly partition: number }[]) => {
    for (const { partition } of partitions) said.push(`${word} ${partition}`)
  }
  const credit = new Credit({ maxRecords: 100, maxBytes: 1e9 })
  const stats = new EngineStats()
  const userPauses = new UserPauses()
  const actors: PartitionActor[] = []
  const intake: Intake = new Intake({
    consumer: { pause: note('pause'), resume: note('resume') },
    credit,
    userPauses,
    maxPartitionRecords: options.maxPartitionRecords ?? 8,
    maxPartitionBytes: 1e9,
    partitionCount: () => actors.length,
    log: silentLog,
  })
  const add = (): PartitionActor => {
    const partition = actors.length
    const { actor: made } = makeActor({
      ...(options.actor === undefined ? {} : { actor: options.actor }),
      partition,
      credit,
      stats,
      keyBudget: intake.keyBudget,
      onLoadChanged: (actor) => {
        intake.balance(actor)
      },
    })
    actors.push(made)
    return made
  }
  for (let count = options.partitions ?? 1; count > 0; count -= 1) add()
  return { actors, actor: actors[0]!, add, credit, intake, said, stats, userPauses }
}

const offered = (from: number, count: number, key?: string) =>
  Array.from({ length: count }, (_, at) => sourceRecord(from + at, key ?? `k${from + at}`))

function handle(actor: PartitionActor, count: number): void {
  for (let at = 0; at < count; at += 1) {
    const run = actor.takeRun(1)
    if (run === null) throw new Error('nothing is ready')
    actor.settle(run, [{ type: 'skip' }])
  }
}

describe('hysteresis', () => {
  // Case 50.
  test('a partition at its limit is paused once, and resumed once it is down to a quarter', () => {
    const { actor, said, stats } = makeIntake()
    actor.admit(offered(0, 8))
    handle(actor, 3)
    actor.admit(offered(8, 3))
    handle(actor, 5)
    expect(said).toEqual(['pause 0'])
    handle(actor, 1)
    expect(said).toEqual(['pause 0', 'resume 0'])
    expect(stats.partition('enrich', 'clicks', 0)).toMatchObject({ pauses: 1, isPaused: false })
  })

  // Case 51: the pause and the load that ends it fall into the same turn.
  test('a load that falls while the pause is decided resumes it', () => {
    const { actor, said } = makeIntake({ maxPartitionRecords: 1 })
    actor.admit(offered(0, 1))
    handle(actor, 1)
    expect(said).toEqual(['pause 0', 'resume 0'])
  })

  // Case 52.
  test('a partition that goes while it is paused leaves nothing behind, and comes back open', () => {
    const { actor, credit, said, stats } = makeIntake()
    actor.admit(offered(0, 9))
    actor.fence()
    expect([credit.recordsInFlight, credit.bytesInFlight]).toEqual([0, 0])
    expect(stats.partition('enrich', 'clicks', 0).isPaused).toBe(false)
    expect(said).toEqual(['pause 0'])
  })
})

describe("the user's pause", () => {
  // Case 51.
  test('survives the resume of back-pressure', () => {
    const { actor, intake, said, userPauses } = makeIntake()
    userPauses.pause('clicks')
    intake.review(actor)
    actor.admit(offered(0, 8))
    handle(actor, 8)
    expect(said).toEqual(['pause 0'])
    userPauses.resume('clicks')
    intake.review(actor)
    expect(said).toEqual(['pause 0', 'resume 0'])
  })

  test('lifted over a full partition leaves it paused until there is room', () => {
    const { actor, intake, said, userPauses } = makeIntake()
    userPauses.pause()
    intake.review(actor)
    actor.admit(offered(0, 8))
    userPauses.resume()
    intake.review(actor)
    expect(said).toEqual(['pause 0'])
    handle(actor, 6)
    expect(said).toEqual(['pause 0', 'resume 0'])
  })

  test('holds for partitions that are assigned later', () => {
    const { add, intake, said, userPauses } = makeIntake()
    userPauses.pause('clicks', 1)
    intake.review(add())
    expect(said).toEqual(['pause 1'])
  })

  test('covers everything, a topic or a partition; a narrower resume does not lift a wider pause', () => {
    const pauses = new UserPauses()
    const covered = () => [
      pauses.covers({ topic: 'a', partition: 0 }),
      pauses.covers({ topic: 'a', partition: 1 }),
      pauses.covers({ topic: 'ab', partition: 0 }),
    ]
    pauses.pause('a', 1)
    expect(covered()).toEqual([false, true, false])
    pauses.pause('a')
    pauses.resume('a', 1)
    expect(covered()).toEqual([true, true, false])
    pauses.pause('a', 1)
    pauses.resume('a')
    expect(covered()).toEqual([false, false, false])
    pauses.pause()
    pauses.resume('a')
    expect(covered()).toEqual([true, true, true])
    pauses.resume()
    expect(covered()).toEqual([false, false, false])
  })
})

describe('keys that wait', () => {
  const parking = { actor: { retry: { ...resolvedActor.retry, attempts: 1 }, failedRecords: 'park' as const } }

  test('stop their own partition at half of its limit; others keep theirs', () => {
    const { actors, said } = makeIntake({ ...parking, partitions: 2 })
    actors[0]!.admit(offered(0, 4, 'hot'))
    actors[0]!.settle(actors[0]!.takeRun(1)!, [failure])
    expect(said).toEqual(['pause 0'])
    actors[1]!.admit(offered(0, 7))
    handle(actors[1]!, 7)
    expect(said).toEqual(['pause 0'])
    actors[0]!.decide('clicks/0/0', 'skip')
    expect(said).toEqual(['pause 0'])
    handle(actors[0]!, 1)
    expect(said).toEqual(['pause 0', 'resume 0'])
  })

  test('a partition that is paused goes on when only such keys are left in it', () => {
    const { actor, said } = makeIntake({ ...parking, maxPartitionRecords: 100 })
    actor.admit([...offered(0, 40, 'hot'), ...offered(40, 60)])
    const hot = actor.takeRun(1)!
    handle(actor, 60)
    // 40 can still get on.
    expect(said).toEqual(['pause 0'])
    actor.settle(hot, [failure])
    expect([actor.heldRecords - actor.waitingRecords, actor.isIntakeBlocked(inputOf(actor)), said]).toEqual([
      0,
      false,
      ['pause 0', 'resume 0'],
    ])
  })

  test('of all partitions together hold half of what all may hold, at most', () => {
    const { intake } = makeIntake({ partitions: 50, maxPartitionRecords: 80 })
    expect(intake.keyBudget.maxRecords).toBe(1)
    const budgetOf = (partitions: number): KeyBudget =>
      makeIntake({ partitions, maxPartitionRecords: 80 }).intake.keyBudget
    expect([1, 2, 10].map((partitions) => budgetOf(partitions).maxRecords)).toEqual([40, 25, 5])
  })

  // Cases 36 and 37.
  test('that fill every partition but one leave that one room to work', () => {
    const { actors, credit } = makeIntake({ ...parking, partitions: 10, maxPartitionRecords: 80 })
    const bad = actors.slice(1)
    for (const actor of bad) {
      for (let offset = 0; offset < 200 && !actor.isIntakeBlocked(inputOf(actor)); offset += 1) {
        actor.admit(offered(offset, 1))
        actor.settle(actor.takeRun(1)!, [failure])
      }
      expect(actor.isIntakeBlocked(inputOf(actor))).toBe(true)
    }
    expect(credit.availableRecords).toBeGreaterThanOrEqual(50)
    actors[0]!.admit(offered(0, 50))
    handle(actors[0]!, 50)
    expect(credit.availableRecords).toBeGreaterThanOrEqual(50)
  })
})
