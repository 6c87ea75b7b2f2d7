/** The whole pipeline, to Kafka and PostgreSQL: what does safe and ordered cost, beside a good service written by hand? */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { createFakeClicks } from '../examples/clicks/fake-clicks.ts'
import { clicks as clickTopic, deadLetterTopic, enrichedClicks } from '../examples/clicks/flows.ts'
import { createClickTable } from '../examples/clicks/table.ts'
import { startEmbeddedPostgres } from '../src/embedded/embedded-postgres.ts'
import type { BenchKafka } from './harness/bench-kafka.ts'
import type { Benchmark } from './harness/benchmark.ts'
import type { Contender } from './harness/contender.ts'
import { cell, costCells, costColumns, failureRemarks } from './harness/report.ts'

interface Its {
  readonly [name: string]: number
  readonly records: number
  readonly partitions: number
  readonly brokenpercent: number
  readonly concurrency: number
}

const troupe = 'Troupe, key order'
const byHand = 'kafkajs eachBatch, sendBatch, an upsert a batch'

export const clicks: Benchmark<Its> = {
  name: 'clicks',
  question: 'Clicks through checks and a GeoIP look-up to a topic and a table: how many a second, at what cost?',
  goal: '≥ 1.0 × a good kafkajs service, loop delay p99 ≤ 20 ms',
  // `concurrency`: partitions and connections of the service written by hand.
  defaults: { records: 200_000, partitions: 12, brokenpercent: 1, concurrency: 3 },
  async run({ settings, kafka, alternate, log }) {
    const { records, partitions, brokenpercent, concurrency } = settings
    const warmUp = Math.ceil(records / 10)
    const broker = await kafka()
    const postgres = await startEmbeddedPostgres()
    try {
      await createClickTable(postgres.url)
      for (const name of [clickTopic.name, enrichedClicks.name, deadLetterTopic])
        await broker.probe.createTopic(name, partitions)
      log('filling the topic of clicks')
      await fillClicks(broker, Math.ceil((records + warmUp) * 1.1), brokenpercent / 100)
      const postgresPid = Number(readFileSync(join(postgres.folder, 'data', 'postmaster.pid'), 'utf8').split('\n')[0])
      const topic = clickTopic.name
      const its = { postgresUrl: postgres.url, postgresPid, concurrency }
      const same = { topic, records, warmUp, settings: its }
      const contenders: readonly Contender[] = [
        { name: troupe, module: 'clicks-troupe.mjs', isProfiled: true, ...same },
        { name: byHand, module: 'clicks-kafkajs.mjs', ...same },
      ]
      const rounds = await alternate(contenders)
      const rows = contenders.map(({ name }) => ({
        name,
        ...(name === troupe ? { goal: '≥ 1.0, ≤ 20 ms' } : {}),
        cells: [
          cell(rounds.ratio(name, byHand), 2),
          ...costCells(rounds, name),
          cell(
            rounds.spread(name, ({ notes }) => notes['databaseCpuUs']),
            2,
          ),
        ],
      }))
      const remarks = [await describeDatabase(postgres.url), ...failureRemarks(rounds)]
      const columns = ['ratio to the service by hand', ...costColumns, 'database CPU µs/record']
      return [{ title: 'Clicks', columns, rows, remarks }]
    } finally {
      await postgres.stop()
    }
  },
}

async function fillClicks(broker: BenchKafka, count: number, brokenShare: number): Promise<void> {
  const makeClick = createFakeClicks({ seed: 1, brokenShare, now: Date.now })
  const perRequest = 20_000
  for (let left = count; left > 0; left -= perRequest) {
    const clicks = Array.from({ length: Math.min(left, perRequest) }, makeClick)
    await broker.probe.produceAll(
      clickTopic.name,
      clicks.map(({ key, value }) => ({ key, value })),
    )
  }
}

async function describeDatabase(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query<{ version: string }>("select current_setting('server_version') as version")
  await client.end()
  return `PostgreSQL ${rows[0]?.version ?? '?'} on this machine, not synced to disk`
}
