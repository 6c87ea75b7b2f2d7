/**
 * The order of one partition actor: records wait in lanes, and a lane runs one record at a time.
 * One lane in `partition` order, one per key in `key` order (keys compare by their bytes). In `key`
 * order records without a key have no order among each other, and a lane each; an empty key is a key
 * like any other.
 *
 * In `unordered` all wait in one queue that is always ready. What is taken from it at once is a lane
 * for as long as it is at the handler: a lane a record would cost more than a small handler. A record
 * of it that fails leaves for a lane of its own (`part`), so nothing waits for it.
 *
 * A lane is in one of three places:
 * - READY    in the queue of lanes that may be taken.
 * - TAKEN    some of its first records are at a handler. → READY or WAITING by `give back`.
 * - WAITING  its first record waits for its next attempt, or is parked. → READY by `wake` or `passOver`.
 * A lane without records does not exist: a million distinct keys leave nothing behind.
 *
 * A lane is *blocked* from the first failure of its head until the head leaves it, attempts in
 * between included: what is blocked would otherwise swing with every back-off.
 */
import type { Order } from '../options.ts'
import type { Invocation } from './invocation.ts'

export interface Lane {
  /** null: no other record can join (unordered, or no key). */
  readonly key: KeyHash | null
  /** The lanes whose keys have the same place are a list. */
  samePlace: Lane | null
  head: Invocation | null
  tail: Invocation | null
  size: number
  bytes: number
  /** Its head has failed, and is still its head. */
  isBlocked: boolean
  /** How many records from the head on are at a handler. */
  takenCount: number
  state: 'ready' | 'taken' | 'waiting'
  nextReady: Lane | null
}

/** Consecutive records from the head of one lane, to be run in this order. */
export interface LaneRun {
  readonly lane: Lane
  readonly invocations: readonly Invocation[]
}

export class Lanes {
  readonly #order: Order
  readonly #byKey = new LanesByKey()
  /** `unordered`: what nobody has taken yet. It is ready while it has records. */
  readonly #loose = emptyLane()
  readonly #waiting = new Set<Lane>()
  readonly #blocked = new Set<Lane>()
  #blockedRecords = 0
  #blockedBytes = 0
  #readyHead: Lane | null = null
  #readyTail: Lane | null = null
  #readyLanes = 0
  #readyRecords = 0
  #records = 0

  constructor(order: Order) {
    this.#order = order
  }

  /** Records in all lanes: ready, taken and waiting. */
  get recordCount(): number {
    return this.#records
  }

  /** Records in lanes that may be taken now. */
  get readyRecordCount(): number {
    return this.#readyRecords
  }

  get readyLaneCount(): number {
    return this.#readyLanes
  }

  get keyedLaneCount(): number {
    return this.#byKey.size
  }

  /** Records in blocked lanes: they go no further before the first of their lane does. */
  get blockedRecordCount(): number {
    return this.#blockedRecords
  }

  get blockedBytes(): number {
    return this.#blockedBytes
  }

