/** One process of an app under test: the engine as it is, at the fake broker, with a clock, a broker client and stores of its own. */
import type { Log } from '../../log.ts'
import { EngineStats } from '../../metrics/stats.ts'
import type { ResolvedApp } from '../../options/options.ts'
import { KeyedTimers } from '../../state/keyed-timers.ts'
import { timerShapes } from '../../state/timers.ts'
import type { StateStore, StorePlace, Stores, WalkPlace, WalkStep } from '../../state/store.ts'
import { MemoryStores } from '../../state/stores/memory/memory-store.ts'
import type { Broker } from '../../streams/broker.ts'
import type { CheckpointPoint } from '../../streams/delivery/checkpoint-points.ts'
import type { SchemaPort } from '../../streams/registry/schema-port.ts'
import type { Engine } from '../../supervisor/engine.ts'
import type { FakeClient } from '../broker/fake-client.ts'

export interface TestProcessOptions {
  /** The class. */
  readonly engine: typeof Engine
  readonly app: ResolvedApp
  readonly client: FakeClient
  readonly log: Log
  readonly schemas: SchemaPort
  readonly random: () => number
}

const POLL_TIMEOUT_MS = 1_000

export class TestProcess {
  readonly app: ResolvedApp
  readonly client: FakeClient
  readonly stats: EngineStats
  /** Why it has ended by itself; null: it has not. */
  failure: Error | null = null
  readonly #options: TestProcessOptions
  readonly #stores = new Map<number, StateStore>()
  #engine: Engine | null = null
  #crashPoint: CheckpointPoint | null = null

  constructor(options: TestProcessOptions) {
    this.#options = options
    this.app = options.app
    this.client = options.client
    this.stats = new EngineStats(options.client.clock)
  }

  async start(): Promise<void> {
    const { app, client, log, random, schemas } = this.#options
    this.#engine = await this.#options.engine.start({
      ...{ app, broker: patient(client), clock: client.clock, log, random, schemas, stats: this.stats },
      openStores: () => Promise.resolve(this.#openStores()),
      onCheckpoint: (point) => {
        if (point === this.#crashPoint) this.crash()
      },
    })
    void this.#engine.finished.then((end) => {
      if (end.reason === 'failed') this.failure = end.error
    })
  }

  get engine(): Engine {
    if (this.#engine === null) throw new Error('the app has not started')
    return this.#engine
  }

  get isCrashed(): boolean {
    return this.client.isCrashed
  }

  /** It has records that no operator is needed for. */
  get holdsWork(): boolean {
    for (const { inFlight, parked } of this.stats.partitions()) if (inFlight > 0 && parked === 0) return true
    return false
  }

  /** As by `kill -9`, and its group is told so at once. */
  crash(): void {
    this.client.crash({ isNoticed: true })
  }

  /** It crashes when its next checkpoint comes to this; null: at none. */
  crashAt(point: CheckpointPoint | null): void {
    this.#crashPoint = point
  }

  /** What it has of the state of this partition; null: nothing. */
  storeOf(partition: number): StateStore | null {
    return this.#stores.get(partition) ?? null
  }

  /** In how long the next timer is due that it keeps by the wall clock. Those that are due by now are parked. */
  wallTimerInMs(names: readonly string[]): number {
    const nowMs = this.client.clock.wallNow()
    let inMs = Infinity
    for (const store of this.#stores.values()) {
      const timers = new KeyedTimers(timerShapes(names), 0)
      let place: WalkPlace | null = null
      do {
        const { entries, next }: WalkStep = store.walk(place, 1_000)
        timers.load(entries)
        place = next
      } while (place !== null)
      while (timers.take('wall', nowMs) !== null);
      inMs = Math.min(inMs, (timers.nextDueMs('wall') ?? Infinity) - nowMs)
    }
    return inMs
  }

  #openStores(): Stores {
    const stores = new MemoryStores(this.client.clock)
    return {
      kind: stores.kind,
      open: async ({ partition }: StorePlace) => {
        const store = await stores.open()
        this.#stores.set(partition, store)
        return store
      },
      sweep: () => stores.sweep(),
      close: () => stores.close(),
    }
  }
}

/** Polls that find nothing come back less often: each is a timer more of the time that a test lets pass. */
function patient(client: FakeClient): Broker {
  return {
    producer: (name) => client.producer(name),
    reader: (name) => client.reader(name),
    admin: () => client.admin(),
    transactionalProducer: (options) => client.transactionalProducer(options),
    consumer: () => {
      const consumer = client.consumer()
      const poll = consumer.poll.bind(consumer)
      consumer.poll = (maxRecords, timeoutMs) => poll(maxRecords, Math.max(timeoutMs, POLL_TIMEOUT_MS))
      return consumer
    },
  }
}
