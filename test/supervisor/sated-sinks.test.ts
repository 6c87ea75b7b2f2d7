/** A destination that is slower than the handlers: what waits for it is bounded, and only the actor that writes there waits. */
import { expect, test } from 'vitest'
import { defineHandler, done } from '../../src/actors/handlers/handler.ts'
import { silentLog } from '../../src/log.ts'
import { resolveOptions } from '../../src/options/resolve.ts'
import type { WriteResult } from '../../src/streams/broker-port.ts'
import { text } from '../../src/streams/flows/codec.ts'
import { table, topic } from '../../src/streams/flows/flow.ts'
import type { Sink, SinkWrite } from '../../src/streams/delivery/sink.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import { Engine } from '../../src/supervisor/engine.ts'
import { FakeBroker } from '../../src/testing/broker/fake-broker.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'

const backlog = 10_000
const maxBatch = 1_000
const rows = table<{ id: string }>('rows', { sink: 'table', columns: { id: 'text' }, key: ['id'] })

/** Writes when it is told to. */
class GatedSink implements Sink {
  readonly maxBatch = maxBatch
  written = 0
  isOpen = false
  #pending: (() => void)[] = []

  open = (): Promise<void> => Promise.resolve()
  prepare = (): Promise<void> => Promise.resolve()
  close = (): Promise<void> => Promise.resolve()

  write(batch: readonly SinkWrite<unknown>[]): Promise<readonly WriteResult[]> {
    return new Promise((resolve) => {
      const write = (): void => {
        this.written += batch.length
        resolve(batch.map(() => null))
      }
      if (this.isOpen) write()
      else this.#pending.push(write)
    })
  }

  letGo(): void {
    this.isOpen = true
    for (const write of this.#pending.splice(0)) write()
  }
}

async function startWorld(topics: readonly string[]) {
  const clock = new ManualClock()
  const broker = new FakeBroker({ clock })
  const sink = new GatedSink()
  const seen = new Map(topics.map((name) => [name, 0]))
  const actors = topics.map((name) => {
    broker.createTopic(name, 1)
    for (let at = 0; at < backlog; at += 1) broker.append(name, { key: `${at}`, value: `${at}`, partition: 0 })
    const handler = defineHandler({
      name,
      input: topic(name, { value: text }),
      outputs: [rows],
      handle: (id) => {
        seen.set(name, seen.get(name)! + 1)
        // Only the first topic's records go to the table.
        return name === topics[0] ? done([rows.upsert({ id })]) : done()
      },
    })
    return { name, handler }
  })
  const starting = Engine.start({
    app: resolveOptions({ kafka: { brokers: 'fake:9092', groupId: 'group' }, actors, sinks: { table: sink } }),
    broker: broker.client('member'),
    clock,
    random: () => 0,
    log: silentLog,
    stats: new EngineStats(),
  })
  const runFor = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 10) await clock.advance(10)
  }
  const state = { hasStarted: false }
  void starting.then(() => (state.hasStarted = true))
  while (!state.hasStarted) await runFor(10)
  const engine = await starting
  await runFor(5_000)
  return { engine, runFor, seen, sink }
}

async function end(engine: Engine, runFor: (ms: number) => Promise<void>): Promise<void> {
  const state = { hasEnded: false }
  void engine.kill().then(() => (state.hasEnded = true))
  while (!state.hasEnded) await runFor(10)
}

test('handlers get no more while a sink has some batches to write, and the rest when it has written', async () => {
  const { engine, runFor, seen, sink } = await startWorld(['clicks'])
  // A batch at the sink, two behind it, what the last poll brought, and a record now and then.
  expect(seen.get('clicks')).toBeGreaterThanOrEqual(2 * maxBatch)
  expect(seen.get('clicks')).toBeLessThan(3 * maxBatch + 500 + 100)
  sink.letGo()
  await runFor(2_000)
  expect([seen.get('clicks'), sink.written, engine.status().recordsInFlight]).toEqual([backlog, backlog, 0])
  await end(engine, runFor)
})

test('a sink that one actor is waiting for keeps no records from another', async () => {
  const { engine, runFor, seen } = await startWorld(['clicks', 'other'])
  expect(seen.get('other')).toBe(backlog)
  await end(engine, runFor)
})
