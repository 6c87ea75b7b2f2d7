/**
 * Keys in the order of their bytes: for the parts of a store that are asked for ranges. They stand in leaves of at most 128,
 * off the heap but for one small object a leaf; the leaves stand in a list, in order. So an insertion moves a few hundred
 * bytes, never more than the list, and a range costs what it gives.
 */

const MOST_KEYS = 128
/** Two neighbours with fewer than that together are made one. */
const FEW_KEYS = 64
const FIRST_BYTES = 1_024

class Leaf {
  count = 0
  /** Of each key where it begins in `bytes`, and how long it is. */
  readonly places = new Uint32Array(2 * MOST_KEYS)
  bytes = new Uint8Array(FIRST_BYTES)
  /** Behind that nothing was written yet. */
  used = 0
  /** Of those that are used: of keys that have gone. */
  dead = 0

  get byteCount(): number {
    return this.places.byteLength + this.bytes.byteLength
  }

  /** Below 0: the key at this place comes before the other one, of which what is below `from` does not count. */
  compare(at: number, key: Uint8Array, from: number): number {
    const { bytes, places } = this
    const begin = places[2 * at]!
    const length = places[2 * at + 1]!
    const others = key.byteLength - from
    const shared = Math.min(length, others)
    for (let index = 0; index < shared; index++) {
      const difference = bytes[begin + index]! - key[from + index]!
      if (difference !== 0) return difference
    }
    return length - others
  }

  /** The place of the first that does not come before this key. */
  find(key: Uint8Array, from: number): number {
    let [low, high] = [0, this.count]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.compare(middle, key, from) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  /** There has to be room for another key. */
  insert(at: number, key: Uint8Array, from: number): void {
    const length = key.byteLength - from
    if (this.used + length > this.bytes.byteLength) this.#rewrite(length)
    const { bytes, places } = this
    places.copyWithin(2 * at + 2, 2 * at, 2 * this.count)
    places[2 * at] = this.used
    places[2 * at + 1] = length
    for (let index = 0; index < length; index++) bytes[this.used + index] = key[from + index]!
    this.used += length
    this.count += 1
  }

  remove(at: number): void {
    this.dead += this.places[2 * at + 1]!
    this.places.copyWithin(2 * at, 2 * at + 2, 2 * this.count)
    this.count -= 1
  }

  /** Behind a prefix. */
  keyAt(at: number, prefix: Uint8Array): Buffer {
    const begin = this.places[2 * at]!
    const length = this.places[2 * at + 1]!
    const key = Buffer.allocUnsafe(prefix.byteLength + length)
    key.set(prefix)
    key.set(this.bytes.subarray(begin, begin + length), prefix.byteLength)
    return key
  }

  /** Takes those of another one from this place on, behind its own. */
  takeFrom(other: Leaf, from: number): void {
    for (let at = from; at < other.count; at++) {
      const begin = other.places[2 * at]!
      this.insert(this.count, other.bytes.subarray(begin, begin + other.places[2 * at + 1]!), 0)
    }
  }

  cutAt(count: number): void {
    for (let at = count; at < this.count; at++) this.dead += this.places[2 * at + 1]!
    this.count = count
  }

  /** Without gaps, and with room for so many bytes more. */
  #rewrite(more: number): void {
    const { bytes: old, places } = this
    const needed = this.used - this.dead + more
    this.bytes = new Uint8Array(Math.max(FIRST_BYTES, Math.ceil(needed * 1.5)))
    this.used = 0
    this.dead = 0
    for (let at = 0; at < this.count; at++) {
      const begin = places[2 * at]!
      this.bytes.set(old.subarray(begin, begin + places[2 * at + 1]!), this.used)
      places[2 * at] = this.used
      this.used += places[2 * at + 1]!
    }
  }
}

export class SortedKeys {
  /** None is empty, but for the only one. */
  #leaves = [new Leaf()]
  #byteCount = this.#leaves[0]!.byteCount

  get byteCount(): number {
    return this.#byteCount
  }

  /** Of each key only what is behind its first `from` bytes counts here. It must not be there yet. */
  add(key: Uint8Array, from: number): void {
    const index = this.#indexOf(key, from)
    const leaf = this.#leaves[index]!
    const at = leaf.find(key, from)
    if (leaf.count < MOST_KEYS) {
      this.#insert(leaf, at, key, from)
      return
    }
    const next = new Leaf()
    this.#byteCount += next.byteCount
    this.#leaves.splice(index + 1, 0, next)
    // What comes in order, as times do, fills one after the other; anything else needs room on both sides.
    const half = at === MOST_KEYS ? MOST_KEYS : MOST_KEYS / 2
    this.#take(next, leaf, half)
    leaf.cutAt(half)
    if (at < half) this.#insert(leaf, at, key, from)
    else this.#insert(next, at - half, key, from)
  }

  /** It has to be there. */
  remove(key: Uint8Array, from: number): void {
    const index = this.#indexOf(key, from)
    const leaf = this.#leaves[index]!
    leaf.remove(leaf.find(key, from))
    const next = this.#leaves[index + 1]
    if (next !== undefined && leaf.count + next.count < FEW_KEYS) {
      this.#take(leaf, next, 0)
      this.#drop(index + 1)
    } else if (leaf.count === 0 && this.#leaves.length > 1) this.#drop(index)
  }

  /** The first `limit` from `begin`, included, to `end`, excluded (undefined: to the last), each behind the prefix that they have in common. */
  range(begin: Uint8Array, end: Uint8Array | undefined, limit: number, prefix: Uint8Array): Buffer[] {
    const keys: Buffer[] = []
    const from = prefix.byteLength
    let index = this.#indexOf(begin, from)
    for (let at = this.#leaves[index]!.find(begin, from); keys.length < limit; at++) {
      let leaf = this.#leaves[index]!
      if (at >= leaf.count) {
        index += 1
        if (index === this.#leaves.length) break
        leaf = this.#leaves[index]!
        at = 0
        if (leaf.count === 0) break
      }
      if (end !== undefined && leaf.compare(at, end, from) >= 0) break
      keys.push(leaf.keyAt(at, prefix))
    }
    return keys
  }

  /** Of the last leaf that does not begin behind this key. */
  #indexOf(key: Uint8Array, from: number): number {
    let [low, high] = [1, this.#leaves.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#leaves[middle]!.compare(0, key, from) <= 0) low = middle + 1
      else high = middle
    }
    return low - 1
  }

  #insert(leaf: Leaf, at: number, key: Uint8Array, from: number): void {
    const before = leaf.bytes.byteLength
    leaf.insert(at, key, from)
    this.#byteCount += leaf.bytes.byteLength - before
  }

  #take(leaf: Leaf, other: Leaf, from: number): void {
    const before = leaf.bytes.byteLength
    leaf.takeFrom(other, from)
    this.#byteCount += leaf.bytes.byteLength - before
  }

  #drop(index: number): void {
    this.#byteCount -= this.#leaves[index]!.byteCount
    this.#leaves.splice(index, 1)
  }
}
