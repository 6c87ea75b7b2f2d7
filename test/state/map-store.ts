/** A store in a Map, for tests of what is above stores. */
import type { Change, KeyRange, StateStore, StoreMark, WalkPlace, WalkStep } from '../../src/state/store.ts'

export class MapStore implements StateStore {
  mark: StoreMark | null
  readonly entries = new Map<string, Uint8Array>()
  reads = 0
  readonly writes: { readonly changes: number; readonly mark: StoreMark }[] = []
  /** Awaited in the middle of a write. */
  meanwhile: () => Promise<void> = () => Promise.resolve()

  constructor(mark: StoreMark | null = null) {
    this.mark = mark
  }

  get keyCount(): number {
    return this.entries.size
  }

  get byteCount(): number {
    let bytes = 0
    for (const [key, value] of this.entries) bytes += key.length + value.byteLength
    return bytes
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.reads += 1
    const value = this.entries.get(textOf(key))
    return value === undefined ? undefined : Uint8Array.from(value)
  }

  scan({ from, to }: KeyRange, limit: number): (readonly [Uint8Array, Uint8Array])[] {
    const least = from === undefined ? '' : textOf(from)
    return [...this.entries]
      .filter(([key]) => key >= least && (to === undefined || key < textOf(to)))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .slice(0, limit)
      .map(([key, value]) => [Buffer.from(key, 'latin1'), Uint8Array.from(value)] as const)
  }

  walk(from: WalkPlace | null, limit: number): WalkStep {
    const begin = Number(from ?? 0)
    const next = begin + limit < this.keyCount ? begin + limit : null
    return { entries: this.scan({}, Infinity).slice(begin, begin + limit), next }
  }

  async write(changes: Iterable<Change>, mark: StoreMark): Promise<void> {
    let count = 0
    for (const [key, value] of changes) {
      if (count === 0) await this.meanwhile()
      count += 1
      if (value === null) this.entries.delete(textOf(key))
      else this.entries.set(textOf(key), Uint8Array.from(value))
    }
    this.mark = mark
    this.writes.push({ changes: count, mark })
  }

  wipe(): Promise<void> {
    this.entries.clear()
    this.mark = null
    return Promise.resolve()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}
