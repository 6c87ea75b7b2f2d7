/** Calls of a batch handler on main, from partition actors to verdicts. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Allowance } from '../../../src/actors/executors/allowance.ts'
import { BatchExecutor } from '../../../src/actors/executors/batch-executor.ts'
import { Dispatcher } from '../../../src/actors/executors/dispatcher.ts'
import { callLimitsOf } from '../../../src/actors/handlers/any-handler.ts'
import {
  defineBatchHandler,
  type BatchOutcome,
  type BatchHandlerDefinition,
  type BatchRecord,
  type CallLimits,
} from '../../../src/actors/handlers/batch-handler.ts'
import { BatchRunner } from '../../../src/actors/handlers/batch-runner.ts'
import { done, retry, type Outcome } from '../../../src/actors/handlers/handler.ts'
import { sleep } from '../../../src/clock.ts'
import { RetryableError, ThrottledError } from '../../../src/errors.ts'
import { silentLog } from '../../../src/log.ts'
import type { Order, ResolvedActor } from '../../../src/options/options.ts'
import { bytes } from '../../../src/streams/flows/codec.ts'
import { topic } from '../../../src/streams/flows/flow.ts'
import { EngineStats } from '../../../src/metrics/stats.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { makeActor, sourceRecord } from '../actor-fixture.ts'

type Records = readonly BatchRecord<Uint8Array>[]

interface Settings extends Partial<CallLimits> {
  readonly handle: (records: Records) => BatchOutcome | Promise<BatchOutcome>
  readonly clock?: ManualClock
  readonly order?: Order
  readonly concurrency?: number
  readonly partitions?: number
  readonly handlerTimeoutMs?: number
  readonly attempts?: number
  readonly rate?: ResolvedActor['rate']
  readonly onError?: NonNullable<BatchHandlerDefinition<Uint8Array, undefined>['onError']>
}

/** Partition actors, a dispatcher and the executor. `give` admits records; `keys` says each one's key. */
async function world(settings: Settings) {
  const {
    handle,
    order = 'key',
    concurrency = 1_000,
    partitions = 1,
    handlerTimeoutMs = 1_000_000,
    attempts = 3,
    rate = { perSecond: null, burst: null },
    clock = new ManualClock(),
    ...limits
  } = settings
  const stats = new EngineStats()
  const calls: string[] = []
  const handler = defineBatchHandler({
    input: topic('clicks', { value: bytes }),
    ...limits,
    handle(records) {
      calls.push(records.map(nameOf).join(' '))
      return handle(records)
    },
  })
  const options = { name: 'enrich', handlerTimeoutMs, idHeader: false, log: silentLog, clock }
  const runner = await BatchRunner.open({ ...options, handler: handler as never })
  const executor = new BatchExecutor({
    actor: 'enrich',
    runner,
    limits: callLimitsOf(handler as never)!,
    stats: stats.actor('enrich'),
    clock,
    concurrency,
    maxTurnMs: 5,
  })
  const allowance = new Allowance({
    actor: { name: 'enrich', rate },
    clock,
    log: silentLog,
    stats: stats.actor('enrich'),
  })
  const dispatcher = new Dispatcher(executor, clock, [allowance])
  const actors = Array.from({ length: partitions }, (_, partition) => {
    const retryPolicy = { attempts, backoffMs: 100, maxBackoffMs: 1_000, jitter: 0.5 }
    const made = makeActor({
      actor: { order, runOn: 'main', concurrency, retry: retryPolicy },
      mixesKeys: executor.mixesKeys,
      clock,
      stats,
      partition,
      onReady: (actor) => {
        dispatcher.enlist(actor)
        dispatcher.pump()
      },
    })
    return made.actor
  })
  const admit = (partition: number, keys: readonly string[], first = 0): void => {
    actors[partition]!.admit(keys.map((key, at) => ({ ...sourceRecord(first + at, key), partition })))
    dispatcher.enlist(actors[partition]!)
    dispatcher.pump()
  }
  /** The same, and lets the turn of the loop go by. */
  const give = (...records: Parameters<typeof admit>): Promise<void> => {
    admit(...records)
    return clock.settle()
  }
  return { actors, admit, calls, clock, dispatcher, executor, give, stats }
}

