/** What the questions about handlers that only wait have in common: the contenders that more than one of them has. */
import type { Contender } from './contender.ts'

export interface Waits {
  readonly topic: string
  /** All that is in the topic. */
  readonly records: number
  readonly partitions: number
  readonly waitMs: number
}

type Order = 'key' | 'partition'

export const troupeIn = (order: Order): string => `Troupe, ${order} order`

/** They read the topic to its last record: no part of a run is left out. */
export const waitContenders = {
  troupe: ({ topic, records, waitMs }: Waits, order: Order): Contender => ({
    name: troupeIn(order),
    module: 'wait-troupe.mjs',
    settings: { waitMs, order },
    isProfiled: true,
    topic,
    records,
    warmUp: 0,
  }),

  batches: ({ topic, records, partitions, waitMs }: Waits): Contender => ({
    name: 'kafkajs eachBatch, the keys of a batch at the same time',
    module: 'wait-kafkajs-batches.mjs',
    settings: { waitMs, partitions },
    topic,
    records,
    warmUp: 0,
  }),

  messages: ({ topic, records, partitions, waitMs }: Waits, share: number): Contender => ({
    name: `kafkajs eachMessage, ${partitions} partitions at a time`,
    module: 'wait-kafkajs-messages.mjs',
    settings: { waitMs, partitions },
    topic,
    records: Math.ceil(records * share),
    warmUp: 0,
  }),

  /** With a share of the records only: all of them would take minutes. */
  nativeMessages: ({ topic, records, partitions, waitMs }: Waits, share: number): Contender => ({
    name: `eachMessage of the native client, ${partitions} partitions at a time`,
    module: 'wait-native-messages.mjs',
    settings: { waitMs, partitions },
    topic,
    records: Math.ceil(records * share),
    warmUp: 0,
  }),

  /** As many lanes, each with so many waits one after the other: the bound. */
  bare: (name: string, waitMs: number, lanes: readonly number[]): Contender => ({
    name,
    module: 'wait-bare.mjs',
    settings: { waitMs, lanes },
    records: Math.round(lanes.reduce((sum, waits) => sum + waits, 0)),
    warmUp: 0,
  }),
}
