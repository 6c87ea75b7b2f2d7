/** The part of a store whose keys begin in one way, kept in order. */
import type { KeyRange } from '../../store.ts'
import { SortedKeys } from './sorted-keys.ts'

export class OrderedPart {
  readonly #prefix: Uint8Array
  #keys = new SortedKeys()

  constructor(prefix: Uint8Array) {
    this.#prefix = Uint8Array.from(prefix)
  }

  get byteCount(): number {
    return this.#keys.byteCount
  }

  isOf(prefix: Uint8Array): boolean {
    return Buffer.compare(this.#prefix, prefix) === 0
  }

  /** A new key of the store, which may be of another part. */
  add(key: Uint8Array): void {
    if (this.#has(key)) this.#keys.add(key, this.#prefix.byteLength)
  }

  /** A key that was in the store. */
  remove(key: Uint8Array): void {
    if (this.#has(key)) this.#keys.remove(key, this.#prefix.byteLength)
  }

  clear(): void {
    this.#keys = new SortedKeys()
  }

  /** null: the range is not, or not wholly, of this part. */
  keysIn({ from, to }: KeyRange, limit: number): Buffer[] | null {
    const prefix = this.#prefix
    if (prefix.byteLength === 0) return this.#keys.range(from ?? prefix, to, limit, prefix)
    if (from === undefined || to === undefined || !this.#has(from)) return null
    if (this.#has(to)) return this.#keys.range(from, to, limit, prefix)
    // What begins as this part does and comes behind all that is in it.
    return isJustBehind(prefix, to) ? this.#keys.range(from, undefined, limit, prefix) : null
  }

  #has(key: Uint8Array): boolean {
    const prefix = this.#prefix
    if (key.byteLength < prefix.byteLength) return false
    for (let index = 0; index < prefix.byteLength; index++) if (key[index] !== prefix[index]) return false
    return true
  }
}

/** Nothing is between all that begin with the prefix and this end: it is the prefix with its last byte one greater. */
function isJustBehind(prefix: Uint8Array, end: Uint8Array): boolean {
  const last = prefix.byteLength - 1
  return (
    end.byteLength === prefix.byteLength &&
    end[last] === prefix[last]! + 1 &&
    Buffer.compare(end.subarray(0, last), prefix.subarray(0, last)) === 0
  )
}
