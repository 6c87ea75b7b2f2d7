/** A byte of marks for each record of a topic, by where it stands: what is known of a million records in a megabyte. */

/** Where a record stands. Outputs name the place of their input in a header. */
export interface Place {
  readonly partition: number
  readonly offset: number
}

export class Marks {
  readonly #partitions: { readonly start: number; bytes: Uint8Array }[]

  /** `starts[partition]`: the first offset that counts. What came before is not this run's. */
  constructor(starts: readonly number[]) {
    this.#partitions = starts.map((start) => ({ start, bytes: new Uint8Array(1024) }))
  }

  /** Adds marks to a place. Returns those it had before; undefined where it is not this run's. */
  add({ partition, offset }: Place, bits: number): number | undefined {
    const marks = this.#partitions[partition]
    if (marks === undefined || offset < marks.start) return undefined
    const index = offset - marks.start
    if (index >= marks.bytes.length) marks.bytes = growTo(marks.bytes, index + 1)
    const before = marks.bytes[index] ?? 0
    marks.bytes[index] = before | bits
    return before
  }
}

function growTo(bytes: Uint8Array, length: number): Uint8Array {
  const grown = new Uint8Array(Math.max(length, bytes.length * 2))
  grown.set(bytes)
  return grown
}
