/** The app: `npx troupe run spending.ts`. Topics `payments` and `alerts` have to exist; the changelog is made. */
import { defineApp } from 'troupe'

export default defineApp({
  kafka: {
    brokers: process.env['KAFKA_BROKERS'] ?? 'localhost:9092',
    groupId: 'spending',
  },
  actors: [{ handler: new URL('./watch.ts', import.meta.url), order: 'key', deadLetter: 'payments_dlq' }],
})
