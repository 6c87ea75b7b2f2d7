/** What a stranger's app and service look like to the compiler. Never run. */
import { defineApp, startSupervisor } from 'troupe'
import { postgresSink } from 'troupe/postgres'

const app = defineApp({
  kafka: { brokers: ['localhost:9092'], groupId: 'receipts', client: { 'security.protocol': 'ssl' } },
  actors: [
    { handler: new URL('./program.js', import.meta.url), runOn: 'threads', order: 'key', deadLetter: 'orders_dlq' },
  ],
  sinks: { postgres: postgresSink({ url: 'postgres://localhost/orders' }) },
})

const supervisor = await startSupervisor(app)
await supervisor.stop()
export default app
