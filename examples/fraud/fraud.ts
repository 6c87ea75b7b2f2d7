/** The app: what `troupe run examples/fraud/fraud.ts` starts. It expects its topics and its table to exist. */
import { defineApp } from 'troupe'
import { postgresSink } from 'troupe/postgres'
import compare from './compare.ts'
import { deadLetterTopic } from './flows.ts'

export default defineApp({
  kafka: {
    brokers: process.env['KAFKA_BROKERS'] ?? 'localhost:9092',
    groupId: 'fraud',
  },
  actors: [
    {
      name: 'compare',
      handler: compare, // a microsecond of work: no thread is worth the way
      order: 'partition', // so that what it passes on is in the order of time, as it came
      deadLetter: deadLetterTopic,
    },
    {
      name: 'watch',
      handler: new URL('./watch.ts', import.meta.url),
      runOn: 'threads', // the scores; the windows are on the main thread
      deadLetter: deadLetterTopic,
    },
  ],
  sinks: {
    postgres: postgresSink({ url: process.env['PG_URL'] ?? 'postgres://postgres:postgres@localhost:5432/postgres' }),
  },
})
