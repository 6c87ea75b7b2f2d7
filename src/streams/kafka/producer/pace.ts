import type { OutputRecord } from '../../record.ts'

/** A write says after about this long what it has done, and leaves the rest to the next one. */
const LONG_MS = 5_000
const SHORT_MS = 1_000
const FIRST_BYTES = 1_000_000
const LEAST_BYTES = 10_000
const MOST_BYTES = 1_000_000_000

/**
 * How much is given to the client at once: what the line takes in some seconds. Begins with a megabyte and grows while
 * that goes quickly, until what is given is small beside it.
 */
export class Pace {
  #bytes = FIRST_BYTES

  /** Of the records `indices` from `from` on, where those end that go next. One at least. */
  endOf(records: readonly OutputRecord[], indices: readonly number[], from: number): { end: number; bytes: number } {
    let bytes = 0
    let end = from
    while (end < indices.length) {
      const { key, value } = records[indices[end]!]!
      const size = (key?.byteLength ?? 0) + (value?.byteLength ?? 0)
      if (end > from && bytes + size > this.#bytes) break
      bytes += size
      end += 1
    }
    return { end, bytes }
  }

  /** Far from what may take long: so little that nobody has to know how far it is. */
  isSmall(bytes: number): boolean {
    return bytes * 4 <= this.#bytes
  }

  note(bytes: number, tookMs: number): void {
    if (tookMs > LONG_MS) this.#bytes = Math.max(LEAST_BYTES, Math.floor((bytes * LONG_MS) / tookMs))
    else if (tookMs < SHORT_MS && !this.isSmall(bytes)) this.#bytes = Math.min(MOST_BYTES, this.#bytes * 2)
  }
}

export function isLong(tookMs: number): boolean {
  return tookMs > LONG_MS
}
