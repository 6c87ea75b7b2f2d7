/**
 * The keys that have a record in some lane, by two hashes of their bytes, and the lane of each that has one of its own. Keys
 * that share both hashes share a place, and so a lane, which keeps the order of each.
 *
 * A table in plain arrays, searched from where the first hash points to: a Map of objects by key would leave garbage with
 * each record of another key, and a string per record would cost more than all else that is done with it.
 */

/** What is found by its key. */
export interface Keyed {
  /** Two hashes of the key. NO_KEY: it is shared with no other. */
  keyPlace: number
  keyCheck: number
}

/** Instead of a hash. */
export const NO_KEY = -1

/** Instead of a slot: the key is not busy. */
export const NOT_BUSY = -1

const FEWEST_SLOTS = 64
const FREE = -1
/** Other ones in each process: nobody can choose keys that all have the same hash. */
const placeSeed = (Math.random() * 2 ** 31) | 0
const checkSeed = (Math.random() * 2 ** 31) | 0

export class BusyKeys<Lane> {
  /** By slot. At most half of the slots are taken, so a search ends soon. */
  #places = new Int32Array(FEWEST_SLOTS).fill(FREE)
  #checks = new Int32Array(FEWEST_SLOTS)
  #lanes = new Array<Lane | null>(FEWEST_SLOTS).fill(null)
  #size = 0
  /** The greatest size since it was last empty. */
  #most = 0

  get size(): number {
    return this.#size
  }

  /** The slot of a key, good until the next `add` or `delete`. */
  find(place: number, check: number): number {
    const places = this.#places
    const mask = places.length - 1
    for (let slot = place & mask; places[slot] !== FREE; slot = (slot + 1) & mask) {
      if (places[slot] === place && this.#checks[slot] === check) return slot
    }
    return NOT_BUSY
  }

  laneAt(slot: number): Lane | null {
    return this.#lanes[slot] ?? null
  }

  setLane(slot: number, lane: Lane | null): void {
    this.#lanes[slot] = lane
  }

  /** A key that is not busy yet. */
  add(place: number, check: number, lane: Lane | null): void {
    this.#size += 1
    if (this.#size > this.#most) this.#most = this.#size
    if (2 * this.#size > this.#places.length) this.#resize(2 * this.#places.length)
    this.#put(place, check, lane)
  }

  /** Moves up what stands behind it, so that no search ends at its slot too early. */
  delete(slot: number): void {
    const places = this.#places
    const mask = places.length - 1
    let hole = slot
    for (let at = (slot + 1) & mask; places[at] !== FREE; at = (at + 1) & mask) {
      // One whose search begins behind the hole would not be found in it.
      if (((at - places[at]!) & mask) < ((at - hole) & mask)) continue
      places[hole] = places[at]!
      this.#checks[hole] = this.#checks[at]!
      this.#lanes[hole] = this.#lanes[at]!
      hole = at
    }
    places[hole] = FREE
    this.#lanes[hole] = null
    this.#size -= 1
    if (this.#size === 0) this.#shrink()
  }

  /** A copy: whoever walks through it may delete. */
  lanes(): Lane[] {
    return this.#lanes.filter((lane) => lane !== null)
  }

  /** A burst must not hold its memory for as long as the partition is ours. */
  #shrink(): void {
    const { length } = this.#places
    if (length > FEWEST_SLOTS && 8 * this.#most <= length) this.#resize(length / 2)
    this.#most = 0
  }

  #resize(length: number): void {
    const [places, checks, lanes] = [this.#places, this.#checks, this.#lanes]
    this.#places = new Int32Array(length).fill(FREE)
    this.#checks = new Int32Array(length)
    this.#lanes = new Array<Lane | null>(length).fill(null)
    for (let slot = 0; slot < places.length; slot += 1) {
      if (places[slot] !== FREE) this.#put(places[slot]!, checks[slot]!, lanes[slot]!)
    }
  }

  #put(place: number, check: number, lane: Lane | null): void {
    const places = this.#places
    const mask = places.length - 1
    let slot = place & mask
    while (places[slot] !== FREE) slot = (slot + 1) & mask
    places[slot] = place
    this.#checks[slot] = check
    if (lane !== null) this.#lanes[slot] = lane
  }
}

/** FNV-1a, and a second of its kind. */
export function hashKey(keyed: Keyed, key: Uint8Array): void {
  let place = placeSeed
  let check = checkSeed
  for (let at = 0; at < key.length; at += 1) {
    const byte = key[at]!
    place = Math.imul(place ^ byte, 0x01000193)
    check = Math.imul((check ^ byte) + 0x9e3779b9, 0x85ebca6b)
    check ^= check >>> 13
  }
  keyed.keyPlace = (place ^ (place >>> 15)) & 0x7fffffff
  keyed.keyCheck = check
}
