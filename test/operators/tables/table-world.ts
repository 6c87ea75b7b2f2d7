/** An engine at a fake broker whose handler looks customers up for orders: `price` reads `orders`, writes `out`. */
import { defineHandler, done } from '../../../src/actors/handlers/handler.ts'
import type { Log } from '../../../src/log.ts'
import { EngineStats } from '../../../src/metrics/stats.ts'
import { tableOf } from '../../../src/operators/tables/declared-tables.ts'
import { resolveOptions } from '../../../src/options/resolve.ts'
import type { Stores } from '../../../src/state/store.ts'
import { json, text } from '../../../src/streams/flows/codec.ts'
import { topic } from '../../../src/streams/flows/flow.ts'
import { Engine } from '../../../src/supervisor/engine.ts'
import { FakeBroker } from '../../../src/testing/broker/fake-broker.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'

export const CHANGELOG = 'group-price-changelog'
export const orders = topic('orders', { value: text })
export const customers = topic('customers', { value: json<{ tier: string }>(), tombstones: true })
export const out = topic('out', { value: text })

interface Overrides extends Record<string, unknown> {
  /** Options of its actor, a handler of its own among them. */
  readonly actor?: object
  readonly openStores?: () => Promise<Stores>
}

export class TableWorld {
  readonly clock = new ManualClock()
  readonly broker: FakeBroker
  readonly stats = new EngineStats(this.clock)
  readonly lines: string[] = []

  /** What the handler says of each order: the tier of its customer. */
  readonly price = defineHandler({
    name: 'price',
    input: orders,
    outputs: [out],
    tables: { customers: tableOf(customers) },
    handle: (order, { tables }) => done([out.record(`${order} ${tables.customers.get()?.tier ?? 'none'}`)]),
  })

  constructor(partitions = 1) {
    this.broker = new FakeBroker({ clock: this.clock, latencyMs: [1, 1] })
    this.broker.createTopic('orders', partitions)
    this.broker.createTopic('customers', partitions)
    for (const name of ['out', 'dlq']) this.broker.createTopic(name, 1)
  }

  order(key: string, value: string, timestamp: number, partition = 0): void {
    this.broker.append('orders', { key, value, timestamp, partition })
  }

  /** null: deleted. */
  customer(key: string, tier: string | null, timestamp: number, partition = 0): void {
    const value = tier === null ? null : JSON.stringify({ tier })
    this.broker.append('customers', { key, value, timestamp, partition })
  }

  async start(name = 'a', overrides: Overrides = {}): Promise<Engine> {
    return await this.settled(this.starting(name, overrides))
  }

  starting(name = 'a', { actor = {}, openStores, ...overrides }: Overrides = {}): Promise<Engine> {
    const client = this.broker.client(name)
    const app = resolveOptions({
      kafka: { brokers: 'fake:9092', groupId: 'group', transactionalId: name },
      checkpointIntervalMs: 100,
      actors: [{ name: 'price', handler: this.price, deadLetter: 'dlq', retry: { attempts: 1 }, ...actor }],
      ...overrides,
    })
    const note = (level: string) => (_: object, message: string) => void this.lines.push(`${level}: ${message}`)
    const log: Log = { debug() {}, info: note('info'), warn: note('warn'), error: note('error') }
    return Engine.start({
      ...{ app, log, stats: this.stats, broker: client, clock: client.clock, random: () => 0 },
      ...(openStores === undefined ? {} : { openStores }),
    })
  }

  async settled<Value>(promise: Promise<Value>): Promise<Value> {
    const state = { isOver: false }
    const note = (): void => void (state.isOver = true)
    promise.then(note, note)
    for (let step = 0; !state.isOver && step < 4_000; step += 1) await this.clock.advance(25)
    return await promise
  }

  /** What a read_committed reader of the topic sees. */
  read(name = 'out'): string[] {
    return this.broker.committedRecords(name).map(({ value }) => Buffer.from(value ?? []).toString())
  }
}
