/** A store as plain as can be, which also says what it was told. */
import type {
  Change,
  KeyRange,
  StateStore,
  StoreMark,
  StorePlace,
  Stores,
  WalkPlace,
  WalkStep,
} from '../../src/state/store.ts'

export class MapStore implements StateStore {
  mark: StoreMark | null
  readonly entries = new Map<string, Uint8Array>()
  reads = 0
  readonly ordered: string[] = []
  readonly written: { readonly changes: number; readonly mark: StoreMark }[] = []
  wipes = 0
  isClosed = false
  /** Waited for before each write takes effect. */
  onWrite: () => Promise<void> = () => Promise.resolve()
  /** Waited for in the middle of each write. */
  meanwhile: () => Promise<void> = () => Promise.resolve()

  constructor(mark: StoreMark | null = null) {
    this.mark = mark
  }

  get keyCount(): number {
    return this.entries.size
  }

  get byteCount(): number {
    return [...this.entries].reduce((bytes, [key, value]) => bytes + key.length + value.byteLength, 0)
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.reads += 1
    const value = this.entries.get(latin1(key))
    return value === undefined ? undefined : Uint8Array.from(value)
  }

  order(prefix: Uint8Array): void {
    this.ordered.push(latin1(prefix))
  }

  scan({ from, to }: KeyRange, limit: number): readonly (readonly [key: Uint8Array, value: Uint8Array])[] {
    return [...this.entries]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .filter(([key]) => (from === undefined || key >= latin1(from)) && (to === undefined || key < latin1(to)))
      .slice(0, limit)
      .map(([key, value]) => [Buffer.from(key, 'latin1'), value])
  }

  walk(from: WalkPlace | null, limit: number): WalkStep {
    const begin = Number(from ?? 0)
    const entries = this.scan({}, Infinity).slice(begin, begin + limit)
    return { entries, next: begin + limit < this.keyCount ? begin + limit : null }
  }

  async write(changes: Iterable<Change>, mark: StoreMark): Promise<void> {
    await this.onWrite()
    let count = 0
    for (const [key, value] of changes) {
      if (count === 0) await this.meanwhile()
      count += 1
      if (value === null) this.entries.delete(latin1(key))
      else this.entries.set(latin1(key), Uint8Array.from(value))
    }
    this.mark = mark
    this.written.push({ changes: count, mark })
  }

  wipe(): Promise<void> {
    this.wipes += 1
    this.entries.clear()
    this.mark = null
    return Promise.resolve()
  }

  close(): Promise<void> {
    this.isClosed = true
    return Promise.resolve()
  }
}

/** Stores of one process, which keep what was in them until they are opened again. */
export class MapStores implements Stores {
  kind: 'memory' | 'disk' = 'memory'
  /** By partition. */
  readonly stores = new Map<number, MapStore>()
  readonly said: string[] = []
  /** What was asked for, and what was to be kept when the rest was thrown away. */
  readonly places: StorePlace[] = []
  readonly sweeps: (readonly StorePlace[])[] = []

  of(partition: number): MapStore {
    const store = this.stores.get(partition) ?? new MapStore()
    this.stores.set(partition, store)
    return store
  }

  open(place: StorePlace): Promise<MapStore> {
    const { partition } = place
    this.places.push(place)
    const store = this.of(partition)
    store.isClosed = false
    this.said.push(`open ${partition}`)
    return Promise.resolve(store)
  }

  sweep(owned: readonly StorePlace[]): Promise<void> {
    this.sweeps.push(owned)
    return Promise.resolve()
  }

  close(): Promise<void> {
    this.said.push('close')
    return Promise.resolve()
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}
