import { describe, expect, test } from 'vitest'
import { Dispatcher } from '../../../src/actors/executors/dispatcher.ts'
import { defineHandler, done, retry, type Outcome } from '../../../src/actors/handlers/handler.ts'
import { HandlerRunner } from '../../../src/actors/handlers/handler-runner.ts'
import { InlineExecutor } from '../../../src/actors/executors/inline-executor.ts'
import { sleep, type Clock } from '../../../src/clock.ts'
import { silentLog } from '../../../src/log.ts'
import type { Order } from '../../../src/options/options.ts'
import { bytes } from '../../../src/streams/flows/codec.ts'
import { topic } from '../../../src/streams/flows/flow.ts'
import { EngineStats } from '../../../src/metrics/stats.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { makeActor, sourceRecord } from '../actor-fixture.ts'
import { tellWhenReady } from './tell-when-ready.ts'

interface Settings {
  readonly handle: (offset: number, partition: number) => Outcome | Promise<Outcome>
  readonly clock?: Clock
  readonly order?: Order
  readonly concurrency?: number
  readonly partitions?: number
  readonly handlerTimeoutMs?: number
  /** An actor has taken verdicts, or records. */
  readonly onLoadChanged?: () => void
}

/** Partition actors, a dispatcher and the executor. `give` admits records; `keys` says each one's key. */
async function world({
  handle,
  clock = new ManualClock(),
  order = 'key',
  concurrency = 100,
  partitions = 1,
  handlerTimeoutMs = 1_000_000,
  onLoadChanged = () => undefined,
}: Settings) {
  const stats = new EngineStats()
  const handler = defineHandler({
    input: topic('clicks', { value: bytes }),
    handle: (_, { record }) => handle(record.offset, record.partition),
  })
  const options = { name: 'enrich', handlerTimeoutMs, idHeader: false, log: silentLog, clock }
  const executor = new InlineExecutor({
    runners: new Map([['enrich', await HandlerRunner.open({ ...options, handler: handler as never })]]),
    stats: new Map([['enrich', stats.actor('enrich')]]),
    clock,
    concurrency,
    maxTurnMs: 5,
  })
  const dispatcher = new Dispatcher(executor, clock)
  tellWhenReady(executor, dispatcher)
  const actors = Array.from(
    { length: partitions },
    () => makeActor({ actor: { order, runOn: 'main' }, onLoadChanged }).actor,
  )
  const give = (partition: number, keys: readonly string[]): void => {
    actors[partition]!.admit(keys.map((key, offset) => ({ ...sourceRecord(offset, key), partition })))
    dispatcher.enlist(actors[partition]!)
    dispatcher.pump()
  }
  return { executor, actors, give, stats }
}

const different = (count: number): string[] => Array.from({ length: count }, (_, index) => `key ${index}`)