const nameOf = ({ record }: BatchRecord<unknown>): string =>
  `${record.partition > 0 ? `p${record.partition}:` : ''}${String(record.key)}${record.offset}`
const different = (count: number): string[] => Array.from({ length: count }, (_, index) => `k${index}:`)
const allDone = (records: Records): Outcome[] => records.map(() => done())

describe('a call', () => {
  test('goes at once with what is there; what piles up meanwhile goes together, over keys and partitions', async () => {
    const clock = new ManualClock()
    const { admit, calls, give } = await world({
      clock,
      partitions: 2,
      concurrency: 4,
      handle: (records) => sleep(clock, 10).then(() => allDone(records)),
    })
    await give(0, ['a'])
    // The first leaves three places of four: less than half of what waits, which goes when all are free, a lane of each partition in turn.
    admit(0, ['b', 'b', 'c'], 1)
    await give(1, ['x', 'y', 'x', 'z'])
    await clock.advance(30)
    expect(calls).toEqual(['a0', 'b1 b2 p1:x0 p1:x2', 'c3 p1:y1 p1:z3'])
  })

  test('has no more records than maxRecords, and no more bytes than maxBytes; a larger record goes alone', async () => {
    const { calls, give } = await world({ maxRecords: 3, handle: allDone })
    await give(0, different(7))
    expect(calls.map((call) => call.split(' ').length)).toEqual([3, 3, 1])
    const clock = new ManualClock()
    const { actor } = makeActor({})
    actor.admit([sourceRecord(0, 'a')])
    const { bytes: size } = actor.inputs[0]!.held
    const small = await world({ clock, maxBytes: 2 * size + 1, handle: allDone })
    await small.give(0, ['a', 'a', 'a', 'b', 'c'])
    expect(small.calls).toEqual(['a0 a1', 'b3 c4', 'a2'])
    const tiny = await world({ clock, maxBytes: 1, handle: allDone })
    await tiny.give(0, ['a', 'b'])
    expect(tiny.calls).toEqual(['a0', 'b1'])
  })

  test('takes as many places of concurrency as it has records, and does not become small for want of a few', async () => {
    const clock = new ManualClock()
    let inProgress = 0
    let most = 0
    const { calls, give } = await world({
      clock,
      concurrency: 10,
      maxRecords: 10,
      async handle(records) {
        most = Math.max(most, (inProgress += records.length))
        await sleep(clock, records.length === 8 ? 10 : 100)
        inProgress -= records.length
        return allDone(records)
      },
    })
    await give(0, different(8))
    await give(0, different(30), 8)
    // Two places are free: less than half of what would go.
    expect(calls).toHaveLength(1)
    await clock.advance(400)
    expect([most, calls.map((call) => call.split(' ').length)]).toEqual([10, [8, 10, 10, 10]])
  })

  test.each(['key', 'partition', 'unordered'] as const)('in %s order all that is ready shares it', async (order) => {
    const { calls, give, actors } = await world({ order, handle: allDone })
    await give(0, ['a', 'b', 'a'])
    const inOrder = order === 'key' ? 'a0 a2 b1' : 'a0 b1 a2'
    expect([calls, actors[0]!.inputs[0]!.tracker.safePosition]).toEqual([[inOrder], 3])
  })
})

