/**
 * The rules of a join, and its records by key. A right record is a partner of a left one where
 * left − before ≤ right ≤ left + after; one that comes more than `graceMs` behind stream time is late and joins nothing. So
 * behind the last partner that it may have, and grace, a record has none to come: then it comes out alone where its side
 * does, and is forgotten.
 */
import type { Kept } from '../operator.ts'
import { nothingHeld, packKey, stretchOf, withSide, withStretch, type Held, type Stretch } from './held.ts'
import { earliestOpen, emptyPack, packedBytes, recordsOf, withClosed, withRecord, type PackedRecord } from './pack.ts'

export const LEFT = 0
export const RIGHT = 1
export type SideAt = typeof LEFT | typeof RIGHT

export interface JoinRules {
  readonly beforeMs: number
  readonly afterMs: number
  readonly graceMs: number
}

/** A record that was kept, as it came. */
export interface KeptRecord {
  readonly timeMs: number
  readonly bytes: Buffer
}

/** Of a key, in `Kept`. */
const HELD = 0
const PACKS = 1

/** Of a stretch, so many bytes go along with the others of its key. */
const TAIL_BYTES = 4 * 1024
/** Stretches in the time between the first and the last partner of a record, */
const STRETCHES_A_SPAN = 4
/** and at most about so many in the time that a record is kept. */
const MOST_STRETCHES = 8

export class Joining {
  readonly #rules: JoinRules
  /** The length of a stretch. */
  readonly #stretchMs: number
  readonly #isStretchedByGrace: boolean

  constructor(rules: JoinRules) {
    this.#rules = rules
    const spanMs = rules.beforeMs + rules.afterMs
    const keptMs = Math.max(rules.beforeMs, rules.afterMs) + rules.graceMs
    const leastMs = Math.max(1, Math.ceil(spanMs / STRETCHES_A_SPAN))
    this.#stretchMs = Math.max(leastMs, Math.ceil(keptMs / MOST_STRETCHES))
    this.#isStretchedByGrace = this.#stretchMs > leastMs
  }

  /**
   * All that stored values depend on. Grace is free to change while stretches are as long as the window alone makes them, so
   * where it is no longer than the window reaches from its first to its last partner.
   */
  get shape(): string {
    const { afterMs, beforeMs, graceMs } = this.#rules
    return `${beforeMs} before to ${afterMs} after${this.#isStretchedByGrace ? `, grace ${graceMs}` : ''}`
  }

