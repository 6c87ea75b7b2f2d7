/**
 * Where the entry of a key is, by the key's hash: extendible hashing, off the heap. A directory names, by the first bits of a
 * hash, small tables of pairs (hash, address). A full table splits in two, which takes microseconds, so that there is never
 * a moment at which everything is hashed anew; two tables that have become empty enough are made one.
 *
 * Hashes may meet: what is found is for the caller to compare.
 */

/** No entry has this address. */
export const NO_ADDRESS = 0

const FEWEST_SLOTS = 64
const MOST_SLOTS = 4_096
/** Of the directory: beyond it tables grow without limit. Hashes do not tell much more keys apart anyway. */
const MOST_BITS = 20

class Table {
  /** Pairs of hash and address; without an address it is free. Taken from the place that the hash names, or the next free one. */
  slots: Uint32Array
  count = 0
  /** How many first bits all of its hashes share. */
  readonly bits: number

  constructor(bits: number, slots: number) {
    this.bits = bits
    this.slots = new Uint32Array(slots * 2)
  }

  get slotCount(): number {
    return this.slots.length / 2
  }

  /** There has to be room. */
  add(hash: number, address: number): void {
    const { slots } = this
    const mask = slots.length - 1
    let at = (hash << 1) & mask
    while (slots[at + 1] !== NO_ADDRESS) at = (at + 2) & mask
    slots[at] = hash
    slots[at + 1] = address
    this.count += 1
  }

  addAll(from: Uint32Array): void {
    for (let at = 0; at < from.length; at += 2) if (from[at + 1] !== NO_ADDRESS) this.add(from[at]!, from[at + 1]!)
  }

  resize(slots: number): void {
    const old = this.slots
    this.slots = new Uint32Array(slots * 2)
    this.count = 0
    this.addAll(old)
  }

  /** Where in `slots`. It has to be there. */
  find(hash: number, address: number): number {
    const { slots } = this
    const mask = slots.length - 1
    let at = (hash << 1) & mask
    while (slots[at + 1] !== address) at = (at + 2) & mask
    return at
  }

  /** Those behind a gap move up, as far as they may: nothing is left that searches have to step over. */
  removeAt(gap: number): void {
    const { slots } = this
    const mask = slots.length - 1
    let at = (gap + 2) & mask
    while (slots[at + 1] !== NO_ADDRESS) {
      const home = (slots[at]! << 1) & mask
      if (((at - home) & mask) >= ((at - gap) & mask)) {
        slots[gap] = slots[at]!
        slots[gap + 1] = slots[at + 1]!
        gap = at
      }
      at = (at + 2) & mask
    }
    slots[gap + 1] = NO_ADDRESS
    this.count -= 1
  }
}

/** Whether the entry at this address is the one that is looked for. */
export type IsEntry<Sought> = (address: number, sought: Sought) => boolean

export class HashIndex {
  /** By the first `#bits` bits of a hash. A table that fewer bits lead to stands there several times, in a row. */
  #directory: Table[] = [new Table(1, FEWEST_SLOTS), new Table(1, FEWEST_SLOTS)]
  #bits = 1
  #byteCount = 2 * FEWEST_SLOTS * 8

  get byteCount(): number {
    return this.#byteCount + this.#directory.length * 8
  }

  /** Its address, or NO_ADDRESS. */
  find<Sought>(hash: number, isEntry: IsEntry<Sought>, sought: Sought): number {
    const { slots } = this.#directory[hash >>> (32 - this.#bits)]!
    const mask = slots.length - 1
    for (let at = (hash << 1) & mask; ; at = (at + 2) & mask) {
      const address = slots[at + 1]!
      if (address === NO_ADDRESS) return NO_ADDRESS
      if (slots[at] === hash && isEntry(address, sought)) return address
    }
  }

  add(hash: number, address: number): void {
    let table = this.#tableOf(hash)
    while (table.count * 4 >= table.slotCount * 3) {
      this.#grow(table, hash)
      table = this.#tableOf(hash)
    }
    table.add(hash, address)
  }

  /** The entry has moved. */
  move(hash: number, from: number, to: number): void {
    const table = this.#tableOf(hash)
    table.slots[table.find(hash, from) + 1] = to
  }

  remove(hash: number, address: number): void {
    const table = this.#tableOf(hash)
    table.removeAt(table.find(hash, address))
    if (table.bits > 1 && table.count * 8 < table.slotCount) this.#join(table, hash)
  }

  /**
   * Of the entries in one table: that of the hashes which begin as this one does. `next` is the first hash of the next
   * table, 2^32 behind the last.
   */
  tableFrom(hash: number): { readonly addresses: readonly number[]; readonly next: number } {
    const { bits, slots } = this.#tableOf(hash)
    const addresses: number[] = []
    for (let at = 1; at < slots.length; at += 2) if (slots[at] !== NO_ADDRESS) addresses.push(slots[at]!)
    return { addresses, next: ((hash >>> (32 - bits)) + 1) * 2 ** (32 - bits) }
  }

  #tableOf(hash: number): Table {
    return this.#directory[hash >>> (32 - this.#bits)]!
  }

  #grow(table: Table, hash: number): void {
    if (table.slotCount < MOST_SLOTS || table.bits === MOST_BITS) {
      this.#byteCount += table.slots.byteLength
      table.resize(table.slotCount * 2)
      return
    }
    if (table.bits === this.#bits) {
      this.#directory = this.#directory.flatMap((each) => [each, each])
      this.#bits += 1
    }
    const bits = table.bits + 1
    const [low, high] = [new Table(bits, MOST_SLOTS), new Table(bits, MOST_SLOTS)]
    const { slots } = table
    for (let at = 0; at < slots.length; at += 2) {
      if (slots[at + 1] === NO_ADDRESS) continue
      const half = (slots[at]! >>> (32 - bits)) & 1 ? high : low
      half.add(slots[at]!, slots[at + 1]!)
    }
    this.#byteCount += slots.byteLength
    const { first, count } = this.#placesOf(table.bits, hash)
    this.#directory.fill(low, first, first + count / 2).fill(high, first + count / 2, first + count)
  }

  /** With the table that it was split from, if both are of the same bits and together leave most of one empty. */
  #join(table: Table, hash: number): void {
    const bits = table.bits - 1
    const { first, count } = this.#placesOf(bits, hash)
    const [low, high] = [this.#directory[first]!, this.#directory[first + count / 2]!]
    if (low.bits !== high.bits || (low.count + high.count) * 4 > MOST_SLOTS) return
    const joined = new Table(bits, MOST_SLOTS)
    joined.addAll(low.slots)
    joined.addAll(high.slots)
    this.#byteCount += joined.slots.byteLength - low.slots.byteLength - high.slots.byteLength
    this.#directory.fill(joined, first, first + count)
  }

  /** Of the directory: those of hashes that share their first `bits` bits with this one. */
  #placesOf(bits: number, hash: number): { readonly first: number; readonly count: number } {
    const free = this.#bits - bits
    return { first: (hash >>> (32 - bits)) << free, count: 1 << free }
  }
}
