/** How records are written to Kafka, as far as that may be chosen. What order and durability hang on may not. */

export const compressions = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const

/** Not `random`: it would spread the records of a key over all partitions. */
export const partitioners = [
  'murmur2_random',
  'murmur2',
  'consistent_random',
  'consistent',
  'fnv1a_random',
  'fnv1a',
] as const

export interface ProducerSettings {
  /** Whoever must have a record before it is durable: all replicas in sync. Retries that double nothing need it. */
  readonly acks: 'all'
  /** The first of a batch waits so long for others while nothing is being written. */
  readonly lingerMs: number
  /** Most bytes of one partition in one batch of the protocol; a larger record goes alone. */
  readonly batchBytes: number
  readonly compression: (typeof compressions)[number]
  /** How often a write that Kafka did not take is repeated before its records are given up. */
  readonly retries: number | 'unlimited'
  /** Which partition a key belongs to. */
  readonly partitioner: (typeof partitioners)[number]
}

export const producerDefaults: ProducerSettings = {
  acks: 'all',
  lingerMs: 0,
  batchBytes: 1_000_000,
  compression: 'none',
  retries: 'unlimited',
  partitioner: 'murmur2_random',
}

/** Keys of `kafka.client` that say the same as an option. Given both ways, nobody could tell which counts. */
export const clientKeysOf: Readonly<Record<string, readonly string[]>> = {
  'producer.lingerMs': ['linger.ms', 'queue.buffering.max.ms'],
  'producer.batchBytes': ['batch.size'],
  'producer.compression': ['compression.codec', 'compression.type'],
}
