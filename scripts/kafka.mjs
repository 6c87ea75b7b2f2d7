#!/usr/bin/env node
// `npm run kafka [-- --brokers 3] [--port 9092]`: real Kafka without Docker, until Ctrl-C.
import { parseArgs } from 'node:util'
import { dockerIsUsable, findWhatIsMissing, startKafka } from './kafka-cluster.mjs'

const usage = `Usage: npm run kafka [-- --brokers 1|3] [--port PORT]

Starts Apache Kafka on this machine, prints its bootstrap servers, and removes everything at Ctrl-C.
  --brokers  1 (default) or 3
  --port     the first broker's port; free ones by default`

const options = readOptions()
const missing = findWhatIsMissing()
if (missing !== undefined) {
  fail(
    dockerIsUsable()
      ? `${missing}.\nDocker is here: use \`docker compose up -d\`, Kafka is then at localhost:9092`
      : missing,
  )
}

/** @param {string} line */
const log = (line) => console.error(`kafka: ${line}`)
const begun = Date.now()
let stopping = false
/** @type {import('./kafka-cluster.mjs').KafkaCluster | undefined} */
let cluster
// While starting, Ctrl-C is answered by the cluster's own clean-up.
try {
  cluster = await startKafka({ ...options, log })
} catch (error) {
  fail(error instanceof Error ? error.message : String(error))
}
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) process.on(signal, () => void stop())
log(
  `${options.brokers} broker${options.brokers === 1 ? '' : 's'} up after ${((Date.now() - begun) / 1000).toFixed(1)} s; Ctrl-C stops and removes everything`,
)
console.log(cluster?.bootstrapServers)
// The brokers do not keep this process alive by themselves.
setInterval(() => {}, 1 << 30)

async function stop() {
  if (stopping) return
  stopping = true
  await cluster?.stop()
  process.exit(0)
}

/** @returns {{ brokers: 1 | 3, port: number | undefined }} */
function readOptions() {
  try {
    const { values } = parseArgs({
      options: { brokers: { type: 'string', default: '1' }, port: { type: 'string' }, help: { type: 'boolean' } },
    })
    if (values.help === true) {
      console.log(usage)
      process.exit(0)
    }
    if (values.brokers !== '1' && values.brokers !== '3') throw new Error(`--brokers is 1 or 3, not ${values.brokers}`)
    const port = values.port === undefined ? undefined : Number(values.port)
    if (port !== undefined && !(Number.isInteger(port) && port > 0 && port < 65_534))
      throw new Error(`--port is no port number: ${values.port}`)
    return { brokers: values.brokers === '3' ? 3 : 1, port }
  } catch (error) {
    fail(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`)
  }
}

/**
 * @param {string} message
 * @returns {never}
 */
function fail(message) {
  console.error(message)
  process.exit(1)
}
