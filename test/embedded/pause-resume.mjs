/**
 * A consumer that pauses and resumes its partitions over and over (needs --expose-gc) while records are fetched ahead:
 * each pause throws those away, and after each resume they are fetched again. After each round prints what the process
 * holds and how many records came, as a line of JSON; at the end all of them have come.
 *
 *   node --expose-gc pause-resume.mjs <rounds> <pauses a round> <fetches a round>
 */
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { Kafka, logLevel } from 'kafkajs'
import { startEmbeddedBroker } from 'troupe/embedded'
import { systemClock } from '../../dist/clock.js'
import { createKafkaBroker } from '../../dist/streams/kafka/broker.js'

const [rounds, pauses, fetches] = process.argv.slice(2).map(Number)
// As many as the broker gives a topic.
const PARTITIONS = 4
const RECORDS = 800
const RECORD_BYTES = 10_000
const topic = 'backlog'

const embedded = await startEmbeddedBroker()
const producer = new Kafka({ brokers: [embedded.bootstrapServers], logLevel: logLevel.NOTHING }).producer()
await producer.connect()
await producer.send({
  topic,
  messages: Array.from({ length: RECORDS }, (_, index) => ({
    partition: index % PARTITIONS,
    value: Buffer.alloc(RECORD_BYTES, 'v'),
  })),
})
await producer.disconnect()

const broker = createKafkaBroker({
  brokers: [embedded.bootstrapServers],
  groupId: 'group',
  groupProtocol: 'classic',
  // A fetch that is under way when its partition is paused holds up the next one for so long.
  client: { 'fetch.wait.max.ms': 5 },
  commitIntervalMs: 1000,
  maxPollIntervalMs: 300_000,
  clock: systemClock,
  log: (level, _, message) => level === 'debug' || level === 'info' || process.stderr.write(`${message}\n`),
})
const consumer = broker.consumer()

let grant = null
await consumer.connect()
consumer.subscribe([topic], {
  onRebalance: (event) => {
    if (event.type === 'assign') grant = event
  },
  onCommit: () => {},
  onTrouble: ({ message }) => process.stderr.write(`${message}\n`),
  onEndOfPartition: () => {},
})
const next = Array.from({ length: PARTITIONS }, () => 0)
let came = 0

async function poll(maxRecords) {
  const records = await consumer.poll(maxRecords, 20)
  for (const { offset, partition } of records) {
    if (offset !== next[partition])
      throw new Error(`offset ${offset} of ${partition} came instead of ${next[partition]}`)
    next[partition] += 1
  }
  came += records.length
}

while (grant === null) await poll(1)
const owned = grant.partitions
consumer.assign(
  grant.id,
  owned.map((partition) => ({ ...partition, position: 'earliest' })),
)

async function pauseAndResume() {
  consumer.pause(owned)
  await turn()
  consumer.resume(owned)
  await turn()
}

for (let round = 1; round <= rounds; round += 1) {
  for (let pause = 0; pause < pauses; pause += 1) await pauseAndResume()
  for (let fetch = 0; fetch < fetches; fetch += 1) {
    await pauseAndResume()
    // One record shows that they have been fetched again, a megabyte or more.
    for (const before = came; came === before;) await poll(1)
  }
  globalThis.gc()
  await sleep(50)
  globalThis.gc()
  const { rss, heapUsed } = process.memoryUsage()
  process.stdout.write(`${JSON.stringify({ round, came, rssBytes: rss, heapBytes: heapUsed })}\n`)
}
while (came < RECORDS) await poll(500)
await consumer.disconnect()
await embedded.stop()
