/**
 * A position is committed only when every record below it is finished.
 *
 * This file knows which position that is. It is a pure data structure for one partition in one
 * epoch: records start in offset order, finish in any order, and `safePosition` is the offset of
 * the oldest unfinished one, or the position after the last started one when none is unfinished.
 * Only offsets received exist, so the gaps that compaction and transaction markers leave are
 * crossed without a word.
 *
 * Only unfinished invocations are kept: in slots of typed arrays, linked in the order of their
 * start. Starting takes a free slot and links it at the end, finishing unlinks it. So both cost
 * the same with one or a million records in between, memory follows what is in flight and not what
 * was finished behind a stuck record, and a snapshot walks the unfinished only.
 */
import { AssertionError } from 'node:assert'
import type { CompletionMap, CompletionSnapshot } from './completion-map.ts'
import { RunList } from './run-list.ts'

/** What the last accepted commit says of the partition. */
export interface TrackerStart {
  /** The first position that will be read, when it is known: the committed one. null: nothing is known. */
  readonly position: number | null
  /** The map that was committed with this position. */
  readonly map?: CompletionMap | null
}

/** The invocation that holds the safe position back. */
export interface OldestUnfinished {
  readonly offset: number
  readonly sequence: number
}

export class OffsetTracker {
  #startedCount = 0
  #skippedCount = 0
  #unfinishedCount = 0
  /** Nothing below is still to come; UNKNOWN before anything is known. */
  #frontier: number
  /** The position after the last record. Less than the frontier at the end of a partition that markers end. */
  #recordsEnd: number
  /** The map read at assignment, until the frontier has passed it. */
  #map: CompletionMap | null

  // One slot is one unfinished invocation. Slot 0 is none: it closes the list to a ring, so that
  // linking and unlinking need no special cases.
  #offsets = new Float64Array(FIRST_SLOTS)
  /** The position after the record before it: from there to the offset nothing exists. HOLD: it is no record. */
  #floors = new Float64Array(FIRST_SLOTS)
  /** Who has the slot: a sequence number that does not stand here is not in flight (any more). */
  #sequences = new Float64Array(FIRST_SLOTS)
  #next = new Int32Array(FIRST_SLOTS)
  #previous = new Int32Array(FIRST_SLOTS)
  /** The first of the free slots, chained by #next; 0 when all that were ever used are taken. */
  #free = 0
  /** Slots below this were used before. */
  #usedSlots = 1

  constructor(start: TrackerStart) {
    const map = start.map ?? null
    if (start.position !== null) checkOffset(start.position)
    if (map !== null && map.position !== start.position) {
      fail(`a completion map of position ${String(map.position)} cannot start at position ${String(start.position)}`)
    }
    this.#frontier = start.position ?? UNKNOWN
    this.#recordsEnd = this.#frontier
    this.#map = map !== null && map.frontier > map.position ? map : null
    this.#sequences[RING] = NaN
  }

  /**
   * Starts the next record. Returns the sequence number to finish it with: positive, never used
   * twice (within four thousand million starts), growing. Throws an AssertionError for an offset
   * that does not lie beyond all earlier ones.
   */
  start(offset: number): number {
    const floor = this.#recordsEnd
    this.#moveFrontierPast(offset)
    return this.#link(offset, floor)
  }

