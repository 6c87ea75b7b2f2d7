/** The records of a benchmark: the same at each run. */

export interface DataSet {
  readonly records: number
  readonly partitions: number
  /** Different ones, taken at random, all alike. */
  readonly keys: number
  /** At least 8: a value begins with the number of its key and its place among the records of that key. */
  readonly valueBytes: number
}

interface DataRecord {
  readonly key: Buffer
  readonly value: Buffer
  readonly partition: number
}

export function* recordsOf({ records, partitions, keys, valueBytes }: DataSet): Generator<DataRecord> {
  const random = generatorOf(1)
  const counts = new Uint32Array(keys)
  const names = Array.from({ length: keys }, (_, key) => Buffer.from(`key-${key}`))
  for (let index = 0; index < records; index += 1) {
    const key = Math.floor(random() * keys)
    const value = Buffer.alloc(valueBytes, 'v')
    value.writeUInt32LE(key, 0)
    value.writeUInt32LE(counts[key]!, 4)
    counts[key]! += 1
    yield { key: names[key]!, value, partition: key % partitions }
  }
}

/** mulberry32: from 0 to 1, the same row for the same seed. */
function generatorOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