  /** Its partners so far, by time and as they came; those that had none have one now. */
  partnersOf(kept: Kept, keyText: string, side: SideAt, timeMs: number): KeptRecord[] {
    const held = heldOf(kept, keyText)
    const other = side === LEFT ? RIGHT : LEFT
    const { afterMs, beforeMs } = this.#rules
    const [fromMs, toMs] = side === LEFT ? [timeMs - beforeMs, timeMs + afterMs] : [timeMs - afterMs, timeMs + beforeMs]
    const [first, last] = [this.#noOf(fromMs), this.#noOf(toMs)]
    const partners: PackedRecord[] = []
    let stretches = held.sides[other]
    for (const stretch of held.sides[other]) {
      if (stretch.no < first || stretch.no > last) continue
      const seen = withoutOpen(kept, keyText, other, stretch, (record) => {
        const isPartner = record.timeMs >= fromMs && record.timeMs <= toMs
        if (isPartner) partners.push(record)
        return isPartner
      })
      if (seen !== stretch) stretches = withStretch(stretches, seen)
    }
    if (stretches !== held.sides[other]) kept.set(HELD, keyText, withSide(held, other, stretches))
    return partners.sort((a, b) => a.timeMs - b.timeMs)
  }

  /** Keeps a record for partners to come. */
  hold(
    kept: Kept,
    keyText: string,
    side: SideAt,
    record: { timeMs: number; isOpen: boolean; bytes: Uint8Array },
  ): void {
    const { bytes, isOpen, timeMs } = record
    const held = heldOf(kept, keyText)
    const no = this.#noOf(timeMs)
    let { earliestMs, packs, tail } = stretchOf(held.sides[side], no)
    if (tail.byteLength + packedBytes(bytes.byteLength) > TAIL_BYTES && tail !== emptyPack) {
      kept.set(PACKS, packKey(keyText, side, no, packs), tail)
      packs += 1
      tail = emptyPack
    }
    tail = withRecord(tail, timeMs, isOpen, bytes)
    if (isOpen) earliestMs = Math.min(earliestMs, timeMs)
    const stretches = withStretch(held.sides[side], { no, packs, earliestMs, tail })
    this.#keep(kept, keyText, withSide(held, side, stretches), held.dueMs)
  }

  /** Forgets what has no partner to come. Returns what comes out alone of it, by time and as it came, the left before the right. */
  close(kept: Kept, keyText: string, streamTimeMs: number): (KeptRecord & { readonly side: SideAt })[] {
    let held = heldOf(kept, keyText)
    const alone: (KeptRecord & { readonly side: SideAt })[] = []
    for (const side of [LEFT, RIGHT] as const) {
      const isOver = (timeMs: number): boolean => streamTimeMs > this.#lastMs(side, timeMs)
      const stretches: Stretch[] = []
      for (const stretch of held.sides[side]) {
        const seen = isOver(stretch.earliestMs)
          ? withoutOpen(kept, keyText, side, stretch, (record) => {
              if (!isOver(record.timeMs)) return false
              if (record.isOpen) alone.push({ timeMs: record.timeMs, bytes: record.bytes, side })
              return true
            })
          : stretch
        if (streamTimeMs < this.#endMs(side, seen)) stretches.push(seen)
        else for (let at = 0; at < seen.packs; at += 1) kept.set(PACKS, packKey(keyText, side, seen.no, at), undefined)
      }
      held = withSide(held, side, stretches)
    }
    // Its timer has fired: it is not set any more.
    this.#keep(kept, keyText, held, Number.POSITIVE_INFINITY)
    return alone.sort((a, b) => a.timeMs - b.timeMs)
  }

  /** Whether a record of this time has partners to come. */
  hasPartnersToCome(side: SideAt, timeMs: number, streamTimeMs: number): boolean {
    return streamTimeMs <= this.#lastMs(side, timeMs)
  }

  #keep(kept: Kept, keyText: string, held: Held, timerMs: number): void {
    const dueMs = this.#dueOf(held)
    if (dueMs !== timerMs) kept.setTimer(keyText, Number.isFinite(dueMs) ? dueMs : null)
    const isEmpty = held.sides.every((side) => side.length === 0)
    kept.set(HELD, keyText, isEmpty ? undefined : { ...held, dueMs })
  }

  /** When there is something to tell, or to forget. */
  #dueOf({ sides }: Held): number {
    let due = Number.POSITIVE_INFINITY
    for (const side of [LEFT, RIGHT] as const) {
      for (const stretch of sides[side]) {
        due = Math.min(due, this.#endMs(side, stretch), this.#lastMs(side, stretch.earliestMs) + 1)
      }
    }
    return due
  }

  /** Stream time up to which a partner may come. */
  #lastMs(side: SideAt, timeMs: number): number {
    const { afterMs, beforeMs, graceMs } = this.#rules
    return timeMs + (side === LEFT ? afterMs : beforeMs) + graceMs
  }

  /** Stream time from which none of its records has a partner to come. */
  #endMs(side: SideAt, { no }: Stretch): number {
    return this.#lastMs(side, (no + 1) * this.#stretchMs)
  }

  #noOf(timeMs: number): number {
    return Math.floor(timeMs / this.#stretchMs)
  }
}

function heldOf(kept: Kept, keyText: string): Held {
  return (kept.get(HELD, keyText) as Held | undefined) ?? nothingHeld
}

/** Shows it each of its records, as they came, and closes those that are open and of which it says so. The same: there were none. */
function withoutOpen(
  kept: Kept,
  keyText: string,
  side: SideAt,
  stretch: Stretch,
  closes: (record: PackedRecord) => boolean,
): Stretch {
  let earliestMs = Number.POSITIVE_INFINITY
  let closed = 0
  const seen = (pack: Buffer): Buffer => {
    const places: number[] = []
    for (const record of recordsOf(pack)) if (closes(record) && record.isOpen) places.push(record.at)
    const left = places.length === 0 ? pack : withClosed(pack, places)
    closed += places.length
    earliestMs = Math.min(earliestMs, earliestOpen(left))
    return left
  }
  for (let at = 0; at < stretch.packs; at += 1) {
    const key = packKey(keyText, side, stretch.no, at)
    const pack = kept.get(PACKS, key) as Buffer
    const left = seen(pack)
    if (left !== pack) kept.set(PACKS, key, left)
  }
  const tail = seen(stretch.tail)
  return closed === 0 ? stretch : { ...stretch, earliestMs, tail }
}
