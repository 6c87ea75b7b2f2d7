/**
 * The order of one partition actor: records wait in lanes, and a lane runs one record at a time.
 * One lane in `partition` order, one per key in `key` order (keys compare by their bytes). In `key`
 * order records without a key have no order among each other; an empty key is a key like any other.
 *
 * What has no order needs no lane of its own: it would cost more than a small handler. So records of
 * `unordered`, and on main the first record of each key that is not busy, are *loose*: they wait
 * together, and what is taken of them at once is a lane for as long as it is at the handler. One that
 * fails, or does not end at once, leaves for a lane of its own (`part`), so nothing waits for it.
 * On threads a record of a key is never loose: a failure ends the run of a thread, and of a run only
 * the first record's guilt at its death is certain. Nor is it for a batch handler: several records of
 * a key may share a call, and of loose ones there is one of each key.
 *
 * Why a key's records still run one by one, and in order: a key is busy from its first record until
 * none is left (`BusyKeys`), and only what finds it not busy is loose. So of each key one record at
 * most is loose, and none of its key is before it. What follows stands in the lane of the key, which
 * is BEHIND: nothing is taken of it before the loose one leaves, and that is when it is handled
 * (`advance`). One that fails instead becomes the head of that lane.
 *
 * A lane is in one of four places:
 * - READY    in the queue of lanes that may be taken.
 * - TAKEN    some of its first records are at a handler. → READY by `giveBack`, or WAITING by `suspend` or
 *            `hold`.
 * - WAITING  its first record waits for its next attempt or for a schema, or is parked. → READY by `wake`,
 *            `resume` or `passOver`.
 * - BEHIND   a record of its key is loose, and comes before it. → READY, or its only record is loose next;
 *            TAKEN by `part`.
 * A lane without records does not exist: a million distinct keys leave nothing behind.
 *
 * A lane is *blocked*
 * - `failed` from the first failure of its head until the head leaves it, attempts in between
 *   included: what is blocked would otherwise swing with every back-off.
 * - `unread` while its head, which has not failed, cannot be decoded before a schema is known.
 */
import type { Order } from '../../options/options.ts'
import { BlockedLanes } from './blocked-lanes.ts'
import { BusyKeys, NOT_BUSY, NO_KEY, hashKey, type Keyed } from './busy-keys.ts'
import type { Invocation } from '../invocation.ts'

export interface Lane extends Readonly<Keyed> {
  /** Its records have no order among each other. */
  readonly isLoose: boolean
  head: Invocation | null
  tail: Invocation | null
  size: number
  bytes: number
  /** Among which blocked lanes it is; null: it is not blocked. */
  blockedIn: BlockedLanes<Lane> | null
  /** How many records from the head on are at a handler. */
  takenCount: number
  state: 'ready' | 'taken' | 'waiting' | 'behind'
  nextReady: Lane | null
}

/** Consecutive records from the head of one lane, to be run in this order. */
export interface LaneRun {
  readonly lane: Lane
  readonly invocations: readonly Invocation[]
}

/** What has to come before a record of its key, and stands in no lane before the record's turn has come. */
export interface ComesAhead {
  /** There is something. */
  isDueBefore(invocation: Invocation): boolean
  /** The first of it, which goes ahead. */
  fireBefore(invocation: Invocation): Invocation
}

export class Lanes {
  /** null: nothing ever comes ahead. */
  ahead: ComesAhead | null = null
  readonly failed = new BlockedLanes<Lane>()
  readonly unread = new BlockedLanes<Lane>()
  readonly #order: Order
  /** Whether the first record of a key is loose. */
  readonly #mixesKeys: boolean
  readonly #busy = new BusyKeys<Lane>()
  readonly #waiting = new Set<Lane>()
  #readyHead: Lane | null = null
  #readyTail: Lane | null = null
  #readyLanes = 0
  #readyRecords = 0
  #records = 0

  constructor(order: Order, mixesKeys: boolean) {
    this.#order = order
    this.#mixesKeys = mixesKeys
  }

  /** Records in all lanes: ready, taken and waiting. */
  get recordCount(): number {
    return this.#records
  }

  /** Records in lanes that may be taken now. */
  get readyRecordCount(): number {
    return this.#readyRecords
  }

  /** Lanes that may be taken now; loose records are together in one. */
  get readyLaneCount(): number {
    return this.#readyLanes
  }

  get busyKeyCount(): number {
    return this.#busy.size
  }

  /** Records in blocked lanes: they go no further before the first of their lane does. */
  get blockedRecordCount(): number {
    return this.failed.recordCount + this.unread.recordCount
  }

  get blockedBytes(): number {
    return this.failed.bytes + this.unread.bytes
  }

