/** Sets the brokers' quota of one client, with Kafka's own tool. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { prepareKafka } from '../../scripts/kafka/installation.mjs'

const run = promisify(execFile)

export async function limitProducer(servers: string, clientId: string, bytesPerSecond: number): Promise<void> {
  const { java, classPath } = await prepareKafka(() => undefined)
  const tool = [
    '-Xmx128m',
    '-XX:TieredStopAtLevel=1',
    '-XX:+UseSerialGC',
    '-cp',
    classPath,
    'kafka.admin.ConfigCommand',
  ]
  const change = ['--alter', '--add-config', `producer_byte_rate=${bytesPerSecond}`]
  await run(java, [
    ...tool,
    '--bootstrap-server',
    servers,
    ...change,
    '--entity-type',
    'clients',
    '--entity-name',
    clientId,
  ])
}