describe('maxWaitMs', () => {
  test('a call waits for more until it is full, or its oldest record has waited for so long', async () => {
    const { calls, clock, give } = await world({ maxWaitMs: 50, maxRecords: 3, handle: allDone })
    await give(0, ['a'])
    await clock.advance(30)
    await give(0, ['b'], 1)
    await clock.advance(19)
    expect(calls).toEqual([])
    await clock.advance(1)
    expect(calls).toEqual(['a0 b1'])
    await give(0, ['c', 'd'], 2)
    expect(calls).toHaveLength(1)
    await give(0, ['e', 'f'], 4)
    expect(calls.slice(1)).toEqual(['c2 d3 e4'])
    await clock.advance(50)
    expect([calls.slice(2), clock.pendingTimers]).toEqual([['f5'], 0])
  })

  test('or until it has maxBytes', async () => {
    const { calls, give } = await world({ maxWaitMs: 50, maxBytes: 1_500, handle: allDone })
    await give(0, ['a'])
    await give(0, ['b', 'c'], 1)
    expect(calls).toEqual(['a0 b1'])
  })

  test('a drain waits for none of it, and leaves no timer', async () => {
    const { actors, calls, clock, dispatcher, give } = await world({ maxWaitMs: 5_000, handle: allDone })
    await give(0, ['a'])
    let isDrained = false
    void actors[0]!.drain().then(() => (isDrained = true))
    await clock.settle()
    dispatcher.close()
    expect([isDrained, calls, clock.pendingTimers]).toEqual([true, [], 0])
  })

  test('a record that is tried again waits for nobody', async () => {
    const { calls, clock, give } = await world({
      maxWaitMs: 500,
      maxRecords: 2,
      handle: (records) =>
        records.map(({ attempt, record }) => (record.offset === 0 && attempt === 1 ? retry(10) : done())),
    })
    await give(0, ['a', 'b'])
    await clock.advance(10)
    expect(calls).toEqual(['a0 b1', 'a0'])
  })
})

