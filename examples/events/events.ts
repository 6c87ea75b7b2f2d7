/** The app: what `troupe run examples/events/events.ts` starts. It expects its topics and its table to exist. */
import { defineApp } from 'troupe'
import { postgresSink } from 'troupe/postgres'
import processEvents from './process.ts'

export default defineApp({
  kafka: {
    brokers: process.env['KAFKA_BROKERS'] ?? 'localhost:9092',
    groupId: 'event-processor',
  },
  actors: [
    {
      name: 'process',
      handler: processEvents, // it waits for a service most of the time: many at once on main
      order: 'key', // that of each user
      retry: { attempts: 4, backoffMs: 50 }, // 50, 100, 200 ms; meanwhile only this user's events wait
      deadLetter: 'events-dlq',
      idHeader: true, // so that whoever reads the outputs can tell which event each came from
    },
  ],
  sinks: {
    postgres: postgresSink({ url: process.env['PG_URL'] ?? 'postgres://postgres:postgres@localhost:5432/postgres' }),
  },
})
