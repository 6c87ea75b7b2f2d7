/** The records of a benchmark: the same at each run. */
import { partitionOf } from '../../src/streams/murmur2.ts'

export interface DataSet {
  readonly records: number
  readonly partitions: number
  /** How many different ones. Key n goes to partition n % partitions, unless `isHashed`. */
  readonly keys: number
  /** Keys go where the hash of Java's producer puts them, so that outputs with the same keys come to the same partitions. */
  readonly isHashed?: boolean
  /**
   * How they are taken: at random and all alike (unless given), in turn, or by Zipf's law: key n at random,
   * with a share of 1 / (n + 1) of key 0's.
   */
  readonly choice?: 'alike' | 'in turn' | 'zipf'
  /** Another one is another row of keys; 1 unless given. */
  readonly seed?: number
  /** At least 8: a value begins with the number of its key and its place among the records of that key. */
  readonly valueBytes: number
  /** What each key begins with. */
  readonly keyPrefix?: Uint8Array
  /** When records happened, as their timestamps say; the time at which they are written unless given. */
  readonly times?: Times
  /** Instead of such bytes: orders in JSON, as `Order` says, of `valueBytes` bytes. */
  readonly isOrders?: boolean
}

/** One after the other, evenly. */
export interface Times {
  readonly fromMs: number
  readonly perMinute: number
}

/** What a value is in JSON. */
export interface Order {
  readonly id: number
  readonly amount: number
  readonly timestamp: number
  readonly note: string
}

export const timeOf = ({ fromMs, perMinute }: Times, index: number): number =>
  fromMs + Math.floor((index * 60_000) / perMinute)

/** Whole minutes, so far before now that all records have happened: brokers refuse those from the future, and throw old ones away. */
export function timesUntilNow(records: number, perMinute: number): Times {
  const minutes = Math.ceil(records / perMinute) + 1
  return { fromMs: (Math.floor(Date.now() / 60_000) - minutes) * 60_000, perMinute }
}

/** Cents. */
export const amountOf = (index: number): number => ((index * 7_919) % 10_000) + 1

/** Settings of a question about a backlog: what is in its topic. */
export interface BacklogSettings {
  readonly [name: string]: number
  readonly records: number
  readonly partitions: number
  /** Of a value. */
  readonly bytes: number
}

export interface DataRecord {
  /** null: it has none. */
  readonly key: Buffer | null
  readonly value: Buffer
  readonly partition: number
  /** undefined: when it is written. */
  readonly timestamp: number | undefined
}

export function* recordsOf({
  records,
  partitions,
  keys,
  valueBytes,
  choice,
  keyPrefix = Buffer.alloc(0),
  isHashed = false,
  times,
  isOrders = false,
  seed,
}: DataSet): Generator<DataRecord> {
  const choose = chooserOf(choice ?? 'alike', keys, seed)
  const counts = new Uint32Array(keys)
  const names = Array.from({ length: keys }, (_, key) => Buffer.concat([keyPrefix, Buffer.from(`key-${key}`)]))
  const places = names.map((name, key) => (isHashed ? partitionOf(name, partitions) : key % partitions))
  for (let index = 0; index < records; index += 1) {
    const key = choose(index)
    const timestamp = times === undefined ? undefined : timeOf(times, index)
    const value = isOrders ? orderOf(index, timestamp ?? 0, valueBytes) : Buffer.alloc(valueBytes, 'v')
    if (!isOrders) {
      value.writeUInt32LE(key, 0)
      value.writeUInt32LE(counts[key]!, 4)
    }
    counts[key]! += 1
    yield { key: names[key]!, value, partition: places[key]!, timestamp }
  }
}

function orderOf(id: number, timestamp: number, bytes: number): Buffer {
  const order: Order = { id, amount: amountOf(id), timestamp, note: '' }
  const text = JSON.stringify(order)
  return Buffer.from(`${text.slice(0, -2)}${'n'.repeat(Math.max(0, bytes - text.length))}"}`)
}

/** Each key as text, and its partition, by its number. */
export function namesOf(data: DataSet): { readonly key: string; readonly partition: number }[] {
  const each = recordsOf({ ...data, records: data.keys, choice: 'in turn' })
  return Array.from(each, ({ key, partition }) => ({ key: key!.toString(), partition }))
}

/** The number of the key of each record, in turn. */
export function* keysOf({ records, choice, keys, seed }: DataSet): Generator<number> {
  const choose = chooserOf(choice ?? 'alike', keys, seed)
  for (let index = 0; index < records; index += 1) yield choose(index)
}

/** Records of the key that has most of them. */
export function countHottest(data: DataSet): number {
  const counts = new Uint32Array(data.keys)
  for (const key of keysOf(data)) counts[key]! += 1
  return Math.max(...counts)
}

/** The number of the key of each record. */
function chooserOf(choice: NonNullable<DataSet['choice']>, keys: number, seed = 1): (index: number) => number {
  if (choice === 'in turn') return (index) => index % keys
  const random = randomOf(seed)
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
export function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