describe('a record that fails', () => {
  test('goes again alone, and only its lane stops behind it; all other records count', async () => {
    const { actors, calls, clock, give, stats } = await world({
      handle: (records) =>
        records.map(({ attempt, record }) => (record.offset === 1 && attempt < 3 ? retry(100) : done())),
    })
    await give(0, ['a', 'b', 'a', 'b', 'c'])
    expect(actors[0]!.inputs[0]!.tracker.isFinishedBefore(0)).toBe(false)
    await give(0, ['d'], 5)
    await clock.advance(200)
    // b3 came behind b1 in the first call: it goes again when that is handled.
    expect(calls).toEqual(['a0 a2 b1 b3 c4', 'd5', 'b1', 'b1', 'b3'])
    const { attempts, retries, done: finished } = stats.partition('enrich', 'clicks', 0)
    expect([attempts, retries, finished]).toEqual([8, 2, 6])
  })

  // What a handler says of those behind it holds only once it is through, and that no attempt is left the handler cannot know.
  test('for the last time has those behind it in its lane handled after it, too', async () => {
    const { calls, give, stats } = await world({
      attempts: 1,
      handle: (records) => records.map(({ record }) => (record.offset === 1 ? retry(100) : done())),
    })
    await give(0, ['a', 'b', 'a', 'b', 'b'])
    expect(calls).toEqual(['a0 a2 b1 b3 b4', 'b3 b4'])
    const { attempts, done: finished } = stats.partition('enrich', 'clicks', 0)
    expect([attempts, finished]).toEqual([5, 4])
  })

  test('among a hundred, in a call that throws for it, uses up its attempts alone and costs only itself', async () => {
    const { actors, calls, clock, give, stats } = await world({
      handle(records) {
        if (records.some(({ record }) => record.offset === 42)) throw new Error('poison')
        return done()
      },
    })
    await give(0, different(100))
    await clock.advance(5_000)
    const { attempts, retries, done: finished } = stats.partition('enrich', 'clicks', 0)
    // Three attempts of its own: the call that it shared is nobody's.
    expect([attempts, retries, finished, actors[0]!.load.atSinks]).toEqual([102, 2, 99, 1])
    expect(stats.actor('enrich').setAlone).toBe(100)
    expect(calls.filter((call) => call.includes('k42:'))).toHaveLength(4)
    await give(0, different(100), 100)
    // Those that come after it share their call again.
    expect(calls.at(-1)!.split(' ')).toHaveLength(100)
  })

  test("by nobody's fault goes again with all others of its call, in one", async () => {
    let isAway = true
    const { calls, clock, give } = await world({
      handle(records) {
        if (isAway) throw new RetryableError('away')
        return allDone(records)
      },
    })
    await give(0, ['a', 'b', 'c', 'a'])
    isAway = false
    await clock.advance(99)
    expect(calls).toHaveLength(1)
    await clock.advance(1)
    expect(calls).toEqual(['a0 a3 b1 c2', 'a0 a3 b1 c2'])
  })

  test('through an outage that is waited for without limit goes with all others, in order, and at no cost', async () => {
    let isAway = true
    let failuresLeft = 2
    const { calls, clock, give, stats } = await world({
      onError: (error) => (error instanceof RetryableError ? { retry: 'unlimited' } : undefined),
      handle(records) {
        if (isAway) throw new RetryableError('away')
        // An error of its own: all three attempts are still there for it.
        return records.map(({ record }) => (record.offset === 0 && failuresLeft-- > 0 ? retry(10) : done()))
      },
    })
    await give(0, ['a', 'b', 'a'])
    await clock.advance(3_600_000)
    isAway = false
    await clock.advance(2_000)
    expect(new Set(calls.slice(0, -3))).toEqual(new Set(['a0 a2 b1']))
    expect(calls.slice(-3)).toEqual(['a0', 'a0', 'a2'])
    expect(stats.partition('enrich', 'clicks', 0)).toMatchObject({ done: 3, deadLettered: 0 })
  })

  test("by nobody's fault goes again in one also where the attempts have no limit", async () => {
    let isAway = true
    const { calls, clock, give } = await world({
      onError: () => ({ retry: 'unlimited' }),
      handle(records) {
        if (isAway) throw new Error('away')
        return allDone(records)
      },
    })
    await give(0, ['a', 'b', 'c'])
    await clock.advance(100)
    isAway = false
    await clock.advance(200)
    expect(calls).toEqual(['a0 b1 c2', 'a0 b1 c2', 'a0 b1 c2'])
  })

  test('with all others of its call, each by its own outcome, goes again with them in one', async () => {
    let isBusy = true
    const { calls, clock, give } = await world({
      handle: (records) => records.map(() => (isBusy ? retry() : done())),
    })
    await give(0, ['a', 'b', 'c'])
    isBusy = false
    await clock.advance(100)
    expect(calls).toEqual(['a0 b1 c2', 'a0 b1 c2'])
  })

  test('in every call that it shares is final only once it has failed alone; the others are handled', async () => {
    const { actors, calls, clock, give, stats } = await world({
      handle(records) {
        if (records.some(({ record }) => record.offset === 1)) throw new RetryableError('500')
        return allDone(records)
      },
    })
    await give(0, ['a', 'b', 'c', 'd'])
    await clock.advance(5_000)
    const shared = 'a0 b1 c2 d3'
    expect(calls.slice(0, 3)).toEqual([shared, shared, shared])
    expect(calls.slice(3).sort()).toEqual(['a0', 'b1', 'c2', 'd3'])
    expect([...stats.actor('enrich').failures.entries()]).toEqual([['HANDLER_FAILED', 13]])
    expect([stats.partition('enrich', 'clicks', 0).done, actors[0]!.load.atSinks]).toEqual([3, 1])
  })

  test('goes again when there is room for one, while others wait for more', async () => {
    const clock = new ManualClock()
    const { calls, give } = await world({
      clock,
      partitions: 2,
      concurrency: 10,
      maxRecords: 10,
      handle(records) {
        const [{ attempt, record }] = records as [BatchRecord<Uint8Array>]
        if (record.partition === 0) return [attempt === 1 ? retry(10) : done(), ...allDone(records.slice(1))]
        return sleep(clock, 100).then(() => allDone(records))
      },
    })
    await give(0, ['a', 'b'])
    await give(1, different(8))
    await give(1, different(30), 8)
    await clock.advance(10)
    expect(calls.map((call) => call.split(' ').length)).toEqual([2, 8, 1])
    expect(calls[2]).toBe('a0')
  })

  test('holds up no call of the others while it is tried', async () => {
    const clock = new ManualClock()
    const { calls, give } = await world({
      clock,
      concurrency: 4,
      maxRecords: 4,
      handle(records) {
        const [{ attempt, record }] = records as [BatchRecord<Uint8Array>]
        if (record.offset > 0) return allDone(records)
        return attempt === 1 ? [retry(10), ...allDone(records.slice(1))] : new Promise(() => undefined)
      },
    })
    await give(0, ['a', 'b'])
    await clock.advance(10)
    await give(0, different(6), 2)
    expect(calls).toEqual(['a0 b1', 'a0', 'k0:2 k1:3 k2:4', 'k3:5 k4:6 k5:7'])
  })
})

