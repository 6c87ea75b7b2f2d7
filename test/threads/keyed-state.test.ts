/** State of handlers on real threads, which may die at any moment: main holds it, a thread borrows it. */
import { afterEach, describe, expect, test } from 'vitest'
import type { PartitionActor } from '../../src/actors/partition-actor.ts'
import { StateValue } from '../../src/state/state-value.ts'
import { fixtureUrl, scripts, startPool, until, type PoolSettings } from './pool-fixture.ts'

let running: Awaited<ReturnType<typeof startPool>> | undefined

async function start(fixture: string, settings: PoolSettings = {}) {
  running = await startPool(fixtureUrl(fixture), settings)
  return running
}

afterEach(async () => {
  await running?.pool.destroy()
  running = undefined
})

const keyOf = (at: number): string => `k${at % 7}`

/** What main has under this name, as of all that was handled. */
function valueOf({ state }: PartitionActor, key: string, name = 'total'): unknown {
  const at = state!.shapes.findIndex((shape) => shape.name === name)
  const value = state!.read(at, key)
  return value === null ? undefined : JSON.parse(Buffer.from(StateValue.read(value.bytes).payload).toString())
}

const countsOf = (actor: PartitionActor): unknown[] => Array.from({ length: 7 }, (_, at) => valueOf(actor, `k${at}`))
/** Of `count` records, `lost` of them not counted. */
const countsFor = (count: number, lost: readonly number[] = []): number[] =>
  Array.from(
    { length: 7 },
    (_, key) => Array.from({ length: count }, (_, n) => n).filter((n) => n % 7 === key && !lost.includes(n)).length,
  )

describe.each(['key', 'partition'] as const)('in %s order', (order) => {
  test('each record sees what those before it have set, within a run and over runs', async () => {
    const { actorOf, finished, manifests, results, send } = await start('counting.js', { actor: { order } })
    expect(manifests[0]!.states).toEqual([
      { name: 'total', codec: 'json', ttlMs: null, maxBytes: 1_000_000 },
      { name: 'seen', codec: 'json', ttlMs: null, maxBytes: 1_000_000 },
    ])
    send(
      scripts(
        Array.from({ length: 2_000 }, (_, n) => ({ n })),
        { key: keyOf },
      ),
    )
    await finished()
    expect(countsOf(actorOf(0))).toEqual(countsFor(2_000))
    for (let key = 0; key < 7; key += 1) {
      const counts = results().filter(({ n }) => (n as number) % 7 === key)
      expect(counts.map(({ count }) => count)).toEqual(counts.map((_, at) => at + 1))
    }
    expect(valueOf(actorOf(0), 'k0', 'seen')).toEqual({ offset: 1_995, filler: '' })
  })

  test.each([
    { how: 'throw', isLost: false },
    { how: 'retry', isLost: false },
    { how: 'exit', isLost: false },
    { how: 'dead-letter', isLost: true },
    { how: 'skip', isLost: false },
  ])('an attempt that ends by "$how" leaves no trace, and all others count', async ({ how, isLost }) => {
    const { actorOf, finished, send } = await start('counting.js', { actor: { order } })
    const special = [50, 51, 58, 200]
    send(
      scripts(
        Array.from({ length: 300 }, (_, n) => (special.includes(n) ? { n, do: how } : { n })),
        { key: keyOf },
      ),
    )
    await finished()
    expect(countsOf(actorOf(0))).toEqual(countsFor(300, isLost ? special : []))
  })
})

test('large values go along and come back whole, and a deleted one is gone', async () => {
  const { actorOf, finished, send } = await start('counting.js')
  send(scripts([{ bytes: 300_000 }, { bytes: 10 }, { bytes: 200_000, do: 'forget' }], { key: () => 'a' }))
  await finished()
  expect(valueOf(actorOf(0), 'a')).toBeUndefined()
  expect(valueOf(actorOf(0), 'a', 'seen')).toEqual({ offset: 2, filler: 'x'.repeat(200_000) })
})

test('a handler that is over its time: what it sets later changes nothing', async () => {
  const { actorOf, finished, send, stats } = await start('counting.js', { actor: { handlerTimeoutMs: 20 } })
  send(scripts([{ do: 'too-late', ms: 30 }, { do: 'too-late', ms: 120 }, {}], { key: () => 'a' }))
  await finished()
  await until(() => stats.actor('enrich').leftOverCalls === 0)
  expect(valueOf(actorOf(0), 'a')).toBe(3)
})

test('asynchronous records of many keys at once keep what is theirs', async () => {
  const { actorOf, finished, send } = await start('counting.js')
  send(
    scripts(
      Array.from({ length: 200 }, (_, n) => ({ n, do: 'wait', ms: n % 5 })),
      { key: keyOf },
    ),
  )
  await finished()
  expect(countsOf(actorOf(0))).toEqual(countsFor(200))
})

test('a reply that comes after the fence changes nothing', async () => {
  const { actorOf, send, stats } = await start('counting.js')
  send(scripts([{ do: 'wait', ms: 50 }], { key: () => 'a' }))
  await until(() => actorOf(0).load.atHandler === 1)
  const { state } = actorOf(0)
  actorOf(0).fence()
  await until(() => stats.actor('enrich').handlerSeconds.count === 1)
  expect(state!.hasChanges).toBe(false)
})

describe('a call of a batch handler', () => {
  test.each([
    { how: 'echo', isLost: false },
    { how: 'retry', isLost: false },
    { how: 'exit', isLost: false },
    { how: 'dead-letter', isLost: true },
  ])(
    'with several records of a key, of which some end by "$how", counts each of the others once',
    async ({ how, isLost }) => {
      const { actorOf, finished, send } = await start('counting-batch.js', { threads: { count: 1 } })
      const special = [15, 22, 140]
      send(
        scripts(
          Array.from({ length: 210 }, (_, n) => (special.includes(n) ? { n, do: how } : { n })),
          { key: keyOf },
        ),
      )
      await finished()
      expect(countsOf(actorOf(0))).toEqual(countsFor(210, isLost ? special : []))
    },
  )
})
