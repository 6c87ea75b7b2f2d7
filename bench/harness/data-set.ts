/** The records of a benchmark: the same at each run. */

export interface DataSet {
  readonly records: number
  readonly partitions: number
  /** How many different ones. Key n goes to partition n % partitions. */
  readonly keys: number
  /**
   * How they are taken: at random and all alike (unless given), in turn, or by Zipf's law: key n at random,
   * with a share of 1 / (n + 1) of key 0's.
   */
  readonly choice?: 'alike' | 'in turn' | 'zipf'
  /** At least 8: a value begins with the number of its key and its place among the records of that key. */
  readonly valueBytes: number
  /** What each key begins with. */
  readonly keyPrefix?: Uint8Array
}

/** Settings of a question about a backlog: what is in its topic. */
export interface BacklogSettings {
  readonly [name: string]: number
  readonly records: number
  readonly partitions: number
  /** Of a value. */
  readonly bytes: number
}

interface DataRecord {
  readonly key: Buffer
  readonly value: Buffer
  readonly partition: number
}

export function* recordsOf({
  records,
  partitions,
  keys,
  valueBytes,
  choice,
  keyPrefix = Buffer.alloc(0),
}: DataSet): Generator<DataRecord> {
  const choose = chooserOf(choice ?? 'alike', keys)
  const counts = new Uint32Array(keys)
  const names = Array.from({ length: keys }, (_, key) => Buffer.concat([keyPrefix, Buffer.from(`key-${key}`)]))
  for (let index = 0; index < records; index += 1) {
    const key = choose(index)
    const value = Buffer.alloc(valueBytes, 'v')
    value.writeUInt32LE(key, 0)
    value.writeUInt32LE(counts[key]!, 4)
    counts[key]! += 1
    yield { key: names[key]!, value, partition: key % partitions }
  }
}

/** Records of the key that has most of them. */
export function countHottest(data: DataSet): number {
  const counts = new Uint32Array(data.keys)
  const choose = chooserOf(data.choice ?? 'alike', data.keys)
  for (let index = 0; index < data.records; index += 1) counts[choose(index)]! += 1
  return Math.max(...counts)
}

/** The number of the key of each record. */
function chooserOf(choice: NonNullable<DataSet['choice']>, keys: number): (index: number) => number {
  if (choice === 'in turn') return (index) => index % keys
  const random = generatorOf(1)
  if (choice === 'alike') return () => Math.floor(random() * keys)
  const shares = Float64Array.from({ length: keys }, (_, key) => 1 / (key + 1))
  for (let key = 1; key < keys; key += 1) shares[key]! += shares[key - 1]!
  return () => {
    const drawn = random() * shares[keys - 1]!
    let [from, to] = [0, keys - 1]
    while (from < to) {
      const middle = (from + to) >> 1
      if (drawn < shares[middle]!) to = middle
      else from = middle + 1
    }
    return from
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