describe('what holds an actor back holds its calls', () => {
  /** The first record fails once, and goes again alone after 10 ms. */
  const failingOnce = (): ((records: Records) => Outcome[]) => {
    let failuresLeft = 1
    return (records) => records.map(({ record }) => (record.offset === 0 && failuresLeft-- > 0 ? retry(10) : done()))
  }

  test('a rate counts records, those of a call and one that goes alone alike', async () => {
    const { calls, clock, give } = await world({ rate: { perSecond: 1, burst: 2 }, handle: failingOnce() })
    await give(0, ['a', 'b'])
    await clock.advance(900)
    expect(calls).toEqual(['a0 b1'])
    await give(0, ['c'], 2)
    await clock.advance(200)
    expect(calls).toEqual(['a0 b1', 'a0'])
    await clock.advance(1_000)
    expect(calls).toEqual(['a0 b1', 'a0', 'c2'])
  })

  test('a throttle lets none go until it is over, neither a call nor a record that goes alone', async () => {
    const { calls, clock, dispatcher, give } = await world({ handle: failingOnce() })
    await give(0, ['a', 'b'])
    dispatcher.throttle('enrich', 5_000, 'clicks/0/1')
    await clock.advance(1_000)
    await give(0, ['c'], 2)
    await clock.advance(3_900)
    expect(calls).toEqual(['a0 b1'])
    await clock.advance(200)
    expect(calls).toEqual(['a0 b1', 'a0', 'c2'])
  })
})

test('a service that says "slow down" to a call costs none of its records an attempt, and they go again together', async () => {
  let refusals = 5
  const { calls, clock, give, stats } = await world({
    attempts: 1,
    handle(records) {
      if (refusals-- > 0) throw new ThrottledError('429', { retryAfterMs: 100 })
      return allDone(records)
    },
  })
  await give(0, ['a', 'b'])
  await clock.advance(1_000)
  expect(calls).toEqual(Array.from({ length: 6 }, () => 'a0 b1'))
  expect(stats.partition('enrich', 'clicks', 0)).toMatchObject({ done: 2, deadLettered: 0 })
})

test('a call that ignores its signal takes as many places as it has records until it ends', async () => {
  const clock = new ManualClock()
  const ends: (() => void)[] = []
  const { calls, give, executor, stats } = await world({
    clock,
    concurrency: 5,
    maxRecords: 3,
    attempts: 1,
    handlerTimeoutMs: 1_000,
    handle: (records) =>
      records.length === 1
        ? done()
        : new Promise((resolve) =>
            ends.push(() => {
              resolve(allDone(records))
            }),
          ),
  })
  await give(0, ['a', 'b', 'c'])
  await clock.advance(2_000)
  // Each of them has gone again alone.
  expect(calls.slice(1)).toEqual(['a0', 'b1', 'c2'])
  const { attemptsGivenUp, leftOverCalls } = stats.actor('enrich')
  expect([executor.roomOf(), leftOverCalls, attemptsGivenUp]).toEqual([2, 3, 3])
  ends[0]!()
  await clock.settle()
  expect([executor.roomOf(), stats.actor('enrich').leftOverCalls]).toEqual([5, 0])
})

/** Handlers move it on by what they work. */
class WorkClock extends ManualClock {
  workedMs = 0

  override now(): number {
    return super.now() + this.workedMs
  }
}

test('a synchronous handler leaves the event loop its turn', async () => {
  const clock = new WorkClock()
  let isTurnOver = false
  const { admit, calls } = await world({
    clock,
    partitions: 5,
    maxRecords: 1,
    handle(records) {
      clock.workedMs += 3
      if (calls.length === 2) clock.after(0, () => (isTurnOver = true))
      else if (calls.length === 3) expect(isTurnOver).toBe(true)
      return allDone(records)
    },
  })
  for (let partition = 0; partition < 5; partition += 1) admit(partition, ['a'])
  await clock.settle()
  expect(calls).toHaveLength(5)
})

