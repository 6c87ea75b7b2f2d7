// `copy.mjs` as an app that `troupe run` starts.
import { defineApp } from 'troupe'

export default defineApp({
  kafka: { brokers: process.env.KAFKA_BROKERS, groupId: process.env.INPUT_TOPIC },
  actors: [{ handler: new URL('./copy.mjs', import.meta.url), runOn: 'threads' }],
  http: { port: null },
})
