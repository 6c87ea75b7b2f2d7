/** Lanes that go no further before their head does, for one kind of reason, in the order in which they came to it. */

/** What is counted of a lane. */
interface Counted {
  readonly size: number
  readonly bytes: number
}

export class BlockedLanes<Lane extends Counted> implements Iterable<Lane> {
  readonly #lanes = new Set<Lane>()
  #records = 0
  #bytes = 0

  get size(): number {
    return this.#lanes.size
  }

  /** Their heads, and what stands behind them. */
  get recordCount(): number {
    return this.#records
  }

  get bytes(): number {
    return this.#bytes
  }

  [Symbol.iterator](): Iterator<Lane> {
    return this.#lanes.values()
  }

  add(lane: Lane): void {
    this.#lanes.add(lane)
    this.note(lane.size, lane.bytes)
  }

  delete(lane: Lane): void {
    if (this.#lanes.delete(lane)) this.note(-lane.size, -lane.bytes)
  }

  /** It counts as blocked from now on. */
  addAnew(lane: Lane): void {
    if (this.#lanes.delete(lane)) this.#lanes.add(lane)
  }

  /** One of them has more records, or, below 0, fewer. */
  note(records: number, bytes: number): void {
    this.#records += records
    this.#bytes += bytes
  }

  /** The one with most records; null: there is none. Looks at all of them. */
  get largest(): Lane | null {
    let largest: Lane | null = null
    for (const lane of this.#lanes) if (largest === null || lane.size > largest.size) largest = lane
    return largest
  }
}
