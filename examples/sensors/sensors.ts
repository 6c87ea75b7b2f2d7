/** The app: what `troupe run examples/sensors/sensors.ts` starts. It expects its topics and its table to exist. */
import { defineApp } from 'troupe'
import { postgresSink } from 'troupe/postgres'
import watch from './watch.ts'

export default defineApp({
  kafka: {
    brokers: process.env['KAFKA_BROKERS'] ?? 'localhost:9092',
    groupId: 'sensor-watch',
  },
  actors: [
    {
      name: 'watch',
      handler: watch, // a microsecond of work: no thread is worth the way
      order: 'key', // that of each sensor
      deadLetter: 'sensor-dlq',
      idHeader: true, // so that whoever reads the outputs can tell which reading each came from
    },
  ],
  sinks: {
    postgres: postgresSink({ url: process.env['PG_URL'] ?? 'postgres://postgres:postgres@localhost:5432/postgres' }),
  },
})
