/**
 * Chance that can be repeated: the same seed gives the same numbers on every machine. A world made
 * from one seed is replayed by that seed.
 */
export class Random {
  readonly seed: number
  #state: number

  /** `seed`: any integer; only its lowest 32 bits count. */
  constructor(seed: number) {
    this.seed = seed >>> 0
    this.#state = this.seed
  }

  /** From 0 (inclusive) to 1 (exclusive). */
  next(): number {
    // mulberry32: 32 bits of state, every step a different number of a full period.
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }

  /** An integer from `low` to `high`, both inclusive. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1))
  }

  /** True with this probability (0..1). */
  chance(probability: number): boolean {
    return this.next() < probability
  }

  /** One of the list, which must not be empty. */
  pick<Item>(list: readonly Item[]): Item {
    if (list.length === 0) throw new RangeError('nothing to pick from')
    return list[this.integer(0, list.length - 1)] as Item
  }

  /** The list in another order; the given one stays as it is. */
  shuffle<Item>(list: readonly Item[]): Item[] {
    const shuffled = [...list]
    for (let at = shuffled.length - 1; at > 0; at -= 1) {
      const other = this.integer(0, at)
      const item = shuffled[at] as Item
      shuffled[at] = shuffled[other] as Item
      shuffled[other] = item
    }
    return shuffled
  }

  /**
   * A stream of its own, told apart by name: what one part of a world draws does not shift what
   * another part gets, so that a change in one place leaves the rest of a seed's world as it was.
   */
  fork(name: string): Random {
    let hash = this.seed ^ 0x811c9dc5
    for (let at = 0; at < name.length; at += 1) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193)
    return new Random(hash)
  }
}
