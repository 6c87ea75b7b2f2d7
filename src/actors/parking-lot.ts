/**
 * The records of one partition actor that wait for an operator's word. Each holds its key back, and
 * the safe position; nothing here ends a wait by itself. Not kept over a restart: the record is
 * handled again then, and parked again if it fails again.
 */
import { describeWire, ownCode, type ErrorCode } from '../errors.ts'
import type { Invocation } from './invocation.ts'
import { idOf, keyHash } from '../streams/record-id.ts'
import type { Lane } from './lanes/lanes.ts'
import type { KeyText } from './key-text.ts'
import type { Fault } from './triage.ts'

/** What an operator can say of a parked record. */
export const decisions = ['retry', 'dead-letter', 'skip'] as const
export type Decision = (typeof decisions)[number]

/** A parked record, as operators see it. */
export interface ParkedRecord {
  /** `topic/partition/offset`: what `decide` takes. */
  readonly id: string
  readonly actor: string
  /** null: the record has none. `sha256:…`, unless `showKeys` is set; then as text, and bytes that are no text as `0x…`. */
  readonly key: string | null
  /** Milliseconds since the Unix epoch. */
  readonly sinceMs: number
  readonly attempts: number
  /** Why it failed for good: a code of docs/errors.md. */
  readonly code: ErrorCode
  /** What the last attempt failed with: its own code, or else Troupe's, and its message with its causes. */
  readonly error: { readonly code: string; readonly message: string }
  /** Records of its key that wait behind it. */
  readonly waitingBehind: number
}

export interface Place {
  readonly invocation: Invocation
  /** null: it had left its lane, because one of its outputs was refused. */
  readonly lane: Lane | null
  readonly sinceMs: number
  readonly fault: Fault
}

export class ParkingLot {
  readonly #places = new Map<string, Place>()
  #outsideRecords = 0
  #outsideBytes = 0

  get size(): number {
    return this.#places.size
  }

  /** Lanes that wait for an operator. */
  get laneCount(): number {
    return this.#places.size - this.#outsideRecords
  }

  *lanes(): Iterable<Lane> {
    for (const { lane } of this.#places.values()) if (lane !== null) yield lane
  }

  /** Of the parked records, those that stand in no lane: no lane counts them as blocked. */
  get outsideRecordCount(): number {
    return this.#outsideRecords
  }

  get outsideBytes(): number {
    return this.#outsideBytes
  }

  park(place: Place): void {
    place.invocation.stage = 'parked'
    this.#places.set(idOf(place.invocation.record), place)
    if (place.lane === null) this.#addOutside(1, place.invocation.bytes)
  }

  find(id: string): Place | null {
    return this.#places.get(id) ?? null
  }

  /** Those of one key, oldest first. */
  ofKey(topic: string, hash: string): Place[] {
    return [...this.#places.values()]
      .filter(({ invocation: { record } }) => {
        return record.topic === topic && record.key !== null && keyHash(record.key) === hash
      })
      .sort((one, other) => one.invocation.record.offset - other.invocation.record.offset)
  }

  leave({ invocation, lane }: Place): void {
    if (!this.#places.delete(idOf(invocation.record))) return
    if (lane === null) this.#addOutside(-1, -invocation.bytes)
  }

  /** Forgets all. Returns those that stand in no lane: nobody else gives them up. */
  clear(): Invocation[] {
    const outside = [...this.#places.values()].flatMap(({ invocation, lane }) => (lane === null ? [invocation] : []))
    this.#places.clear()
    this.#outsideRecords = 0
    this.#outsideBytes = 0
    return outside
  }

  list(actor: string, keyText: KeyText): ParkedRecord[] {
    return [...this.#places].map(([id, { fault, invocation, lane, sinceMs }]) => ({
      id,
      actor,
      key: keyText(invocation.record.key),
      sinceMs,
      attempts: invocation.attempt,
      code: fault.code,
      error: { code: ownCode(fault.error), message: describeWire(fault.error) },
      waitingBehind: lane === null ? 0 : lane.size - 1,
    }))
  }

  #addOutside(records: number, bytes: number): void {
    this.#outsideRecords += records
    this.#outsideBytes += bytes
  }
}
