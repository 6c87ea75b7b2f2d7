/** The app on Avro. It expects its topics, its table and its schemas to exist. */
import { defineApp } from 'troupe'
import clicks from '../clicks.ts'

export default defineApp({
  ...clicks.definition,
  schemaRegistry: { url: process.env['SCHEMA_REGISTRY_URL'] ?? 'http://localhost:8081' },
  actors: clicks.definition.actors.map((actor) => ({ ...actor, handler: new URL('./enrich.ts', import.meta.url) })),
})
