/** Where simulated members keep state: in memory, or on a disk that outlives their processes. */
import { sleep, type Clock } from '../../../src/clock.ts'
import type {
  Change,
  KeyRange,
  StateStore,
  StoreEntry,
  StoreMark,
  StorePlace,
  Stores,
  WalkPlace,
  WalkStep,
} from '../../../src/state/store.ts'
import { entry } from '../checker.ts'

interface Content {
  /** By the bytes of their keys, as latin-1. */
  readonly values: Map<string, Uint8Array>
  mark: StoreMark | null
}

/** By actor and partition. */
export class SimulatedDisk {
  readonly contents = new Map<string, Content>()
}

export interface SimulatedStoresOptions {
  readonly clock: Clock
  /** null: in memory. */
  readonly disk: SimulatedDisk | null
  /** A store has come so far. */
  readonly observe: (place: StorePlace, mark: StoreMark) => void
}

/** A process that ends in the middle of a write leaves what there was before. */
const WRITE_MS = 1

export class SimulatedStores implements Stores {
  readonly kind: Stores['kind']
  readonly #options: SimulatedStoresOptions

  constructor(options: SimulatedStoresOptions) {
    this.#options = options
    this.kind = options.disk === null ? 'memory' : 'disk'
  }

  open(place: StorePlace): Promise<StateStore> {
    const { clock, disk, observe } = this.#options
    const contents = disk?.contents ?? new Map<string, Content>()
    const content = entry(contents, `${place.actor}/${place.partition}`, () => ({ values: new Map(), mark: null }))
    return Promise.resolve(
      new SimulatedStore(content, clock, (mark) => {
        observe(place, mark)
      }),
    )
  }

  sweep(): Promise<void> {
    return Promise.resolve()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

class SimulatedStore implements StateStore {
  readonly #content: Content
  readonly #clock: Clock
  readonly #observe: (mark: StoreMark) => void
  #isWriting = false
  #isClosed = false

  constructor(content: Content, clock: Clock, observe: (mark: StoreMark) => void) {
    this.#content = content
    this.#clock = clock
    this.#observe = observe
  }

  get mark(): StoreMark | null {
    return this.#content.mark
  }

  get keyCount(): number {
    return this.#content.values.size
  }

  get byteCount(): number {
    let bytes = 0
    for (const [key, value] of this.#content.values) bytes += key.length + value.byteLength
    return bytes
  }

  get(key: Uint8Array): Uint8Array | undefined {
    if (this.#isClosed) throw new Error('a store was asked after it was closed')
    const value = this.#content.values.get(textOf(key))
    return value === undefined ? undefined : Uint8Array.from(value)
  }

  /** Everything here is. */
  order(): void {}

  scan({ from, to }: KeyRange, limit: number): readonly StoreEntry[] {
    const least = from === undefined ? '' : textOf(from)
    const end = to === undefined ? null : textOf(to)
    return [...this.#content.values]
      .filter(([key]) => key >= least && (end === null || key < end))
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .slice(0, limit)
      .map(([key, value]): StoreEntry => [Buffer.from(key, 'latin1'), Uint8Array.from(value)])
  }

  walk(from: WalkPlace | null): WalkStep {
    if (from !== null) throw new Error('a walk gives all there is at once')
    return { entries: this.scan({}, Infinity), next: null }
  }

  async write(changes: Iterable<Change>, mark: StoreMark): Promise<void> {
    if (this.#isWriting) throw new Error('a store was written to in the middle of a write')
    if (this.#isClosed) throw new Error('a store was written to after it was closed')
    this.#isWriting = true
    const copied = [...changes].map(
      ([key, value]) => [textOf(key), value === null ? null : Uint8Array.from(value)] as const,
    )
    await sleep(this.#clock, WRITE_MS)
    for (const [key, value] of copied) {
      if (value === null) this.#content.values.delete(key)
      else this.#content.values.set(key, value)
    }
    this.#content.mark = mark
    this.#isWriting = false
    this.#observe(mark)
  }

  wipe(): Promise<void> {
    this.#content.values.clear()
    this.#content.mark = null
    return Promise.resolve()
  }

  close(): Promise<void> {
    this.#isClosed = true
    return Promise.resolve()
  }
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}