  /** The blocked lane with most records; null: none is blocked. Looks at all of them. */
  get largestBlocked(): Lane | null {
    const [failed, unread] = [this.failed.largest, this.unread.largest]
    if (failed === null || unread === null) return failed ?? unread
    return unread.size > failed.size ? unread : failed
  }

  /** The lane of a key (or of the partition) with most records; null: there is none, each key has but a loose record. Looks at all of them. */
  get largest(): Lane | null {
    let largest: Lane | null = null
    for (const lane of this.#busy.lanes()) if (largest === null || lane.size > largest.size) largest = lane
    return largest
  }

  /** Puts a record at the end of its lane. */
  admit(invocation: Invocation): void {
    this.#records += 1
    if (this.#order === 'partition') invocation.keyPlace = WHOLE_PARTITION
    else if (this.#order === 'key' && invocation.record.key !== null) hashKey(invocation, invocation.record.key)
    const { keyCheck, keyPlace } = invocation
    const isLoose = this.#order === 'unordered' || (this.#order === 'key' && this.#mixesKeys)
    if (keyPlace === NO_KEY) {
      if (isLoose) this.#admitLoose(invocation)
      else this.#makeReady(laneOf(invocation))
      return
    }
    const slot = this.#busy.find(keyPlace, keyCheck)
    if (slot !== NOT_BUSY) {
      this.#join(slot, invocation)
    } else if (isLoose) {
      this.#busy.add(keyPlace, keyCheck, null)
      this.#admitLoose(invocation)
    } else {
      const lane = laneOf(invocation)
      this.#busy.add(keyPlace, keyCheck, lane)
      this.#makeReady(lane)
    }
  }

  /** Puts a record behind the others of its key. */
  #join(slot: number, invocation: Invocation): void {
    const lane = this.#busy.laneAt(slot)
    if (lane === null) {
      const behind = laneOf(invocation)
      behind.state = 'behind'
      this.#busy.setLane(slot, behind)
      return
    }
    append(lane, invocation)
    if (lane.state === 'ready') this.#readyRecords += 1
    lane.blockedIn?.note(1, invocation.bytes)
  }

  /** Loose records that became ready one after the other wait in one place of the queue: before and behind lanes as each of them would. */
  #admitLoose(invocation: Invocation): void {
    const last = this.#readyTail
    if (last?.isLoose === true) {
      append(last, invocation)
      this.#readyRecords += 1
    } else {
      const lane = looseLane()
      append(lane, invocation)
      this.#makeReady(lane)
    }
  }

  /**
   * Puts records that have left their lane before those of a lane that waits, or into one of their own where their key has gone
   * on (null). They run in the order given.
   */
  admitAhead(invocations: readonly Invocation[], waiting: Lane | null): void {
    this.#records += invocations.length
    for (const invocation of invocations) invocation.keyPlace = NO_KEY
    if (waiting === null) {
      const [first, ...others] = invocations
      if (first === undefined) return
      const lane = laneOf(first)
      for (const invocation of others) append(lane, invocation)
      this.#makeReady(lane)
      return
    }
    for (const invocation of invocations.toReversed()) {
      prepend(waiting, invocation)
      waiting.blockedIn?.note(1, invocation.bytes)
    }
  }

  /**
   * Takes up to `maxRecords` from the head of the lane that has been ready longest, and at least
   * one, but none more with which they would have more than `maxBytes`. null: none is ready.
   */
  take(maxRecords: number, maxBytes: number = Number.POSITIVE_INFINITY): LaneRun | null {
    const lane = this.#readyHead
    if (lane?.head == null) return null
    const invocations: Invocation[] = []
    let bytes = 0
    let at: Invocation | null = lane.head
    for (; at !== null && invocations.length < maxRecords; at = at.next) {
      if (this.ahead?.isDueBefore(at) === true) {
        // What the run sets decides on what comes before the next one.
        if (!lane.isLoose && invocations.length > 0) break
        at = this.#putAhead(this.ahead.fireBefore(at), at, lane, invocations.at(-1) ?? null)
      }
      if (invocations.length > 0 && (isAlone(at, lane) || bytes + at.bytes > maxBytes)) break
      invocations.push(at)
      bytes += at.bytes
      if (isAlone(at, lane)) {
        at = at.next
        break
      }
    }
    if (lane.isLoose && at !== null) return { lane: this.#cutOff(lane, invocations, bytes), invocations }
    this.#readyHead = lane.nextReady
    if (this.#readyHead === null) this.#readyTail = null
    lane.nextReady = null
    this.#readyLanes -= 1
    this.#readyRecords -= lane.size
    lane.state = 'taken'
    lane.takenCount = invocations.length
    return { lane, invocations }
  }

  /** Puts it where a record of its key stands, in a lane that may be taken, and the record behind it. */
  #putAhead(invocation: Invocation, record: Invocation, lane: Lane, before: Invocation | null): Invocation {
    invocation.keyPlace = record.keyPlace
    invocation.keyCheck = record.keyCheck
    this.#records += 1
    if (!lane.isLoose) {
      prepend(lane, invocation)
      lane.blockedIn?.note(1, invocation.bytes)
      this.#readyRecords += 1
      return invocation
    }
    invocation.next = record.next
    if (before === null) lane.head = invocation
    else before.next = invocation
    if (lane.tail === record) lane.tail = invocation
    lane.bytes += invocation.bytes - record.bytes
    record.next = null
    const slot = this.#slotOf(record)
    const behind = this.#busy.laneAt(slot)
    if (behind === null) this.#join(slot, record)
    else prepend(behind, record)
    return invocation
  }

  /** A record of its key is in a lane; in `partition` order, any record. */
  isBusy(key: Uint8Array): boolean {
    if (this.#order === 'partition') return this.#records > 0
    hashKey(asked, key)
    return this.#slotOf(asked) !== NOT_BUSY
  }

  /** Makes a lane of what was taken of loose records; the others keep their place in the queue. */
  #cutOff(loose: Lane, invocations: readonly Invocation[], bytes: number): Lane {
    const lane = looseLane()
    lane.head = invocations[0]!
    lane.tail = invocations.at(-1)!
    lane.size = invocations.length
    lane.bytes = bytes
    lane.takenCount = invocations.length
    loose.head = lane.tail.next
    lane.tail.next = null
    loose.size -= lane.size
    loose.bytes -= bytes
    this.#readyRecords -= lane.size
    return lane
  }

  /**
   * Takes a record out of a taken lane of loose ones, into a lane of its own, which is taken as well: what is behind it in the
   * old one goes on, what is behind it in its key does not.
   */
  part(lane: Lane, invocation: Invocation): Lane {
    unlink(lane, invocation)
    lane.takenCount -= 1
    const slot = this.#slotOf(invocation)
    const behind = slot === NOT_BUSY ? null : this.#busy.laneAt(slot)
    const own = behind ?? laneOf(invocation)
    if (behind !== null) prepend(behind, invocation)
    else if (slot !== NOT_BUSY) this.#busy.setLane(slot, own)
    own.state = 'taken'
    own.takenCount = 1
    return own
  }

  /** The first record that may be taken. */
  get firstReady(): Invocation | null {
    return this.#readyHead?.head ?? null
  }

  /** Bytes of the records that may be taken; it looks no further once there are so many. */
  readyBytes(most: number): number {
    let bytes = 0
    for (let lane = this.#readyHead; lane !== null && bytes < most; lane = lane.nextReady) bytes += lane.bytes
    return bytes
  }

  /** The head of a taken lane is handled: the next record moves up. */
  advance(lane: Lane): void {
    const head = lane.head
    if (head === null) return
    if (lane.blockedIn !== null) unblock(lane)
    lane.head = head.next
    if (lane.head === null) lane.tail = null
    head.next = null
    lane.size -= 1
    lane.bytes -= head.bytes
    lane.takenCount -= 1
    this.#records -= 1
    if (lane.isLoose) this.#leaveKey(head)
  }

  /** A loose record is handled: what stands behind it in its key goes on. */
  #leaveKey(invocation: Invocation): void {
    const slot = this.#slotOf(invocation)
    if (slot === NOT_BUSY) return
    const behind = this.#busy.laneAt(slot)
    if (behind === null) {
      this.#busy.delete(slot)
    } else if (behind.size === 1) {
      // The one behind it is the first of its key now. Nobody else refers to its lane: it was never taken.
      this.#busy.setLane(slot, null)
      this.#admitLoose(behind.head!)
    } else {
      this.#makeReady(behind)
    }
  }

  #slotOf({ keyCheck, keyPlace }: Keyed): number {
    return keyPlace === NO_KEY ? NOT_BUSY : this.#busy.find(keyPlace, keyCheck)
  }

  /** Ends a run: the lane may be taken again if it has records left. */
  giveBack(lane: Lane): void {
    lane.takenCount = 0
    if (lane.head === null) this.#forget(lane)
    else if (lane.isLoose && lane.size > 1) this.#putBack(lane)
    else this.#makeReady(lane)
  }

  /** A lane without records: its key is no longer busy. */
  #forget(lane: Lane): void {
    const slot = this.#slotOf(lane)
    if (slot !== NOT_BUSY && this.#busy.laneAt(slot) === lane) this.#busy.delete(slot)
  }

  /** They are older than what waits in the queue, so they go first. */
  #putBack(lane: Lane): void {
    const first = this.#readyHead
    this.#readyRecords += lane.size
    if (first?.isLoose === true) {
      lane.tail!.next = first.head
      first.head = lane.head
      first.size += lane.size
      first.bytes += lane.bytes
    } else {
      this.#makeFirst(lane)
    }
  }

