/** An app with state on brokers that keep no transactions, as the embedded one: the same checkpoints, without the promise. */
import { expect, test } from 'vitest'
import { defineHandler, done } from '../../src/actors/handlers/handler.ts'
import { silentLog, type Log } from '../../src/log.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import { resolveOptions } from '../../src/options/resolve.ts'
import { state } from '../../src/state/declared-state.ts'
import { text } from '../../src/streams/flows/codec.ts'
import { topic } from '../../src/streams/flows/flow.ts'
import { Engine } from '../../src/supervisor/engine.ts'
import { FakeBroker } from '../../src/testing/broker/fake-broker.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { settled } from '../support/settled.ts'

const counts = topic('counts', { value: text })

const handler = defineHandler({
  input: topic('in', { value: text }),
  outputs: [counts],
  state: { count: state<number>({ initial: () => 0 }) },
  handle: (_value, { state: { count } }) => done([counts.record(String(count.update((before) => before + 1)))]),
})

interface World {
  readonly broker: FakeBroker
  /** Warnings. */
  readonly told: readonly string[]
  readonly start: (member: string) => Promise<Engine>
  /** A process: from its start to its stop, with these records coming in. */
  readonly run: (member: string, values: readonly string[]) => Promise<void>
}

function open(keepsTransactions: boolean): World {
  const clock = new ManualClock()
  const broker = new FakeBroker({ clock, keepsTransactions })
  for (const name of ['in', 'counts']) broker.createTopic(name, 1)
  const told: string[] = []
  const log: Log = { ...silentLog, warn: (_fields, message) => told.push(message) }
  const start = async (member: string): Promise<Engine> => {
    const app = resolveOptions({
      kafka: { brokers: 'fake:9092', groupId: 'group' },
      actors: [{ name: 'count', handler }],
    })
    const parts = { app, broker: broker.client(member), clock, random: () => 0, log, stats: new EngineStats() }
    return await settled(clock, Engine.start(parts))
  }
  const run = async (member: string, values: readonly string[]): Promise<void> => {
    const engine = await start(member)
    for (const value of values) broker.append('in', { key: 'a', value, partition: 0 })
    await clock.advance(5_000)
    await settled(clock, engine.stop())
  }
  return { broker, told, run, start }
}

test('goes on from its positions and its state after a restart', async () => {
  const { broker, run } = open(false)
  await run('first', ['x', 'y'])
  await run('second', ['z'])
  expect(broker.records('counts').map(({ value }) => String(value))).toEqual(['1', '2', '3'])
})

test('says once at its start that nothing is exactly once there, and not where it is', async () => {
  const { run, told } = open(false)
  await run('first', [])
  expect(told).toEqual([expect.stringContaining('keep no transactions')])
  const kept = open(true)
  await kept.run('first', [])
  expect(kept.told).toEqual([])
})

test('is not begun on brokers that look at no generation in a transaction: one error, before anything is made or written', async () => {
  const { broker, start } = open(true)
  broker.faults.areBrokersOld = true
  broker.append('in', { key: 'a', value: 'x', partition: 0 })
  await expect(start('first')).rejects.toMatchObject({ code: 'TRANSACTIONS_UNSUPPORTED' })
  expect(broker.records('counts')).toEqual([])
  expect(() => broker.partitions('group-count-changelog')).toThrow('there is no topic')
})
