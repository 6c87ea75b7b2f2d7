import { describe, expect, test } from 'vitest'
import { Dispatcher } from '../../../src/actors/executors/dispatcher.ts'
import type { DispatchedRun, Executor, Settle } from '../../../src/actors/executors/executor.ts'
import type { ResolvedActor } from '../../../src/options/options.ts'
import type { PartitionActor } from '../../../src/actors/partition-actor.ts'
import { doneWithNothing } from '../../../src/actors/handlers/verdict.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { makeActor, sourceRecord } from '../actor-fixture.ts'
import { tellWhenReady } from './tell-when-ready.ts'

/** Takes batches and holds them until the test says so. */
class HeldExecutor implements Executor {
  freeSlots = 1
  maxBatchRecords = 100
  maxBatchBytes: number = Number.POSITIVE_INFINITY
  maxRun: number = Number.MAX_SAFE_INTEGER
  enough = { records: Number.POSITIVE_INFINITY, lanes: 0 }
  onRoom: () => void = () => undefined
  onThrottle: Executor['onThrottle'] = () => undefined
  /** By actor; the others have no limit. */
  readonly rooms = new Map<string, number>()
  readonly batches: (readonly DispatchedRun[])[] = []
  readonly #settles: (() => void)[] = []

  maxRunRecords(): number {
    return this.maxRun
  }

  hasEnough(records: number, lanes: number): boolean {
    return records >= this.enough.records && lanes >= this.enough.lanes
  }

  roomOf({ name }: ResolvedActor): number {
    return this.rooms.get(name) ?? Number.POSITIVE_INFINITY
  }

  readonly mixesKeys = false

  inProgressOf(): number {
    return 0
  }

  callLimitsOf(): null {
    return null
  }

  execute(batch: readonly DispatchedRun[], settle: Settle): void {
    this.freeSlots -= 1
    this.batches.push(batch)
    this.#settles.push(() => {
      for (const run of batch)
        settle(
          run,
          run.invocations.map(() => doneWithNothing),
        )
    })
  }

  /** Ends the oldest batch: its slot is free again. */
  endBatch(): void {
    this.freeSlots += 1
    this.#settles.shift()?.()
    this.onRoom()
  }

  /** Offsets by actor, a line per batch. */
  get log(): string[] {
    return this.batches.map((batch) =>
      batch
        .map((run) => run.invocations.map(({ record }) => `${names.get(run.actor)}${record.offset}`).join('+'))
        .join(' '),
    )
  }
}

const names = new Map<PartitionActor, string>()

function world(...letters: string[]) {
  const executor = new HeldExecutor()
  const dispatcher = new Dispatcher(executor, new ManualClock())
  tellWhenReady(executor, dispatcher)
  const actors = letters.map((letter) => {
    const { actor } = makeActor({ actor: { order: 'key' } })
    names.set(actor, letter)
    return actor
  })
  /** Records of one actor; `keys` says each one's key. */
  const give = (index: number, keys: string, first = 0) => {
    const actor = actors[index]!
    actor.admit(keys.split('').map((key, at) => sourceRecord(first + at, key)))
    dispatcher.enlist(actor)
  }
  return { executor, dispatcher, actors, give }
}

