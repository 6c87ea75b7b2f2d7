/** The page of metrics against what another client reads of Kafka, and what a handler has counted itself. */
import { Registry } from 'prom-client'
import { describe, expect, test } from 'vitest'
import { deadLetter, defineHandler, done, skip, startSupervisor, topic, type Log } from '../../src/index.ts'
import {
  bootstrapServers,
  committedOffsets,
  createTopic,
  kafkaIsAvailable,
  produceAll,
  readAll,
  uniqueName,
} from '../support/real-kafka.ts'

const RECORDS = 3_000
const quiet: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

/** Sums by metric, and by one label where it is asked for. */
class Page {
  readonly #lines: readonly string[]

  constructor(text: string) {
    this.#lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  }

  sum(name: string, label = ''): number {
    const found = this.#lines.filter((line) => line.startsWith(`${name}{`) && line.includes(label))
    return found.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
  }
}

describe.skipIf(!kafkaIsAvailable)('metrics on real Kafka', () => {
  test('agree with an independent reader and a ledger, while records are held and when all is finished', async () => {
    const name = uniqueName('accounts')
    const [input, output] = [topic<{ n: number }>(`${name}-in`), topic<{ n: number }>(`${name}-out`)]
    const dead = `${name}-dead`
    await createTopic(input.name, 3)
    await createTopic(output.name, 3)
    await createTopic(dead, 1)
    let bytes = 0
    const records = Array.from({ length: RECORDS }, (_, n) => {
      const record = { key: `key ${n}`, value: JSON.stringify({ n }), headers: [['from', 'a ledger']] as const }
      bytes += record.key.length + record.value.length + 'from'.length + 'a ledger'.length
      return record
    })
    const ledger = { calls: 0, done: 0, skipped: 0, dead: 0, failed: 0 }
    let letGo: () => void = () => undefined
    const held = new Promise<void>((resolve) => {
      letGo = resolve
    })
    const handler = defineHandler({
      input,
      outputs: [output],
      handle: async (value, { attempt, record }) => {
        ledger.calls += 1
        if (value.n < 10) await held
        if (value.n % 10 === 1 && attempt === 1) {
          ledger.failed += 1
          throw Object.assign(new Error('once'), { code: `E_${value.n}` })
        }
        if (value.n % 10 === 2) {
          ledger.skipped += 1
          return skip()
        }
        if (value.n % 10 === 3) {
          ledger.dead += 1
          return deadLetter('as planned')
        }
        ledger.done += 1
        return done([output.record(value, { key: record.key })])
      },
    })
    const registry = new Registry()
    const supervisor = await startSupervisor(
      {
        kafka: { brokers: bootstrapServers, groupId: name },
        actors: [{ name: 'mix', handler, deadLetter: dead, handlerTimeoutMs: 600_000, retry: { backoffMs: 1 } }],
      },
      { registry, log: quiet },
    )
    const page = async (): Promise<Page> => new Page(await registry.metrics())
    const finished = async (): Promise<number> => (await page()).sum('troupe_records_processed_total')
    try {
      // Only now: what is read after the end of the log was asked for must count in the lag.
      await expect.poll(async () => (await page()).sum('troupe_partitions_assigned'), { timeout: 30_000 }).toBe(3)
      await produceAll(input.name, records)
      await expect.poll(finished, { timeout: 60_000 }).toBe(RECORDS - 10)
      const during = await page()
      const lowest = new Map<number, number>()
      const ends = new Map<number, number>()
      for (const { offset, partition, value } of await readAll(input.name)) {
        ends.set(partition, Math.max(ends.get(partition) ?? 0, offset + 1))
        const { n } = JSON.parse(String(value)) as { n: number }
        if (n < 10) lowest.set(partition, Math.min(lowest.get(partition) ?? Infinity, offset))
      }
      expect(during.sum('troupe_records_in_flight')).toBe(10)
      expect(during.sum('troupe_records_received_total')).toBe(RECORDS)
      for (const [partition, end] of ends) {
        const label = `partition="${partition}"`
        expect(during.sum('troupe_consumer_lag_records', label)).toBe(end - (lowest.get(partition) ?? end))
        expect(during.sum('troupe_safe_position', label)).toBe(lowest.get(partition) ?? end)
      }

      letGo()
      await expect.poll(finished, { timeout: 30_000 }).toBe(RECORDS)
      const committed = async (): Promise<number> =>
        (await committedOffsets(name, input.name)).reduce((sum, { position }) => sum + (position ?? 0), 0)
      await expect.poll(committed, { timeout: 30_000 }).toBe(RECORDS)
      await expect.poll(async () => (await page()).sum('troupe_committed_position'), { timeout: 30_000 }).toBe(RECORDS)
      const after = await page()
      const numbers = {
        received: after.sum('troupe_records_received_total'),
        bytes: after.sum('troupe_received_bytes_total'),
        done: after.sum('troupe_records_processed_total', 'outcome="done"'),
        skipped: after.sum('troupe_records_processed_total', 'outcome="skipped"'),
        dead: after.sum('troupe_records_processed_total', 'outcome="dead_lettered"'),
        attempts: after.sum('troupe_record_attempts_total'),
        retries: after.sum('troupe_record_retries_total'),
        failures: after.sum('troupe_attempt_failures_total', 'code="HANDLER_FAILED"'),
        letters: after.sum('troupe_dead_letters_total', 'code="DEAD_LETTER"'),
        durable: after.sum('troupe_sink_outputs_total', 'sink="kafka",result="durable"'),
        durableLetters: after.sum('troupe_sink_outputs_total', 'sink="dead-letters",result="durable"'),
        latencies: after.sum('troupe_record_latency_seconds_count'),
        durations: after.sum('troupe_handler_duration_seconds_count'),
        inFlight: after.sum('troupe_records_in_flight'),
        bytesInFlight: after.sum('troupe_bytes_in_flight'),
        dropped: after.sum('troupe_records_dropped_total'),
        queued: after.sum('troupe_sink_queue_outputs'),
        lag: after.sum('troupe_consumer_lag_records'),
      }
      const [outputs, letters] = [(await readAll(output.name)).length, (await readAll(dead)).length]
      expect(numbers).toEqual({
        ...{ received: RECORDS, bytes, done: ledger.done, skipped: ledger.skipped, dead: ledger.dead },
        ...{ attempts: ledger.calls, retries: ledger.failed, failures: ledger.failed },
        ...{ letters, durable: outputs, durableLetters: letters },
        ...{ latencies: RECORDS, durations: ledger.calls },
        ...{ inFlight: 0, bytesInFlight: 0, dropped: 0, queued: 0, lag: 0 },
      })
      expect([outputs, letters]).toEqual([ledger.done, ledger.dead])
    } finally {
      await supervisor.stop()
    }
  })
})