test('what it costs is noted for each record, by its share of the call', async () => {
  const clock = new ManualClock()
  const { give, stats } = await world({ clock, handle: (records) => sleep(clock, 40).then(() => allDone(records)) })
  await give(0, different(20))
  await clock.advance(40)
  const { batchRecords, cost, handlerSeconds } = stats.actor('enrich')
  expect([batchRecords.count, batchRecords.sum]).toEqual([1, 20])
  expect([handlerSeconds.count, handlerSeconds.sum.toFixed(3)]).toEqual([20, '0.040'])
  expect(cost).toMatchObject({ promises: 20, looked: 1, waited: 1 })
})

// Whatever the outcomes: per key what is handled is ascending, none is lost, and each failure is its record's own.
test('in random calls records of a key are handled in order, once, each with its own attempts', async () => {
  const plan = fc.record({
    key: fc.integer({ min: 0, max: 4 }),
    failures: fc.integer({ min: 0, max: 3 }),
    how: fc.constantFrom('retry', 'throws', 'garbage' as const),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.array(plan, { minLength: 1, maxLength: 60 }),
      fc.constantFrom<Order>('key', 'partition', 'unordered'),
      fc.integer({ min: 1, max: 12 }),
      fc.constantFrom(0, 5),
      fc.integer({ min: 0, max: 20 }),
      async (plans, order, maxRecords, maxWaitMs, costMs) => {
        const clock = new ManualClock()
        const failed = plans.map(() => 0)
        const { actors, give, stats } = await world({
          clock,
          order,
          maxRecords,
          maxWaitMs,
          concurrency: 2 * maxRecords,
          attempts: 100,
          handle(records) {
            const answer = (): Outcome[] => {
              const isGuilty = ({ attempt, record }: BatchRecord<unknown>): boolean =>
                attempt <= plans[record.offset]!.failures
              const thrower = records.find(
                (record) => isGuilty(record) && plans[record.record.offset]!.how === 'throws',
              )
              if (thrower !== undefined) {
                if (records.length === 1) failed[thrower.record.offset]! += 1
                throw new Error('a planned failure')
              }
              return records.map((record) => {
                if (!isGuilty(record)) return done()
                return plans[record.record.offset]!.how === 'retry' ? retry(1) : (undefined as never)
              })
            }
            return costMs % 2 === 0 ? answer() : sleep(clock, costMs).then(answer)
          },
        })
        const finished: number[] = []
        const { held } = actors[0]!.inputs[0]!
        const remove = held.remove.bind(held)
        held.remove = (invocation) => {
          finished.push(invocation.record.offset)
          remove(invocation)
        }
        await give(
          0,
          plans.map(({ key }) => `k${key}-`),
        )
        await clock.advance(1_000_000)
        const { attempts, retries } = stats.partition('enrich', 'clicks', 0)
        // An outcome that is none is final: its record is at its dead letter, and has left its lane.
        const isLetter = plans.map(({ failures, how }) => how === 'garbage' && failures > 0)
        const letters = isLetter.filter(Boolean).length
        const ownFailures = plans.reduce((sum, { failures, how }) => sum + (how === 'garbage' ? 0 : failures), 0)
        expect(finished).toHaveLength(plans.length - letters)
        expect([actors[0]!.load.atSinks, actors[0]!.heldRecords]).toEqual([letters, letters])
        expect([attempts, retries]).toEqual([plans.length + ownFailures, ownFailures])
        for (const [offset, { failures, how }] of plans.entries()) {
          if (how === 'throws') expect(failed[offset]).toBe(failures)
        }
        if (order === 'unordered') return
        for (let key = 0; key < 5; key += 1) {
          const own = finished.filter((offset) => order === 'partition' || plans[offset]!.key === key)
          expect(own).toEqual([...own].sort((a, b) => a - b))
        }
      },
    ),
    { numRuns: 150 },
  )
})
