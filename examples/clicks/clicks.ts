/** The app: what `troupe run examples/clicks/clicks.ts` starts. It expects its topics and its table to exist. */
import { readFileSync } from 'node:fs'
import { defineApp } from 'troupe'
import { postgresSink } from 'troupe/postgres'
import { geoFile } from './geo.ts'

export default defineApp({
  kafka: {
    brokers: process.env['KAFKA_BROKERS'] ?? 'localhost:9092',
    groupId: 'click-enricher',
  },
  actors: [
    {
      handler: new URL('./enrich.ts', import.meta.url),
      runOn: 'threads',
      order: 'key',
      retry: { attempts: 5, backoffMs: 100 },
      deadLetter: 'user_clicks_dlq',
      idHeader: true, // so that whoever reads `enriched_clicks` can tell which click each came from
    },
  ],
  shared: {
    geo: () => readFileSync(geoFile), // one copy, however many threads
  },
  sinks: {
    postgres: postgresSink({ url: process.env['PG_URL'] ?? 'postgres://postgres:postgres@localhost:5432/postgres' }),
  },
})
