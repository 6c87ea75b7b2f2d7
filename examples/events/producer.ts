/** Produces events as safely as Kafka can: acknowledged by all replicas, idempotent, in compressed batches. */
import { bytes, startProducer, text, topic } from 'troupe'
import { events } from './flows.ts'
import type { FakeEvent } from './fake-events.ts'

/** As bytes, because some are broken on purpose. A source of good events only would produce to `events` itself. */
const rawEvents = topic(events.name, { key: text, value: bytes, tombstones: true })

export interface EventProducer {
  /** How many were reported to be in Kafka. */
  readonly delivered: number
  /** Why others will never be; undefined where there are none. */
  readonly refusal: string | undefined
  /** Resolves when each of them has its report. While Kafka is away that takes as long. */
  send(made: readonly FakeEvent[]): Promise<void>
  stop(): Promise<void>
}

export async function openEventProducer(brokers: readonly string[], signal: AbortSignal): Promise<EventProducer> {
  const producer = await startProducer({
    kafka: { brokers, clientId: 'event-source' },
    topics: [rawEvents],
    producer: { acks: 'all', lingerMs: 5, batchBytes: 200_000, compression: 'gzip' },
  })
  // Nobody handles them any more.
  signal.addEventListener('abort', () => void producer.stop(), { once: true })
  let delivered = 0
  let refusal: string | undefined
  return {
    get delivered() {
      return delivered
    },
    get refusal() {
      return refusal
    },
    async send(made) {
      const records = made.map(({ key, value }) => rawEvents.record(value, { key }))
      const reports = await Promise.allSettled(records.map((record) => producer.send(record)))
      for (const report of reports) {
        if (report.status === 'fulfilled') delivered += 1
        else refusal ??= String(report.reason)
      }
    },
    stop: () => producer.stop(),
  }
}
