/** The app: what `troupe run examples/sales/sales.ts` starts. It expects its topics, its table and its schemas to exist. */
import { defineApp } from 'troupe'
import { postgresSink } from 'troupe/postgres'
import addUp from './add-up.ts'
import { deadLetterTopic } from './flows.ts'
import removeRepeats from './remove-repeats.ts'

export default defineApp({
  kafka: {
    brokers: process.env['KAFKA_BROKERS'] ?? 'localhost:9092',
    groupId: 'sales',
  },
  schemaRegistry: { url: process.env['SCHEMA_REGISTRY_URL'] ?? 'http://localhost:8081' },
  actors: [
    { name: 'remove-repeats', handler: removeRepeats, deadLetter: deadLetterTopic },
    { name: 'add-up', handler: addUp, deadLetter: deadLetterTopic },
  ],
  sinks: {
    postgres: postgresSink({ url: process.env['PG_URL'] ?? 'postgres://postgres:postgres@localhost:5432/postgres' }),
  },
})
