/**
 * A supervisor whose threads are busy for most of the time. Says `working` once some records are handled, and when all
 * are, what it has counted, as a line of JSON.
 *
 *   node stood-still.mjs <records>
 */
import { Kafka, logLevel } from 'kafkajs'
import { defineApp, startSupervisor } from 'troupe'
import { startEmbeddedBroker } from 'troupe/embedded'

const records = Number(process.argv[2])
const broker = await startEmbeddedBroker()
const producer = new Kafka({ brokers: [broker.bootstrapServers], logLevel: logLevel.NOTHING }).producer()
await producer.connect()
await producer.send({
  topic: 'work',
  messages: Array.from({ length: records }, (_, index) => ({ key: `key ${index}`, value: `${index}` })),
})
await producer.disconnect()

const quiet = () => {}
const supervisor = await startSupervisor(
  defineApp({
    kafka: { brokers: broker.bootstrapServers, groupId: 'group' },
    actors: [
      {
        name: 'work',
        handler: new URL('stood-still-handler.mjs', import.meta.url),
        runOn: 'threads',
        handlerTimeoutMs: 1_000,
        retry: { attempts: 1 },
        failedRecords: 'skip',
      },
    ],
    threads: { count: 2 },
  }),
  { log: { debug: quiet, info: quiet, warn: quiet, error: quiet } },
)

async function valueOf(name) {
  const values = (await supervisor.registry.getSingleMetric(name).get()).values
  return values.reduce((sum, { value }) => sum + value, 0)
}

let hasSaid = false
for (;;) {
  const done = await valueOf('troupe_records_processed_total')
  if (done > 0 && !hasSaid) process.stdout.write('working\n')
  hasSaid ||= done > 0
  if (done >= records) break
  await new Promise((resolve) => setTimeout(resolve, 20))
}
const counted = {
  attempts: await valueOf('troupe_record_attempts_total'),
  failures: await valueOf('troupe_attempt_failures_total'),
  threadRestarts: await valueOf('troupe_thread_restarts_total'),
}
process.stdout.write(`${JSON.stringify(counted)}\n`)
await supervisor.stop()
await broker.stop()
process.exit()