  /**
   * Starts an invocation that is no record, for instance a timer: until it is finished the safe
   * position does not pass what it is now at most, the position after the last started record.
   * Returns its sequence number. Throws an AssertionError when no position is known yet.
   */
  hold(): number {
    if (this.#frontier === UNKNOWN) fail('nothing can be held before a position is known')
    return this.#link(this.#frontier, HOLD)
  }

  /** Finishes an invocation. False: it was finished before, or never was one of this tracker; nothing changed. */
  finish(sequence: number): boolean {
    const slot = sequence & SLOT_MASK
    if (this.#sequences[slot] !== sequence) return false
    const next = this.#next
    const previous = this.#previous
    const after = next[slot]!
    const before = previous[slot]!
    next[before] = after
    previous[after] = before
    this.#sequences[slot] = NaN
    next[slot] = this.#free
    this.#free = slot
    this.#unfinishedCount -= 1
    return true
  }

  /** True when the map read at assignment shows the record as finished: then `skip` it instead of starting it. */
  isFinishedBefore(offset: number): boolean {
    return this.#map !== null && this.#map.isFinished(offset)
  }

  /** True until everything that the map read at assignment tells of was started or skipped. */
  get hasMapAhead(): boolean {
    return this.#map !== null
  }

  /** Takes note of a record that needs no handling. Throws an AssertionError as `start` does. */
  skip(offset: number): void {
    this.#moveFrontierPast(offset)
    this.#skippedCount += 1
  }

  /** Of what lies between the last record and this position, all is finished, or does not exist. False: nothing lies there. */
  passTo(position: number): boolean {
    if (position <= this.#frontier || position === 0) return false
    this.skip(position - 1)
    return true
  }

  /**
   * Nothing that exists below `position` is still to come: the end of the partition was reached,
   * past trailing transaction markers and aborted records. False: known already, nothing changed.
   */
  advanceTo(position: number): boolean {
    checkOffset(position)
    if (position <= this.#frontier) return false
    this.#frontier = position
    this.#dropMapWhenPassed()
    return true
  }

  /** The next position to commit. null: nothing is known. Never goes back. */
  get safePosition(): number | null {
    const oldest = this.#next[RING]!
    if (oldest !== RING) return this.#offsets[oldest]!
    return this.#frontier === UNKNOWN ? null : this.#frontier
  }

  /** Nothing below is still to come; null: nothing is known. */
  get frontier(): number | null {
    return this.#frontier === UNKNOWN ? null : this.#frontier
  }

  /** Invocations started: records and holds, without the records skipped. */
  get startedCount(): number {
    return this.#startedCount
  }

  get skippedCount(): number {
    return this.#skippedCount
  }

  /** Invocations started and not finished. */
  get unfinishedCount(): number {
    return this.#unfinishedCount
  }

  get isIdle(): boolean {
    return this.#unfinishedCount === 0
  }

  get oldestUnfinished(): OldestUnfinished | null {
    const oldest = this.#next[RING]!
    return oldest === RING ? null : { offset: this.#offsets[oldest]!, sequence: this.#sequences[oldest]! }
  }

  /**
   * Ascending runs, `from, to, …`, in which the safe position can come to stand by what is unfinished now: records and holds.
   * It stands in one of them, at its end, or beyond all.
   */
  unfinishedRuns(): Float64Array {
    const runs = new RunList()
    for (let slot = this.#next[RING]!; slot !== RING; slot = this.#next[slot]!) {
      const offset = this.#offsets[slot]!
      const floor = this.#floors[slot]!
      runs.add(floor === runs.end ? floor : offset, offset + 1)
    }
    return runs.toArray()
  }

  /**
   * Safe position and completion map of this moment, to be stored together; null while nothing is
   * known. What the last commit showed as finished and the broker has not given again yet is still
   * part of it: otherwise the first commit after a restart would forget it.
   */
  snapshot(): CompletionSnapshot | null {
    const position = this.safePosition
    if (position === null) return null
    const runs = new RunList()
    for (let slot = this.#next[RING]!; slot !== RING; slot = this.#next[slot]!) {
      const floor = this.#floors[slot]!
      if (floor === HOLD) continue
      const offset = this.#offsets[slot]!
      // The neighbour is unfinished as well: one run, gap included, however sparse the offsets are.
      runs.add(floor === runs.end ? floor : offset, offset + 1)
    }
    const map = this.#map
    if (map === null) {
      return { position, frontier: Math.max(position, this.#recordsEnd), unfinished: runs.toArray() }
    }
    for (let at = 0; at < map.unfinished.length; at += 2) {
      const to = map.unfinished[at + 1]!
      if (to > this.#frontier) runs.add(Math.max(map.unfinished[at]!, this.#frontier), to)
    }
    return { position, frontier: map.frontier, unfinished: runs.toArray() }
  }

  #moveFrontierPast(offset: number): void {
    checkOffset(offset)
    if (offset < this.#frontier)
      fail(`offset ${String(offset)} came after position ${String(this.#frontier)} was reached`)
    this.#frontier = offset + 1
    this.#recordsEnd = offset + 1
    if (this.#map !== null) this.#dropMapWhenPassed()
  }

  #dropMapWhenPassed(): void {
    if (this.#map !== null && this.#map.frontier <= this.#frontier) this.#map = null
  }

  #link(offset: number, floor: number): number {
    const slot = this.#takeSlot()
    const sequence = ((this.#startedCount % MAX_STARTS) + 1) * MAX_SLOTS + slot
    this.#startedCount += 1
    this.#unfinishedCount += 1
    this.#offsets[slot] = offset
    this.#floors[slot] = floor
    this.#sequences[slot] = sequence
    const last = this.#previous[RING]!
    this.#next[last] = slot
    this.#previous[slot] = last
    this.#next[slot] = RING
    this.#previous[RING] = slot
    return sequence
  }

  #takeSlot(): number {
    const slot = this.#free
    if (slot !== 0) {
      this.#free = this.#next[slot]!
      return slot
    }
    if (this.#usedSlots === this.#offsets.length) this.#doubleSlots()
    return this.#usedSlots++
  }

  #doubleSlots(): void {
    const slots = 2 * this.#offsets.length
    if (slots > MAX_SLOTS) fail(`more than ${String(MAX_SLOTS - 1)} invocations in flight in one partition`)
    this.#offsets = enlarge(this.#offsets, new Float64Array(slots))
    this.#floors = enlarge(this.#floors, new Float64Array(slots))
    this.#sequences = enlarge(this.#sequences, new Float64Array(slots))
    this.#next = enlarge(this.#next, new Int32Array(slots))
    this.#previous = enlarge(this.#previous, new Int32Array(slots))
  }
}

const UNKNOWN = -1
const RING = 0
const HOLD = Infinity
const FIRST_SLOTS = 64
/** A sequence number is start number × MAX_SLOTS + slot: 32 and 21 bits, exact in a double. */
const MAX_SLOTS = 2 ** 21
const SLOT_MASK = MAX_SLOTS - 1
const MAX_STARTS = 2 ** 32 - 1

function enlarge<Numbers extends Float64Array | Int32Array>(from: Numbers, to: Numbers): Numbers {
  to.set(from)
  return to
}

function checkOffset(offset: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0) fail(`${String(offset)} is not an offset`)
}

function fail(message: string): never {
  throw new AssertionError({ message })
}
