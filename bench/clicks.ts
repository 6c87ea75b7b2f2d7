/** The whole pipeline, to Kafka and PostgreSQL: what does safe and ordered cost, beside a good service written by hand? */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { createFakeClicks } from '../examples/clicks/fake-clicks.ts'
import { clicks as clickTopic, deadLetterTopic, enrichedClicks } from '../examples/clicks/flows.ts'
import { avroClicks, jsonClicks } from '../examples/clicks/formats.ts'
import type { Format } from '../examples/pipeline/formats.ts'
import { createClickTable } from '../examples/clicks/table.ts'
import { startEmbeddedPostgres } from '../src/embedded/embedded-postgres.ts'
import { startEmbeddedSchemaRegistry } from '../src/embedded/schema-registry/embedded-schema-registry.ts'
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
const troupeOnAvro = 'Troupe, key order, on Avro'
/** The same clicks in Avro. */
const avroTopic = 'user_clicks_avro'
const byHand = 'kafkajs eachBatch, sendBatch, an upsert a batch'

const goals: Readonly<Record<string, { readonly goal: string }>> = {
  [troupe]: { goal: '≥ 1.0, ≤ 20 ms' },
  [troupeOnAvro]: { goal: 'not slower than on JSON' },
}

export const clicks: Benchmark<Its> = {
  name: 'clicks',
  question: 'Clicks through checks and a GeoIP look-up to a topic and a table: how many a second, at what cost?',
  goal: '≥ 1.0 × a good kafkajs service, loop delay p99 ≤ 20 ms; on Avro not slower than on JSON',
  // `concurrency`: partitions and connections of the service written by hand.
  defaults: { records: 200_000, partitions: 12, brokenpercent: 1, concurrency: 3 },
  async run({ settings, kafka, alternate, log }) {
    const { records, partitions, brokenpercent, concurrency } = settings
    const warmUp = Math.ceil(records / 10)
    const broker = await kafka()
    const [postgres, registry] = await Promise.all([startEmbeddedPostgres(), startEmbeddedSchemaRegistry()])
    try {
      await createClickTable(postgres.url)
      for (const name of [clickTopic.name, avroTopic, enrichedClicks.name, deadLetterTopic])
        await broker.probe.createTopic(name, partitions)
      log('filling the topics of clicks')
      await avroClicks.register(registry.url)
      const count = Math.ceil((records + warmUp) * 1.1)
      await fillClicks(broker, clickTopic.name, jsonClicks, count, brokenpercent / 100)
      await fillClicks(broker, avroTopic, avroClicks, count, brokenpercent / 100)
      const postgresPid = Number(readFileSync(join(postgres.folder, 'data', 'postmaster.pid'), 'utf8').split('\n')[0])
      const its = { postgresUrl: postgres.url, postgresPid, concurrency }
      const same = { records, warmUp }
      const json = { ...same, topic: clickTopic.name }
      const handlers = { json: 'examples/clicks/enrich.ts', avro: 'bench/contenders/clicks-avro-handler.ts' }
      const onAvro = { ...its, handler: handlers.avro, registryUrl: registry.url }
      const contenders: readonly Contender[] = [
        {
          name: troupe,
          module: 'clicks-troupe.mjs',
          isProfiled: true,
          ...json,
          settings: { ...its, handler: handlers.json },
        },
        {
          name: troupeOnAvro,
          module: 'clicks-troupe.mjs',
          isProfiled: true,
          ...same,
          topic: avroTopic,
          settings: onAvro,
        },
        { name: byHand, module: 'clicks-kafkajs.mjs', ...json, settings: its },
      ]
      const rounds = await alternate(contenders)
      const rows = contenders.map(({ name }) => ({
        name,
        ...goals[name],
        cells: [
          cell(rounds.ratio(name, byHand), 2),
          cell(rounds.ratio(name, troupe), 2),
          cell(
            rounds.paired([name, troupe], (own, json) => own.cpuUs / json.cpuUs),
            2,
          ),
          ...costCells(rounds, name),
          cell(
            rounds.spread(name, ({ notes }) => notes['databaseCpuUs']),
            2,
          ),
        ],
      }))
      const remarks = [await describeDatabase(postgres.url), ...failureRemarks(rounds)]
      const columns = [
        'ratio to the service by hand',
        'to Troupe on JSON',
        'CPU by Troupe’s on JSON',
        ...costColumns,
        'database CPU µs/record',
      ]
      return [{ title: 'Clicks', columns, rows, remarks }]
    } finally {
      await Promise.all([postgres.stop(), registry.stop()])
    }
  },
}

async function fillClicks(
  { probe }: BenchKafka,
  topic: string,
  format: Format,
  count: number,
  brokenShare: number,
): Promise<void> {
  const makeClick = createFakeClicks({ seed: 1, brokenShare, now: Date.now })
  const perRequest = 20_000
  for (let left = count; left > 0; left -= perRequest) {
    const clicks = Array.from({ length: Math.min(left, perRequest) }, () => format.write(makeClick()))
    await probe.produceAll(
      topic,
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