  #makeFirst(lane: Lane): void {
    lane.state = 'ready'
    this.#readyLanes += 1
    lane.nextReady = this.#readyHead
    this.#readyHead = lane
    this.#readyTail ??= lane
  }

  /** Ends a run whose head has failed and waits; `wake` or `passOver` ends the wait. */
  suspend(lane: Lane): void {
    if (lane.blockedIn === this.unread) unblock(lane)
    this.#waitIn(lane, this.failed)
  }

  /** Ends a run whose head waits for a schema; `resume` ends the wait. */
  hold(lane: Lane): void {
    this.#waitIn(lane, this.unread)
  }

  #waitIn(lane: Lane, blocked: BlockedLanes<Lane>): void {
    lane.takenCount = 0
    lane.state = 'waiting'
    this.#waiting.add(lane)
    if (lane.blockedIn !== null) return
    lane.blockedIn = blocked
    blocked.add(lane)
  }

  /** Ends a wait. Nothing happens when the lane was discarded meanwhile. */
  wake(lane: Lane): void {
    if (this.#waiting.delete(lane)) this.#makeReady(lane)
  }

  /**
   * Ends the wait for a schema: before all that is ready, since what is known of schemas is not kept for ever where handlers
   * run. Nothing happens when the lane was discarded meanwhile.
   */
  resume(lane: Lane): void {
    if (!this.#waiting.delete(lane)) return
    if (lane.blockedIn === this.unread) unblock(lane)
    this.#readyRecords += lane.size
    this.#makeFirst(lane)
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
    for (const lane of this.#busy.lanes()) this.#discardFrom(lane, discarded)
    this.#waiting.clear()
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
      lane.blockedIn?.note(-1, -at.bytes)
      if (lane.isLoose) this.#discardBehind(at, discarded)
    }
    if (lane.head !== null) return
    if (lane.blockedIn !== null) unblock(lane)
    // The loose record before it may be at a handler still: its key stays busy.
    if (lane.state === 'behind') this.#busy.setLane(this.#slotOf(lane), null)
    else this.#forget(lane)
  }

  /** A loose record is forgotten, and so is what stands behind it in its key. */
  #discardBehind(invocation: Invocation, discarded: Invocation[]): void {
    const slot = this.#slotOf(invocation)
    if (slot === NOT_BUSY) return
    const behind = this.#busy.laneAt(slot)
    if (behind !== null) this.#discardFrom(behind, discarded)
    this.#busy.delete(slot)
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

function unblock(lane: Lane): void {
  lane.blockedIn?.delete(lane)
  lane.blockedIn = null
}

const asked: Keyed = { keyPlace: NO_KEY, keyCheck: 0 }

/** A suspect runs alone, and so does a timer: by its turn it may be void, and nothing may be made of it then. Loose ones share no key. */
function isAlone({ record, runsAlone }: Invocation, lane: Lane): boolean {
  return runsAlone || (record.timer !== undefined && !lane.isLoose)
}

/** The key of all records, in `partition` order. */
const WHOLE_PARTITION = 0

function laneOf(invocation: Invocation): Lane {
  const { bytes, keyCheck, keyPlace } = invocation
  return {
    keyPlace,
    keyCheck,
    isLoose: false,
    head: invocation,
    tail: invocation,
    size: 1,
    bytes,
    blockedIn: null,
    takenCount: 0,
    state: 'taken',
    nextReady: null,
  }
}

function looseLane(): Lane {
  return {
    keyPlace: NO_KEY,
    keyCheck: 0,
    isLoose: true,
    head: null,
    tail: null,
    size: 0,
    bytes: 0,
    blockedIn: null,
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

function prepend(lane: Lane, invocation: Invocation): void {
  invocation.next = lane.head
  lane.head = invocation
  lane.tail ??= invocation
  lane.size += 1
  lane.bytes += invocation.bytes
}

function unlink(lane: Lane, invocation: Invocation): void {
  let before: Invocation | null = null
  for (let at = lane.head; at !== invocation && at !== null; at = at.next) before = at
  if (before === null) lane.head = invocation.next
  else before.next = invocation.next
  if (lane.tail === invocation) lane.tail = before
  invocation.next = null
  lane.size -= 1
  lane.bytes -= invocation.bytes
}
