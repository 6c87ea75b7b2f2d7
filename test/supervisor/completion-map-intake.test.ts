/** How completions in the worst order fill the map of a partition, stop its intake, and let it go on: on the fake broker. Case 25. */
import { expect, test, vi } from 'vitest'
import { defineHandler, skip, type Outcome } from '../../src/actors/handlers/handler.ts'
import { silentLog } from '../../src/log.ts'
import { resolveOptions } from '../../src/options/resolve.ts'
import { text } from '../../src/streams/flows/codec.ts'
import { decodeCompletionMap } from '../../src/streams/positions/completion-map.ts'
import { topic } from '../../src/streams/flows/flow.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import { Engine } from '../../src/supervisor/engine.ts'
import { FakeBroker } from '../../src/testing/broker/fake-broker.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { Random } from '../../src/testing/random.ts'

// A hundred thousand records take their time on a busy machine.
vi.setConfig({ testTimeout: 180_000 })

const PLACE = { topic: 'clicks', partition: 0 }

/** A topic of so many records, each with a key of its own. Every second one, by chance, ends only when it is let go. */
function makeWorld(records: number) {
  const clock = new ManualClock()
  const broker = new FakeBroker({ clock, commitIntervalMs: 25 })
  broker.createTopic('clicks', 1)
  for (let offset = 0; offset < records; offset += 1) broker.append('clicks', { value: 'v', key: `${offset}` })
  const random = new Random(25)
  const isHeld = Array.from({ length: records }, (_, offset) => offset === 0 || random.chance(0.5))
  const handled: number[] = []
  const held: (() => void)[] = []
  let areLetGo = false
  const handler = defineHandler({
    input: topic('clicks', { value: text }),
    handle: (_value, { record }): Outcome | Promise<Outcome> => {
      handled.push(record.offset)
      if (areLetGo || isHeld[record.offset] !== true) return skip()
      return new Promise((resolve) =>
        held.push(() => {
          resolve(skip())
        }),
      )
    },
  })
  const start = async (name: string, { commitIntervalMs = 50, maxRecords = records } = {}) => {
    const stats = new EngineStats()
    const app = resolveOptions({
      kafka: { brokers: 'fake:9092', groupId: 'group' },
      actors: [{ name: 'count', handler, concurrency: records, handlerTimeoutMs: 3_600_000, order: 'unordered' }],
      intake: { maxRecords, maxPartitionRecords: maxRecords },
      commitIntervalMs,
      drainTimeoutMs: 1_000,
    })
    const starting = Engine.start({ app, broker: broker.client(name), clock, random: () => 0, log: silentLog, stats })
    await clock.advance(1_000)
    return { engine: await starting, stats: stats.partition('count', 'clicks', 0) }
  }
  const letGo = (): void => {
    areLetGo = true
    for (const end of held.splice(0)) end()
  }
  return { broker, clock, handled, isHeld, letGo, start }
}

/** Of each offset whether the group's last commit shows it as finished. */
function shownAsFinished(broker: FakeBroker, records: number): boolean[] {
  const { metadata, position } = broker.committed(PLACE)!
  const decoded = decodeCompletionMap(metadata, { position })
  if (decoded.kind !== 'map') throw new Error(`the metadata is ${decoded.kind}`)
  return Array.from({ length: records }, (_, offset) => offset < position || decoded.map.isFinished(offset))
}

test('random completions over 20,000 offsets fit the map: nothing stops, and a crash repeats only what was unfinished', async () => {
  const { broker, clock, handled, isHeld, letGo, start } = makeWorld(20_000)
  const { engine } = await start('one')
  await clock.runUntil(() => handled.length === 20_000)
  await clock.advance(5_000)
  expect(engine.status().partitions[0]).toMatchObject({ isPaused: false, intakeStoppedBy: [] })
  expect(broker.committed(PLACE)?.position).toBe(0)
  expect(shownAsFinished(broker, 20_000)).toEqual(isHeld.map((each) => !each))
  broker.client('one').crash({ isNoticed: true })
  handled.length = 0
  const next = await start('two')
  await clock.runUntil(() => handled.length >= isHeld.filter(Boolean).length)
  letGo()
  await clock.advance(5_000)
  expect(handled.toSorted((one, other) => one - other)).toEqual(
    isHeld.flatMap((each, offset) => (each ? [offset] : [])),
  )
  expect(broker.committed(PLACE)?.position).toBe(20_000)
  expect(next.engine.status().recordsInFlight).toBe(0)
})

test('over 200,000 they stop the intake before truth is lost, and it goes on when they finish', async () => {
  const { broker, clock, handled, isHeld, letGo, start } = makeWorld(200_000)
  const { engine, stats } = await start('one', { commitIntervalMs: 20 })
  await clock.runUntil(() => engine.status().partitions[0]?.isPaused === true)
  expect(engine.status().partitions[0]).toMatchObject({ intakeStoppedBy: ['completion-map'], committedPosition: 0 })
  expect(stats).toMatchObject({ isPaused: true, pauses: 1 })
  await clock.advance(5_000)
  // 4,095 characters of 15 bits are 61,425 offsets at the most, and a little less than 75 % of them at the least.
  const count = handled.length
  expect(count).toBeGreaterThan(40_000)
  expect(count).toBeLessThan(61_425)
  expect(shownAsFinished(broker, count)).toEqual(isHeld.slice(0, count).map((each) => !each))
  letGo()
  await clock.runUntil(() => broker.committed(PLACE)?.position === 200_000)
  expect(handled).toHaveLength(200_000)
  expect(engine.status().partitions[0]).toMatchObject({ isPaused: false, intakeStoppedBy: [], inFlight: 0 })
  expect(stats).toMatchObject({ isPaused: false, pauses: 1 })
})

// What stops the intake of one owner must not stop the next one, who has none of it in flight yet.
test('a full map does not stop a new owner, though its first records are few', async () => {
  const { broker, clock, handled, isHeld, letGo, start } = makeWorld(54_000)
  const { engine } = await start('one', { commitIntervalMs: 10_000 })
  await clock.runUntil(() => engine.status().partitions[0]?.isPaused === true)
  await clock.advance(1_000)
  // Looked at once, when all has been read, the map has grown well beyond the 3,071 characters that stop the intake.
  expect(broker.committed(PLACE)?.metadata.length).toBeGreaterThan(3_300)
  const shown = shownAsFinished(broker, 54_000)
  broker.client('one').crash({ isNoticed: true })
  handled.length = 0
  letGo()
  await start('two', { maxRecords: 50 })
  await clock.runUntil(() => broker.committed(PLACE)?.position === 54_000, { maxMs: 60_000 })
  expect(handled.toSorted((one, other) => one - other)).toEqual(
    isHeld.flatMap((_, offset) => (shown[offset] === true ? [] : [offset])),
  )
})
