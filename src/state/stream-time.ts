/**
 * The stream time of a partition: the greatest timestamp of its records so far. That of a record is the greatest of it and
 * all earlier ones, however fast others are handled; that of a position is the greatest below it, and goes with the
 * checkpoint of that position, so that whoever begins there sees the same time again.
 *
 * Kept are the offsets at which it rose. A position can only ever stand at a record that was unfinished at the last checkpoint
 * that stands, or beyond all of that time, and a partition that is set back goes through those again. What matters to none is
 * forgotten when a checkpoint stands: the rest is no longer than the list of those records.
 */

/** Where it may stop: ascending runs of unfinished offsets, `from, to, from, to, …`. */
export type UnfinishedRuns = ArrayLike<number>

const FEW_RISES = 1_024

export class StreamTime {
  /** Of all below `#rises[0]`. */
  #floor: number | null
  #current: number | null
  /** Ascending in both. */
  #offsets: number[] = []
  #times: number[] = []
  #pruneAt = FEW_RISES
  /** Beyond what was noted, ascending in both: in no rise yet. */
  #ahead: { readonly offset: number; readonly time: number }[] = []

  /** null: no record had a time. */
  constructor(atStart: number | null) {
    this.#floor = atStart
    this.#current = atStart
  }

  /** Of all records so far, those noted ahead of their turn left out. */
  get current(): number | null {
    return this.#current
  }

  /** Takes the next record, in offset order, those included that were finished before. Returns its stream time. */
  note(offset: number, timestamp: number): number | null {
    if (this.#ahead.length > 0) this.takeAhead(offset)
    if (timestamp >= 0 && (this.#current === null || timestamp > this.#current)) {
      this.#current = timestamp
      // At a position it may rise again and again, without a record.
      if (this.#offsets.at(-1) === offset) this.#times.pop()
      else this.#offsets.push(offset)
      this.#times.push(timestamp)
    }
    return this.#current
  }

  /**
   * Takes a record beyond the next: told early, since nobody comes to it in its turn. It counts for whatever comes behind it,
   * and these have to be in offset order among each other.
   */
  noteAhead(offset: number, timestamp: number): void {
    if (timestamp > (this.#ahead.at(-1)?.time ?? -1)) this.#ahead.push({ offset, time: timestamp })
  }

  /** Everything before this offset has been noted. */
  takeAhead(offset = Number.POSITIVE_INFINITY): void {
    const count = this.#ahead.findIndex((each) => each.offset >= offset)
    const due = this.#ahead.splice(0, count < 0 ? this.#ahead.length : count)
    for (const each of due) this.note(each.offset, each.time)
  }

  /** How many rises it keeps. */
  get rises(): number {
    return this.#offsets.length
  }

  /** Where it rose last; 0: nowhere. */
  get lastRise(): number {
    return this.#offsets.at(-1) ?? 0
  }

  /** It has more rises than it should keep: `forget` is due. */
  get isLong(): boolean {
    return this.#offsets.length >= this.#pruneAt
  }

  /** Of all below this position, which must not lie below one that was forgotten. */
  at(position: number): number | null {
    let low = 0
    let high = this.#offsets.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#offsets[middle]! < position) low = middle + 1
      else high = middle
    }
    const time = low === 0 ? this.#floor : this.#times[low - 1]!
    return this.#ahead.length === 0 ? time : this.#latestAhead(position, time)
  }

  #latestAhead(position: number, time: number | null): number | null {
    const last = this.#ahead.findLast(({ offset }) => offset < position)
    return last === undefined || (time !== null && time >= last.time) ? time : last.time
  }

  /**
   * No position lies below this one any more, and each that comes stands in one of these runs, or at their end or beyond. From
   * `end` on nothing is forgotten.
   */
  forget(position: number, unfinished: UnfinishedRuns, end = Number.POSITIVE_INFINITY): void {
    const offsets: number[] = []
    const times: number[] = []
    const all = this.#offsets
    this.#floor = this.at(position)
    let run = 0
    for (let at = 0; at < all.length; at += 1) {
      const offset = all[at]!
      if (offset < position) continue
      while (run < unfinished.length && unfinished[run + 1]! <= offset) run += 2
      // The last rise before a run counts for its beginning; between two runs only that one matters.
      const next = all[at + 1] ?? Number.POSITIVE_INFINITY
      const isInRun = run < unfinished.length && offset >= unfinished[run]!
      const isLastBeforeRun = run < unfinished.length && offset < unfinished[run]! && next >= unfinished[run]!
      if (isInRun || isLastBeforeRun || offset >= end || next === Number.POSITIVE_INFINITY) {
        offsets.push(offset)
        times.push(this.#times[at]!)
      }
    }
    this.#offsets = offsets
    this.#times = times
    this.#pruneAt = Math.max(FEW_RISES, 2 * offsets.length)
  }
}