describe('asynchronous handlers', () => {
  test('no more records are in progress than the limit, and as many as that', async () => {
    const clock = new ManualClock()
    let atOnce = 0
    let most = 0
    const { give, actors } = await world({
      clock,
      concurrency: 7,
      async handle() {
        most = Math.max(most, (atOnce += 1))
        await sleep(clock, 10)
        atOnce -= 1
        return done()
      },
    })
    give(0, different(50))
    expect(atOnce).toBe(7)
    // 50 records, 7 at a time, 10 ms each.
    await clock.advance(80)
    expect([most, atOnce, actors[0]!.inputs[0]!.tracker.safePosition]).toEqual([7, 0, 50])
  })

  test('records of a key go one after the other, each as soon as the one before is handled', async () => {
    const clock = new ManualClock()
    const began: string[] = []
    const { give } = await world({
      clock,
      async handle(offset) {
        began.push(`${offset} at ${clock.now() - start}`)
        await sleep(clock, 10)
        return done()
      },
    })
    const start = clock.now()
    give(0, ['a', 'a', 'b', 'a'])
    await clock.advance(30)
    expect(began).toEqual(['0 at 0', '2 at 0', '1 at 10', '3 at 20'])
  })

  test.each([
    ['waits', 1],
    ['does not wait', 0],
  ])('one that %s for anything after it has returned is known as such', async (_, waited) => {
    const clock = new ManualClock()
    const { give, stats } = await world({
      clock,
      async handle() {
        if (waited === 1) await sleep(clock, 10)
        return done()
      },
    })
    // One in sixteen is looked at.
    give(0, different(32))
    await clock.advance(10)
    expect(stats.actor('enrich').cost).toMatchObject({ promises: 32, looked: 2, waited: 2 * waited })
    expect(clock.pendingTimers).toBe(0)
  })

  test('in partition order as many records are in progress as there are partitions', async () => {
    const clock = new ManualClock()
    const partitions = 24
    const inProgress = new Set<number>()
    let mostAtOnce = 0
    const { give, actors } = await world({
      clock,
      order: 'partition',
      concurrency: 1_000,
      partitions,
      async handle(_, partition) {
        expect(inProgress.has(partition)).toBe(false)
        inProgress.add(partition)
        mostAtOnce = Math.max(mostAtOnce, inProgress.size)
        await sleep(clock, 20)
        inProgress.delete(partition)
        return done()
      },
    })
    for (let partition = 0; partition < partitions; partition += 1) give(partition, different(10))
    await clock.advance(200)
    expect(mostAtOnce).toBe(24)
    expect(actors.map(({ inputs }) => inputs[0]!.tracker.safePosition)).toEqual(actors.map(() => 10))
  })

  test.each(['key', 'unordered'] as const)(
    'in %s order a handler that waits for some records only keeps none back but those of their keys',
    async (order) => {
      const clock = new ManualClock()
      const handled: string[] = []
      const keys = ['a', 'slow', 'b', 'also slow', 'slow', 'c', 'a']
      const { give, actors, stats } = await world({
        clock,
        order,
        partitions: 2,
        handle(offset, partition) {
          if (partition === 1) return done()
          const key = keys[offset]!
          const end = (): Outcome => {
            handled.push(`${offset} ${key}`)
            return done()
          }
          return key.endsWith('slow') ? sleep(clock, offset === 1 ? 20 : 10).then(end) : end()
        },
      })
      // Before it is known whether the handler is asynchronous they go one by one.
      give(1, ['a'])
      give(0, keys)
      expect(stats.actor('enrich').batchRecords.sum).toBeGreaterThan(stats.actor('enrich').batchRecords.count)
      expect([[...handled], actors[0]!.heldRecords]).toEqual([['0 a', '2 b', '5 c', '6 a'], 3])
      await clock.advance(10)
      expect(handled.slice(4)).toEqual(order === 'key' ? ['3 also slow'] : ['3 also slow', '4 slow'])
      await clock.advance(20)
      expect([handled.length, actors[0]!.heldRecords, actors[0]!.inputs[0]!.tracker.safePosition]).toEqual([7, 0, 7])
      expect(handled.indexOf('1 slow') < handled.indexOf('4 slow')).toBe(order === 'key')
    },
  )

  // Each of the others went as a batch of its own.
  test('one promise makes no rule: a handler that returns no more of them runs in batches again', async () => {
    const clock = new ManualClock()
    const { give, actors, stats } = await world({
      clock,
      partitions: 2,
      handle: (_, partition) => (partition === 0 ? sleep(clock, 10).then(() => done()) : done()),
    })
    give(0, ['a'])
    await clock.advance(10)
    give(1, different(900))
    await clock.settle()
    expect(actors[1]!.inputs[0]!.tracker.safePosition).toBe(900)
    // Those that were on their way already go one by one.
    expect(stats.actor('enrich').batchRecords.count).toBeLessThan(180)
  })

  test('a call that ignores its signal keeps its slot until it ends', async () => {
    const clock = new ManualClock()
    const ends: (() => void)[] = []
    const begun: number[] = []
    const { give } = await world({
      clock,
      concurrency: 10,
      handlerTimeoutMs: 1_000,
      handle(offset) {
        begun.push(offset)
        return new Promise((resolve) => ends.push(() => resolve(done())))
      },
    })
    give(0, different(50))
    await clock.advance(60_000)
    expect(begun).toHaveLength(10)
    ends[3]!()
    await clock.settle()
    expect(begun).toHaveLength(11)
  })

  test('one that fails holds up its own lane only', async () => {
    const clock = new ManualClock()
    const { give, actors } = await world({
      clock,
      handle: async (offset) => (offset === 0 ? retry(1_000) : done()),
    })
    give(0, ['a', 'a', 'b', 'b'])
    await clock.advance(10)
    expect(actors[0]!.heldRecords).toBe(2)
  })
})

