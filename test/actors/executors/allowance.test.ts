/** Rates and throttles on the way from lanes to handlers: dispatcher, executor on main, lanes; on a clock of its own. */
import { describe, expect, test } from 'vitest'
import { Allowance } from '../../../src/actors/executors/allowance.ts'
import { Dispatcher } from '../../../src/actors/executors/dispatcher.ts'
import { InlineExecutor } from '../../../src/actors/executors/inline-executor.ts'
import { defineHandler, done, retry, type Outcome } from '../../../src/actors/handlers/handler.ts'
import { HandlerRunner } from '../../../src/actors/handlers/handler-runner.ts'
import type { PartitionActor } from '../../../src/actors/partition-actor.ts'
import { sleep } from '../../../src/clock.ts'
import { silentLog } from '../../../src/log.ts'
import { EngineStats } from '../../../src/metrics/stats.ts'
import type { ResolvedActor } from '../../../src/options/options.ts'
import { Credit } from '../../../src/streams/credit.ts'
import { bytes } from '../../../src/streams/flows/codec.ts'
import { topic } from '../../../src/streams/flows/flow.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { makeActor, sourceRecord } from '../actor-fixture.ts'

const START_MS = 1_000

interface Call {
  readonly partition: number
  readonly offset: number
  readonly key: string
  readonly atMs: number
}

interface Settings {
  readonly rate?: ResolvedActor['rate']
  readonly partitions?: number
  readonly order?: ResolvedActor['order']
  readonly handle?: (call: Call, attempt: number, clock: ManualClock) => Outcome | Promise<Outcome>
}

async function world({
  rate = { perSecond: null, burst: null },
  partitions = 1,
  order = 'key',
  handle = () => done(),
}: Settings) {
  const clock = new ManualClock({ startMs: START_MS })
  const stats = new EngineStats(clock)
  const calls: Call[] = []
  const handler = defineHandler({
    input: topic('clicks', { value: bytes }),
    handle(_, { attempt, record: { key, offset, partition } }) {
      const call = { partition, offset, key: String(key), atMs: clock.now() - START_MS }
      calls.push(call)
      return handle(call, attempt, clock)
    },
  })
  const runner = await HandlerRunner.open({
    handler: handler as never,
    name: 'enrich',
    handlerTimeoutMs: 1e9,
    idHeader: false,
    log: silentLog,
    clock,
  })
  const executor = new InlineExecutor({
    runners: new Map([['enrich', runner]]),
    stats: new Map([['enrich', stats.actor('enrich')]]),
    clock,
    concurrency: 1000,
    maxTurnMs: 5,
  })
  const allowance = new Allowance({
    actor: { name: 'enrich', rate },
    clock,
    log: silentLog,
    stats: stats.actor('enrich'),
  })
  const dispatcher = new Dispatcher(executor, clock, [allowance])
  const credit = new Credit({ maxRecords: 1e9, maxBytes: 1e12 })
  const actors = Array.from(
    { length: partitions },
    (_, partition) =>
      makeActor({
        actor: { order, runOn: 'main' },
        clock,
        partition,
        credit,
        stats,
        onReady: (actor) => {
          dispatcher.enlist(actor)
          dispatcher.pump()
        },
        keyBudget: { maxRecords: 1e9, maxBytes: 1e12 },
      }).actor,
  )
  const ends = actors.map(() => 0)
  const give = (partition: number, keys: readonly string[]): void => {
    const first = ends[partition]!
    ends[partition] = first + keys.length
    actors[partition]!.admit(keys.map((key, at) => ({ ...sourceRecord(first + at, key), partition })))
    dispatcher.enlist(actors[partition]!)
    dispatcher.pump()
  }
  return { clock, calls, dispatcher, actors, give, stats }
}

const of = (count: number, key: string): string[] => Array.from({ length: count }, () => key)
const different = (count: number): string[] => Array.from({ length: count }, (_, index) => `key ${index}`)
const positionOf = ({ inputs }: PartitionActor): number | null => inputs[0]!.tracker.safePosition

/** How often each of them comes in this part. */
function countBy<Item>(items: readonly Item[], name: (item: Item) => string | number): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const item of items) counts[name(item)] = (counts[name(item)] ?? 0) + 1
  return counts
}