  /** The blocked lane with most records; null: none is blocked. Looks at all of them. */
  get largestBlocked(): Lane | null {
    let largest: Lane | null = null
    for (const lane of this.#blocked) if (largest === null || lane.size > largest.size) largest = lane
    return largest
  }

  /** The lane of a key (or of the partition) with most records; null: there is none. Looks at all of them. */
  get largest(): Lane | null {
    let largest: Lane | null = null
    for (const lane of this.#byKey.values()) if (largest === null || lane.size > largest.size) largest = lane
    return largest
  }

  /** Puts a record at the end of its lane. */
  admit(invocation: Invocation): void {
    this.#records += 1
    if (this.#order === 'unordered') {
      append(this.#loose, invocation)
      if (this.#loose.state === 'ready') this.#readyRecords += 1
      else this.#makeReady(this.#loose)
      return
    }
    const { key: bytes } = invocation.record
    const key = this.#order === 'partition' ? theOnly : bytes === null ? null : hashOf(bytes)
    const existing = key === null ? null : this.#byKey.find(key)
    if (existing !== null) {
      append(existing, invocation)
      if (existing.state === 'ready') this.#readyRecords += 1
      if (existing.isBlocked) this.#addBlocked(1, invocation.bytes)
      return
    }
    const lane = laneOf(key, invocation)
    if (key !== null) this.#byKey.add(lane)
    this.#makeReady(lane)
  }

  /** Puts a record that has left its lane into one of its own: its key has gone on. */
  admitAlone(invocation: Invocation): void {
    this.#records += 1
    this.#makeReady(laneOf(null, invocation))
  }

  /**
   * Takes up to `maxRecords` from the head of the lane that has been ready longest, and at least
   * one, but no more once they have `maxBytes`. null: none is ready.
   */
  take(maxRecords: number, maxBytes: number = Number.POSITIVE_INFINITY): LaneRun | null {
    const lane = this.#readyHead
    if (lane?.head == null) return null
    this.#readyHead = lane.nextReady
    if (this.#readyHead === null) this.#readyTail = null
    lane.nextReady = null
    this.#readyLanes -= 1
    this.#readyRecords -= lane.size
    lane.state = 'taken'
    const invocations: Invocation[] = []
    let bytes = 0
    for (let at: Invocation | null = lane.head; at !== null && invocations.length < maxRecords; at = at.next) {
      // A suspect runs alone, first or last of a run of one.
      if (at.runsAlone && invocations.length > 0) break
      invocations.push(at)
      bytes += at.bytes
      if (at.runsAlone || bytes >= maxBytes) break
    }
    if (lane === this.#loose) return { lane: this.#cutLoose(invocations, bytes), invocations }
    lane.takenCount = invocations.length
    return { lane, invocations }
  }

  /** Makes a lane of what was taken from the queue of `unordered`; the rest stays ready. */
  #cutLoose(invocations: readonly Invocation[], bytes: number): Lane {
    const loose = this.#loose
    const lane = emptyLane()
    lane.head = invocations[0]!
    lane.tail = invocations.at(-1)!
    lane.size = invocations.length
    lane.bytes = bytes
    lane.takenCount = invocations.length
    loose.head = lane.tail.next
    lane.tail.next = null
    loose.size -= lane.size
    loose.bytes -= bytes
    if (loose.head === null) loose.tail = null
    else this.#makeReady(loose)
    return lane
  }

  /** Takes the head of a taken lane out into a lane of its own, which is taken as well: what is behind it goes on. */
  part(lane: Lane): Lane {
    const head = lane.head!
    this.advance(lane)
    this.#records += 1
    const own = laneOf(null, head)
    own.takenCount = 1
    return own
  }

  /** True when the first record that may be taken has to be alone in its batch. */
  get firstRunsAlone(): boolean {
    return this.#readyHead?.head?.runsAlone === true
  }

  /** The head of a taken lane is handled: the next record moves up. */
  advance(lane: Lane): void {
    const head = lane.head
    if (head === null) return
    if (lane.isBlocked) this.#unblock(lane)
    lane.head = head.next
    if (lane.head === null) lane.tail = null
    head.next = null
    lane.size -= 1
    lane.bytes -= head.bytes
    lane.takenCount -= 1
    this.#records -= 1
  }

  /** Ends a run: the lane may be taken again if it has records left. */
  giveBack(lane: Lane): void {
    lane.takenCount = 0
    if (lane.head === null) {
      if (lane.key !== null) this.#byKey.delete(lane)
    } else if (this.#order === 'unordered' && lane.size > 1) this.#putBack(lane)
    else this.#makeReady(lane)
  }

  /** They are older than what waits in the queue, so they go first. */
  #putBack(lane: Lane): void {
    const loose = this.#loose
    lane.tail!.next = loose.head
    loose.head = lane.head
    loose.tail ??= lane.tail
    loose.size += lane.size
    loose.bytes += lane.bytes
    if (loose.state === 'ready') this.#readyRecords += lane.size
    else this.#makeReady(loose)
  }

  /** Ends a run whose head has failed and waits; `wake` or `passOver` ends the wait. */
  suspend(lane: Lane): void {
    lane.takenCount = 0
    lane.state = 'waiting'
    this.#waiting.add(lane)
    if (lane.isBlocked) return
    lane.isBlocked = true
    this.#blocked.add(lane)
    this.#addBlocked(lane.size, lane.bytes)
  }

  /** Ends a wait. Nothing happens when the lane was discarded meanwhile. */
  wake(lane: Lane): void {
    if (this.#waiting.delete(lane)) this.#makeReady(lane)
  }

  /** Ends a wait by taking the head out: the next record moves up. False: the lane does not wait. */
  passOver(lane: Lane): boolean {
    if (!this.#waiting.delete(lane)) return false
    this.advance(lane)
    this.giveBack(lane)
    return true
  }

  /** Forgets every record that is not at a handler, and returns them. Taken lanes keep what was taken. */
  discardQueued(): Invocation[] {
    const discarded: Invocation[] = []
    for (let lane = this.#readyHead; lane !== null; lane = lane.nextReady) this.#discardFrom(lane, discarded)
    for (const lane of this.#waiting) this.#discardFrom(lane, discarded)
    for (const lane of this.#byKey.values()) this.#discardFrom(lane, discarded)
    this.#waiting.clear()
    this.#loose.state = 'taken'
    this.#readyHead = null
    this.#readyTail = null
    this.#readyLanes = 0
    this.#readyRecords = 0
    return discarded
  }

  /** Ends a run whose lane goes no further: forgets what is left in it, and returns that. */
  discard(lane: Lane): Invocation[] {
    const discarded: Invocation[] = []
    lane.takenCount = 0
    this.#discardFrom(lane, discarded)
    return discarded
  }

  #discardFrom(lane: Lane, discarded: Invocation[]): void {
    let last: Invocation | null = null
    let at = lane.head
    for (let taken = 0; taken < lane.takenCount && at !== null; taken += 1) {
      last = at
      at = at.next
    }
    if (last === null) lane.head = null
    else last.next = null
    lane.tail = last
    for (; at !== null; at = at.next) {
      discarded.push(at)
      lane.size -= 1
      lane.bytes -= at.bytes
      this.#records -= 1
      if (lane.isBlocked) this.#addBlocked(-1, -at.bytes)
    }
    if (lane.head !== null) return
    if (lane.isBlocked) this.#unblock(lane)
    if (lane.key !== null) this.#byKey.delete(lane)
  }

  #unblock(lane: Lane): void {
    lane.isBlocked = false
    this.#blocked.delete(lane)
    this.#addBlocked(-lane.size, -lane.bytes)
  }

  #addBlocked(records: number, bytes: number): void {
    this.#blockedRecords += records
    this.#blockedBytes += bytes
  }

  #makeReady(lane: Lane): void {
    lane.state = 'ready'
    this.#readyLanes += 1
    this.#readyRecords += lane.size
    if (this.#readyTail === null) this.#readyHead = lane
    else this.#readyTail.nextReady = lane
    this.#readyTail = lane
  }
}

/** Two hashes of a key's bytes, of 30 and 32 bits. Keys that share both share a lane, which keeps the order of each. */
interface KeyHash {
  readonly place: number
  readonly check: number
}

/**
 * Keyed lanes by two hashes of their key. A string per record as the key of a Map would cost more than all else that a lane
 * costs, and the bytes themselves belong to the handler, which may write over them.
 */
class LanesByKey {
  readonly #byPlace = new Map<number, Lane>()
  #size = 0

  get size(): number {
    return this.#size
  }

  find({ place, check }: KeyHash): Lane | null {
    for (let lane = this.#byPlace.get(place) ?? null; lane !== null; lane = lane.samePlace) {
      if (lane.key!.check === check) return lane
    }
    return null
  }

  add(lane: Lane): void {
    const { place } = lane.key!
    lane.samePlace = this.#byPlace.get(place) ?? null
    this.#byPlace.set(place, lane)
    this.#size += 1
  }

  delete(lane: Lane): void {
    const { place } = lane.key!
    const first = this.#byPlace.get(place)
    if (first === lane) {
      if (lane.samePlace === null) this.#byPlace.delete(place)
      else this.#byPlace.set(place, lane.samePlace)
      this.#size -= 1
      return
    }
    for (let before = first ?? null; before !== null; before = before.samePlace) {
      if (before.samePlace !== lane) continue
      before.samePlace = lane.samePlace
      this.#size -= 1
      return
    }
  }

  *values(): IterableIterator<Lane> {
    for (const first of this.#byPlace.values()) {
      for (let lane: Lane | null = first; lane !== null; lane = lane.samePlace) yield lane
    }
  }
}

const theOnly: KeyHash = { place: 0, check: 0 }
/** Other ones in each process: nobody can choose keys that all have the same hash. */
const placeSeed = (Math.random() * 2 ** 31) | 0
const checkSeed = (Math.random() * 2 ** 31) | 0

/** FNV-1a, and a second of its kind; the first folded to the 30 bits that a Map takes without a box. */
function hashOf(key: Uint8Array): KeyHash {
  let place = placeSeed
  let check = checkSeed
  for (let at = 0; at < key.length; at += 1) {
    const byte = key[at]!
    place = Math.imul(place ^ byte, 0x01000193)
    check = Math.imul((check ^ byte) + 0x9e3779b9, 0x85ebca6b)
    check ^= check >>> 13
  }
  return { place: (place ^ (place >>> 15)) & 0x3fffffff, check }
}

function laneOf(key: KeyHash | null, invocation: Invocation): Lane {
  return {
    key,
    samePlace: null,
    head: invocation,
    tail: invocation,
    size: 1,
    bytes: invocation.bytes,
    isBlocked: false,
    takenCount: 0,
    state: 'taken',
    nextReady: null,
  }
}

function emptyLane(): Lane {
  return {
    key: null,
    samePlace: null,
    head: null,
    tail: null,
    size: 0,
    bytes: 0,
    isBlocked: false,
    takenCount: 0,
    state: 'taken',
    nextReady: null,
  }
}

function append(lane: Lane, invocation: Invocation): void {
  if (lane.tail === null) lane.head = invocation
  else lane.tail.next = invocation
  lane.tail = invocation
  lane.size += 1
  lane.bytes += invocation.bytes
}
