/** The first entries of a range, of all that are offered, in whatever order. Costs the size of what is kept, not of the store. */
import type { KeyRange, StoreEntry } from '../../store.ts'
import type { Arena } from './arena.ts'

export class FirstEntries {
  readonly #arena: Arena
  readonly #range: KeyRange
  readonly #limit: number
  /** Unsorted, at most twice the limit. */
  #kept: StoreKey[] = []
  /** Only what is below can still be among the first. */
  #below: Uint8Array | undefined

  constructor(arena: Arena, range: KeyRange, limit: number) {
    this.#arena = arena
    this.#range = range
    this.#limit = limit
    this.#below = range.to
  }

  offer(address: number): void {
    const isIn = this.#arena.readKey(address, this.#isIn)
    if (!isIn) return
    this.#kept.push({ address, key: this.#arena.keyOf(address) })
    if (this.#kept.length >= Math.max(this.#limit, 16) * 2) this.#cut()
  }

  inOrder(): StoreEntry[] {
    this.#cut()
    return this.#kept.map(({ address, key }) => [key, this.#arena.valueOf(address)])
  }

  #cut(): void {
    this.#kept.sort((one, other) => Buffer.compare(one.key, other.key))
    if (this.#kept.length <= this.#limit) return
    this.#below = this.#kept[this.#limit]!.key
    this.#kept.length = this.#limit
  }

  readonly #isIn = (bytes: Uint8Array, at: number, length: number): boolean =>
    (this.#range.from === undefined || compare(bytes, at, length, this.#range.from) >= 0) &&
    (this.#below === undefined || compare(bytes, at, length, this.#below) < 0)
}

interface StoreKey {
  readonly address: number
  readonly key: Buffer
}

/** Below 0: the key in the middle of `bytes` comes before the other one. */
function compare(bytes: Uint8Array, at: number, length: number, other: Uint8Array): number {
  const shared = Math.min(length, other.byteLength)
  for (let index = 0; index < shared; index++) {
    const difference = bytes[at + index]! - other[index]!
    if (difference !== 0) return difference
  }
  return length - other.byteLength
}
