/** The app on Avro. It expects its topics, its table and its schemas to exist. */
import { defineApp } from 'troupe'
import sensors from '../sensors.ts'
import watch from './watch.ts'

export default defineApp({
  ...sensors.definition,
  schemaRegistry: { url: process.env['SCHEMA_REGISTRY_URL'] ?? 'http://localhost:8081' },
  actors: sensors.definition.actors.map((actor) => ({ ...actor, handler: watch })),
})
