/**
 * The time that made-up records tell: it begins in the past and goes faster than the clock, so that a short run has many
 * minutes in it.
 */
import type { Kafka } from 'kafkajs'
import type { StartOptions } from './start-options.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
/** Within what brokers keep, a week. */
const LONGEST_AGO_MS = 5 * 24 * HOUR_MS
/** So much is within a run whose records are counted. */
const RUN_MS = 30 * MINUTE_MS

/** How much time passes from one record to the next: a minute each second, where nobody says how many there are. */
export function stepOf({ rate, records }: Pick<StartOptions, 'rate' | 'records'>): number {
  return records === undefined ? MINUTE_MS / (rate ?? 1000) : RUN_MS / records
}

/** Stands still until it is told to go. */
export class EventTime {
  readonly #beginMs: number
  readonly #stepMs: number
  readonly #now: () => number
  #timeMs: number
  #isGoing = false

  constructor(beginMs: number, stepMs: number, now: () => number) {
    this.#beginMs = beginMs
    this.#stepMs = stepMs
    this.#now = now
    this.#timeMs = beginMs
  }

  go(): void {
    this.#isGoing = true
  }

  /** Each call is a step later. Where it has come to `now` it goes on with the clock: brokers refuse what is of the future. */
  next(): number {
    if (this.#isGoing) {
      this.#timeMs = Math.min(this.#timeMs + this.#stepMs, Math.max(this.#now(), this.#beginMs + RUN_MS))
    }
    return Math.floor(this.#timeMs)
  }
}

/**
 * A full hour that is later than all that stands in the topic, by the timestamps of its records: what an earlier run has left is over
 * by then, and makes nothing of this one late or a repeat.
 */
export async function findUnusedTime(kafka: Kafka, topic: string, nowMs: number): Promise<number> {
  const admin = kafka.admin()
  await admin.connect()
  try {
    const ends = new Map((await admin.fetchTopicOffsets(topic)).map(({ high, partition }) => [partition, high]))
    let fromMs = Math.ceil((nowMs - LONGEST_AGO_MS) / HOUR_MS) * HOUR_MS
    for (;;) {
      const later = await admin.fetchTopicOffsetsByTimestamp(topic, fromMs)
      if (later.every(({ offset, partition }) => offset === ends.get(partition))) return fromMs + HOUR_MS
      fromMs += HOUR_MS
    }
  } finally {
    await admin.disconnect()
  }
}