describe('a rate', () => {
  test.each([
    [0.3, 1, 60],
    [7, 1, 60],
    [7, null, 60],
    [1_000, 1_000, 1],
  ])('of %d a second (burst %o) is kept exactly over %d minutes', async (perSecond, burst, minutes) => {
    const { calls, clock, give } = await world({ rate: { perSecond, burst }, order: 'unordered' })
    const atOnce = burst ?? Math.max(1, perSecond)
    // More than there is time for, in portions: nobody reads so far ahead.
    for (let minute = 0; minute < minutes; minute += 1) {
      give(0, different(Math.ceil(perSecond * 60) + (minute === 0 ? 2_000 : 0)))
      await clock.advance(60_000)
    }
    expect(calls.length).toBe(Math.round(perSecond * 60 * minutes) + atOnce)
    // And it is spread: each minute has its share.
    const shares = countBy(calls.slice(atOnce), ({ atMs }) => Math.ceil(atMs / 60_000))
    for (const count of Object.values(shares)) expect(Math.abs(count - perSecond * 60)).toBeLessThanOrEqual(1)
  })

  test('counts attempts, retries included', async () => {
    const handle = (_: Call, attempt: number) => (attempt < 3 ? retry(0) : done())
    const { calls, clock, give, actors } = await world({ rate: { perSecond: 10, burst: 1 }, handle })
    give(0, different(10))
    await clock.advance(2_000)
    // One at once and 20 later: three each make seven records.
    expect(calls.length).toBe(21)
    await clock.advance(900)
    expect([calls.length, positionOf(actors[0]!)]).toEqual([30, 10])
  })

  test('what comes back unrun has used up nothing', async () => {
    // The first of a run fails, so what was handed out behind it goes back.
    const handle = ({ offset }: Call, attempt: number) => (offset % 5 === 0 && attempt === 1 ? retry(0) : done())
    const { calls, clock, give, actors } = await world({
      rate: { perSecond: 10, burst: 10 },
      order: 'partition',
      handle,
    })
    give(0, different(100))
    await clock.advance(11_000)
    expect([calls.length, positionOf(actors[0]!)]).toEqual([120, 100])
  })

  test.each([1, 3])('is shared by partitions and keys alike, whatever each has (burst %d)', async (burst) => {
    const { calls, clock, give } = await world({
      rate: { perSecond: 10, burst },
      partitions: 4,
      handle: async (_call, _attempt, clock) => {
        await sleep(clock, 20)
        return done()
      },
    })
    give(0, of(500, 'hot'))
    give(1, [...of(250, 'a'), ...of(250, 'b')])
    give(2, different(500))
    give(3, of(500, 'hot'))
    await clock.advance(40_000)
    const byPartition = countBy(calls, ({ partition }) => partition)
    for (const count of Object.values(byPartition))
      expect(Math.abs(count - calls.length / 4)).toBeLessThanOrEqual(burst + 1)
    const { a, b } = countBy(
      calls.filter(({ partition }) => partition === 1),
      ({ key }) => key,
    )
    expect(Math.abs(a! - b!)).toBeLessThanOrEqual(burst + 1)
  })

  test('waits with one timer, whatever waits for it, and with none when there is nothing to do', async () => {
    const { clock, give, dispatcher } = await world({ rate: { perSecond: 1, burst: 1 }, partitions: 3 })
    for (const partition of [0, 1, 2]) give(partition, different(3))
    expect(clock.pendingTimers).toBe(1)
    await clock.advance(20_000)
    expect(clock.pendingTimers).toBe(0)
    give(0, different(5))
    await clock.settle()
    dispatcher.close()
    expect(clock.pendingTimers).toBe(0)
    dispatcher.pump()
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('a throttle', () => {
  test('holds back all of the actor until it ends, and what runs goes on', async () => {
    const { calls, clock, give, dispatcher, actors, stats } = await world({
      partitions: 2,
      handle: async (_call, _attempt, clock) => {
        await sleep(clock, 100)
        return done()
      },
    })
    give(0, ['a', 'a'])
    dispatcher.throttle('enrich', 1_000, 'clicks/0/0')
    give(1, ['b'])
    await clock.advance(999)
    expect([calls.length, actors.map(positionOf)]).toEqual([1, [1, 0]])
    expect(stats.actor('enrich').isThrottled).toBe(true)
    await clock.advance(1)
    expect(calls.map(({ atMs }) => atMs)).toEqual([0, 1_000, 1_000])
    expect(stats.actor('enrich').isThrottled).toBe(false)
  })

  test('of several the longest wins, and an hour is the most', async () => {
    const { calls, clock, give, dispatcher } = await world({})
    const actor = { name: 'enrich' } as ResolvedActor
    dispatcher.throttle('enrich', 5_000, 'clicks/0/1')
    await clock.advance(1_000)
    dispatcher.throttle('enrich', 1_000, 'clicks/0/2')
    give(0, ['a'])
    expect(dispatcher.throttleOf(actor)).toEqual({ forMs: 4_000, by: 'clicks/0/1', sinceMs: 1_000 })
    dispatcher.throttle('enrich', 1e12, 'clicks/0/3')
    expect(dispatcher.throttleOf(actor)).toEqual({ forMs: 3_600_000, by: 'clicks/0/3', sinceMs: 1_000 })
    expect(clock.pendingTimers).toBe(1)
    await clock.advance(3_599_999)
    expect(calls).toEqual([])
    await clock.advance(1)
    expect([calls.length, dispatcher.throttleOf(actor), clock.pendingTimers]).toEqual([1, null, 0])
  })
})