describe('batches', () => {
  test('a record that finds a free slot goes alone and at once; what piles up meanwhile goes together', () => {
    const { executor, dispatcher, give } = world('a')
    give(0, 'x')
    dispatcher.pump()
    give(0, 'yz', 1)
    dispatcher.pump()
    expect(executor.log).toEqual(['a0'])
    executor.endBatch()
    expect(executor.log).toEqual(['a0', 'a1 a2'])
  })

  test('an actor whose partition was revoked while it had no room does not hide another', async () => {
    const { executor, dispatcher, actors, give } = world('a', 'b')
    executor.rooms.set('enrich', 0)
    give(0, 'x')
    dispatcher.pump()
    give(1, 'y')
    void actors[0]!.drain()
    executor.rooms.delete('enrich')
    executor.roomOf = () => (executor.batches.length === 0 && actors[0]!.readyRecordCount > 0 ? 0 : 1)
    dispatcher.pump()
    expect(executor.log).toEqual(['b0'])
  })

  test('it is sated by what is ready, not by what is at a handler, and tells when some has gone there', () => {
    const { executor, dispatcher, give } = world('a', 'b')
    executor.enough = { records: 4, lanes: 3 }
    executor.maxBatchRecords = 1
    let told = 0
    dispatcher.onHandedOut = () => (told += 1)
    give(0, 'xxx')
    give(1, 'y')
    // Four records, in two lanes.
    expect(dispatcher.isSated).toBe(false)
    give(1, 'z', 1)
    expect(dispatcher.isSated).toBe(true)
    dispatcher.pump()
    // The lane of x is at the handler, so what is behind it is not ready.
    expect([executor.log, dispatcher.isSated, told]).toEqual([['a0'], false, 1])
  })

  test('what is ready is shared out among the free slots', () => {
    const { executor, dispatcher, give } = world('a')
    executor.freeSlots = 4
    give(0, 'stuvwxyz')
    dispatcher.pump()
    expect(executor.log).toEqual(['a0 a1', 'a2 a3', 'a4 a5', 'a6 a7'])
  })

  test('successive records of a key may share a batch, in their order', () => {
    const { executor, dispatcher, give } = world('a')
    give(0, 'xyxx')
    dispatcher.pump()
    expect(executor.log).toEqual(['a0+a2+a3 a1'])
  })

  test('never more records than the executor wants, and no longer runs than it takes', () => {
    const { executor, dispatcher, give } = world('a')
    executor.maxBatchRecords = 3
    executor.maxRun = 2
    give(0, 'xxxyz')
    dispatcher.pump()
    executor.endBatch()
    expect(executor.log).toEqual(['a0+a1 a3', 'a4 a2'])
  })

  test('no batch has more bytes than the limit, also within a lane', () => {
    const { executor, dispatcher, give, actors } = world('a')
    give(0, 'xxxx')
    const size = actors[0]!.inputs[0]!.held.bytes / 4
    executor.maxBatchBytes = size * 2.5
    dispatcher.pump()
    executor.endBatch()
    expect(executor.log).toEqual(['a0+a1', 'a2+a3'])
  })

  test('a suspect goes alone', () => {
    const { executor, dispatcher, actors, give } = world('a', 'b')
    give(0, 'wxyz')
    const run = actors[0]!.takeRun(1)!
    run.invocations[0]!.runsAlone = true
    // Its thread died; it comes back last in line.
    actors[0]!.settle(run, [])
    give(1, 'x')
    executor.freeSlots = 1
    dispatcher.pump()
    for (let batch = 0; batch < 3; batch += 1) executor.endBatch()
    expect(executor.log.find((line) => line.includes('a0'))).toBe('a0')
    expect(executor.log.join(' ').split(' ').sort()).toEqual(['a0', 'a1', 'a2', 'a3', 'b0'])
  })
})

describe('records of one actor in progress at once', () => {
  test('over all its partitions, within a batch too', () => {
    const { executor, dispatcher, give } = world('a', 'b')
    executor.rooms.set('enrich', 3)
    give(0, 'xxyz')
    give(1, 'x')
    dispatcher.pump()
    expect(executor.log).toEqual(['a0+a1 b0'])
    // Those that were handed over are the executor's to count.
    executor.rooms.set('enrich', 0)
    executor.endBatch()
    expect(executor.log).toHaveLength(1)
    executor.rooms.set('enrich', 1)
    dispatcher.pump()
    executor.endBatch()
    expect(executor.log.slice(1)).toEqual(['a2', 'a3'])
  })

  test('an actor without room holds up no other', () => {
    const { executor, dispatcher, give, actors } = world('a')
    const { actor: other } = makeActor({ actor: { order: 'key', name: 'other' } })
    names.set(other, 'o')
    executor.rooms.set('enrich', 0)
    give(0, 'xyz')
    other.admit([sourceRecord(0, 'x'), sourceRecord(1, 'y')])
    dispatcher.enlist(other)
    dispatcher.pump()
    expect(executor.log).toEqual(['o0 o1'])
    expect(actors[0]!.readyRecordCount).toBe(3)
    executor.rooms.set('enrich', 10)
    executor.endBatch()
    expect(executor.log[1]).toBe('a0 a1 a2')
  })
})

describe('fairness', () => {
  // Case 36.
  test('actors take turns: a full one does not hold up the others', () => {
    const { executor, dispatcher, give } = world('a', 'b', 'c')
    executor.maxBatchRecords = 2
    give(0, 'abcdefgh')
    give(1, 'xyz')
    give(2, 'q')
    executor.maxRun = 1
    dispatcher.pump()
    for (let batch = 0; batch < 5; batch += 1) executor.endBatch()
    expect(executor.log).toEqual(['a0 b0', 'c0 a1', 'b1 a2', 'b2 a3', 'a4 a5', 'a6 a7'])
  })

  test('an actor whose records are gone by its turn loses only its turn', () => {
    const { executor, dispatcher, actors, give } = world('a', 'b')
    give(0, 'x')
    give(1, 'y')
    actors[0]!.fence()
    dispatcher.pump()
    expect(executor.log).toEqual(['b0'])
  })

  test('an actor is in line once, however often it is enlisted', () => {
    const { executor, dispatcher, actors, give } = world('a', 'b')
    give(0, 'wxyz')
    give(1, 'q')
    for (let time = 0; time < 5; time += 1) dispatcher.enlist(actors[0]!)
    executor.maxBatchRecords = 2
    executor.maxRun = 1
    dispatcher.pump()
    expect(executor.log).toEqual(['a0 b0'])
  })
})
