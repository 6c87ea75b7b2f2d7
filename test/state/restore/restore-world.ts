/** A changelog on the fake broker, and a restorer that reads it. */
import { silentLog } from '../../../src/log.ts'
import { RestoreStats, type RestoreProgress } from '../../../src/metrics/restore-stats.ts'
import { encodeMeta, entryKey, metaKey, statePrefix, type ChangelogMeta } from '../../../src/state/changelog-format.ts'
import type { Restored } from '../../../src/state/restore/restore-task.ts'
import { Restorer } from '../../../src/state/restore/restorer.ts'
import { FakeBroker, type NewRecord } from '../../../src/testing/broker/fake-broker.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import type { MapStore } from '../../support/map-store.ts'

export const changelog = 'group-count-changelog'
export const at = (partition = 0): { readonly topic: string; readonly partition: number } => ({
  topic: changelog,
  partition,
})

const total = statePrefix('total')

export function keyOf(text: string): Uint8Array {
  return entryKey(total, Buffer.from(text))
}

export class RestoreWorld {
  readonly clock = new ManualClock()
  readonly broker: FakeBroker
  readonly stats = new RestoreStats()
  readonly restorer: Restorer
  readers = 0

  constructor(partitions = 1, seed = 1) {
    this.broker = new FakeBroker({ clock: this.clock, seed })
    this.broker.createTopic(changelog, partitions)
    this.restorer = new Restorer({
      clock: this.clock,
      log: silentLog,
      openReader: () => {
        this.readers += 1
        return this.broker.reader('restore')
      },
    })
  }

  /** The state `total` of a key. */
  set(key: string, value: string | null, partition = 0): void {
    this.append({ key: keyOf(key), value, partition })
  }

  meta(meta: Partial<ChangelogMeta> = {}, partition = 0): void {
    const value = encodeMeta({ checkpoint: 1, streamTime: null, inputId: 0, changelogId: 0, ...meta })
    this.append({ key: metaKey, value, partition })
  }

  append(record: NewRecord): void {
    this.broker.append(changelog, record)
  }

  /** So many changes of as many keys. */
  fill(count: number, partition = 0): void {
    for (let i = 0; i < count; i += 1) this.set(`k${i}`, `v${i}`, partition)
  }

  begin(store: MapStore, partition = 0): RunningRestore {
    return new RunningRestore(this, store, partition)
  }

  /** Restores a partition, however long it takes. */
  async restore(store: MapStore, partition = 0): Promise<RunningRestore> {
    const running = this.begin(store, partition)
    await running.end()
    return running
  }
}

export class RunningRestore {
  readonly progress: RestoreProgress
  outcome: { readonly restored: Restored | null } | { readonly error: unknown } | null = null
  readonly #abort = new AbortController()
  readonly #world: RestoreWorld

  constructor(world: RestoreWorld, store: MapStore, partition: number) {
    this.#world = world
    this.progress = world.stats.begin('count', partition, world.clock.now())
    const order = { changelog: at(partition), store, progress: this.progress }
    world.restorer.restore(order, this.#abort.signal).then(
      (restored) => {
        this.outcome = { restored }
      },
      (error: unknown) => {
        this.outcome = { error }
      },
    )
  }

  get isOver(): boolean {
    return this.outcome !== null
  }

  revoke(): void {
    this.#abort.abort()
  }

  async end(): Promise<void> {
    await this.#world.clock.runUntil(() => this.isOver, { maxMs: 60_000 })
  }
}

/** The state `total` by key, as a store has it. */
export function totals(store: MapStore): Record<string, string> {
  const entries = store.scan({ from: total }, 1e6).filter(([key]) => Buffer.from(key).subarray(0, 7).equals(total))
  return Object.fromEntries(
    entries.map(([key, value]) => [Buffer.from(key).subarray(7).toString(), Buffer.from(value).toString()]),
  )
}