describe('synchronous handlers', () => {
  test('a hundred thousand records of one key do not pile up on the stack', async () => {
    const seen: number[] = []
    const clock = new ManualClock()
    const { give, actors } = await world({
      clock,
      handle(offset) {
        seen.push(offset)
        return done()
      },
    })
    give(0, new Array<string>(100_000).fill('one'))
    expect(actors[0]!.inputs[0]!.tracker.safePosition).toBe(100_000)
    expect(seen).toEqual(Array.from(seen, (_, index) => index))
  })

  test.each([
    { name: 'in one lane', keys: new Array<string>(64).fill('one') },
    { name: 'each in its own', keys: different(64) },
  ])('after its turn the loop gets its own, $name', async ({ keys }) => {
    // Each record takes 1 ms of a clock that only handlers move.
    let nowMs = 0
    const turns: (() => void)[] = []
    const clock: Clock = {
      now: () => nowMs,
      wallNow: () => nowMs,
      after: (_, callback) => (turns.push(callback), () => undefined),
    }
    let handled = 0
    const { give } = await world({
      clock,
      handle() {
        handled += 1
        nowMs += 1
        return done()
      },
    })
    give(0, keys)
    const perTurn: number[] = [handled]
    for (let turn = turns.shift(); turn !== undefined; turn = turns.shift()) {
      const before = handled
      turn()
      perTurn.push(handled - before)
    }
    expect(handled).toBe(64)
    // The turn is 5 ms; within a lane the clock is looked at once in eight records.
    expect(Math.max(...perTurn)).toBeLessThanOrEqual(8)
  })

  test('what is done with the verdicts is part of the turn', async () => {
    // A clock that only the telling moves, and never to the very end of a turn.
    let nowMs = 1
    const turns: (() => void)[] = []
    const clock: Clock = {
      now: () => nowMs,
      wallNow: () => nowMs,
      after: (_, callback) => (turns.push(callback), () => undefined),
    }
    let handled = 0
    const { give } = await world({
      clock,
      handle() {
        handled += 1
        return done()
      },
      onLoadChanged() {
        nowMs += 0.9
      },
    })
    give(0, different(2_000))
    const perTurn: number[] = [handled]
    for (let turn = turns.shift(); turn !== undefined; turn = turns.shift()) {
      const before = handled
      turn()
      perTurn.push(handled - before)
    }
    expect(handled).toBe(2_000)
    // In 5 ms the sixth batch of 64 is told.
    expect(Math.max(...perTurn)).toBeLessThanOrEqual(6 * 64)
  })

  test('without an order, records that fail hold up no other', async () => {
    const handled: number[] = []
    const { give, actors } = await world({
      order: 'unordered',
      handle(offset) {
        if (offset % 3 === 1) return retry(1_000)
        handled.push(offset)
        return done()
      },
    })
    give(0, different(8))
    expect([handled, actors[0]!.heldRecords, actors[0]!.inputs[0]!.tracker.safePosition]).toEqual([
      [0, 2, 3, 5, 6],
      3,
      1,
    ])
  })

  test('in key order records of different keys go together; one that fails holds up its key and no other', async () => {
    const handled: number[] = []
    const { give, actors, stats } = await world({
      partitions: 2,
      handle(offset, partition) {
        if (partition === 1) return done()
        if (offset === 2) return retry(1_000)
        handled.push(offset)
        return done()
      },
    })
    // Before it is known whether the handler is asynchronous they go one by one.
    give(1, ['a'])
    give(0, ['z', 'a', 'b', 'c', 'b', 'd'])
    expect([handled, actors[0]!.heldRecords, actors[0]!.inputs[0]!.tracker.safePosition]).toEqual([[0, 1, 3, 5], 2, 2])
    expect(stats.actor('enrich').batchRecords.count).toBe(2)
  })

  test('what a batch holds and what a record takes is counted', async () => {
    const { give, stats } = await world({ handle: () => done(), partitions: 2 })
    const { batchRecords, handlerSeconds } = stats.actor('enrich')
    // The first goes alone: whether the handler is asynchronous is not known before.
    give(0, ['a'])
    expect([batchRecords.count, batchRecords.sum, handlerSeconds.count]).toEqual([1, 1, 1])
    give(1, ['a', 'a', 'b'])
    expect([batchRecords.count, batchRecords.sum, handlerSeconds.count]).toEqual([3, 4, 4])
  })
})

test('a verdict that cannot be taken is a bug: it is handed on, not left to the process', async () => {
  const clock = new ManualClock()
  const bug = new Error('a bug')
  let isBroken = false
  const { executor, give } = await world({
    clock,
    handle: async () => {
      await sleep(clock, 10)
      isBroken = true
      return done()
    },
    onLoadChanged: () => {
      if (isBroken) throw bug
    },
  })
  const failures: unknown[] = []
  executor.onFailure = (error) => failures.push(error)
  give(0, ['a'])
  await clock.advance(10)
  expect(failures).toEqual([bug])
})
