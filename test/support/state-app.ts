/** An engine at a fake broker whose handler counts by key, exactly once: `count` reads `orders` and writes `totals`. */
import { defineHandler, done } from '../../src/actors/handlers/handler.ts'
import { silentLog, type Log } from '../../src/log.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import { resolveOptions } from '../../src/options/resolve.ts'
import { metaKey } from '../../src/state/changelog-format.ts'
import { state } from '../../src/state/declared-state.ts'
import type { Stores } from '../../src/state/store.ts'
import { json, text } from '../../src/streams/flows/codec.ts'
import { topic } from '../../src/streams/flows/flow.ts'
import { Engine } from '../../src/supervisor/engine.ts'
import { FakeBroker } from '../../src/testing/broker/fake-broker.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'

export const CHANGELOG = 'group-count-changelog'
const totals = topic('totals', { value: json<number>() })

export const countHandler = defineHandler({
  name: 'count',
  input: topic('orders', { value: text }),
  outputs: [totals],
  state: { total: state<number>({ initial: () => 0 }), last: state<string>({ codec: text }) },
  handle: (value, { state: { last, total } }) => {
    last.set(value)
    return done([totals.record(total.update((count) => count + 1))])
  },
})

interface Overrides {
  readonly openStores?: () => Promise<Stores>
  readonly drainTimeoutMs?: number
}

export class StateApp {
  readonly clock = new ManualClock()
  readonly broker: FakeBroker
  readonly stats = new EngineStats(this.clock)
  readonly log: Log = silentLog

  constructor(partitions = 2) {
    this.broker = new FakeBroker({ clock: this.clock })
    this.broker.createTopic('orders', partitions)
    this.broker.createTopic('totals', 1)
  }

  append(partition: number, key: string, value = 'v'): void {
    this.broker.append('orders', { key, value, partition })
  }

  starting(name = 'one', stats = this.stats, { drainTimeoutMs, openStores }: Overrides = {}): Promise<Engine> {
    const client = this.broker.client(name)
    const app = resolveOptions({
      kafka: { brokers: 'fake:9092', groupId: 'group', transactionalId: name },
      actors: [{ name: 'count', handler: countHandler }],
      ...(drainTimeoutMs === undefined ? {} : { drainTimeoutMs }),
    })
    return Engine.start({
      ...{ app, broker: client, clock: client.clock, random: () => 0, log: this.log, stats },
      ...(openStores === undefined ? {} : { openStores }),
    })
  }

  async start(name = 'one', stats = this.stats, overrides: Overrides = {}): Promise<Engine> {
    return await this.settled(this.starting(name, stats, overrides))
  }

  async settled<Value>(promise: Promise<Value>): Promise<Value> {
    const is = { over: false }
    const note = (): void => void (is.over = true)
    promise.then(note, note)
    for (let step = 0; !is.over && step < 4_000; step += 1) await this.clock.advance(25)
    return await promise
  }
}

/** The record of a changelog that ends the part of one checkpoint. */
export function isMeta({ key }: { readonly key: Uint8Array | null }): boolean {
  return key !== null && Buffer.from(metaKey).equals(key)
}
