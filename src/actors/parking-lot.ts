/**
 * The records of one partition actor that wait for an operator's word. Each holds its key back, and
 * the safe position; nothing here ends a wait by itself. Not kept over a restart: the record is
 * handled again then, and parked again if it fails again.
 */
import { describeWire, type WireError } from '../errors.ts'
import { idOf, type Invocation } from './invocation.ts'
import type { Lane } from './lanes.ts'
import { keyText } from './key-text.ts'

/** What an operator can say of a parked record. */
export const decisions = ['retry', 'dead-letter', 'skip'] as const
export type Decision = (typeof decisions)[number]

/** A parked record, as operators see it. */
export interface ParkedRecord {
  /** `topic/partition/offset`: what `decide` takes. */
  readonly id: string
  readonly actor: string
  /** null: the record has none. Bytes that are no text are shown as `0x…`. */
  readonly key: string | null
  /** Milliseconds since the Unix epoch. */
  readonly sinceMs: number
  readonly attempts: number
  readonly error: { readonly code: string | null; readonly message: string }
  /** Records of its key that wait behind it. */
  readonly waitingBehind: number
}

interface Place {
  readonly invocation: Invocation
  /** null: it had left its lane, because one of its outputs was refused. */
  readonly lane: Lane | null
  readonly sinceMs: number
  readonly error: WireError
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

  list(actor: string): ParkedRecord[] {
    return [...this.#places].map(([id, { error, invocation, lane, sinceMs }]) => ({
      id,
      actor,
      key: keyText(invocation.record.key),
      sinceMs,
      attempts: invocation.attempt,
      error: { code: error.code ?? null, message: describeWire(error) },
      waitingBehind: lane === null ? 0 : lane.size - 1,
    }))
  }

  #addOutside(records: number, bytes: number): void {
    this.#outsideRecords += records
    this.#outsideBytes += bytes
  }
}
