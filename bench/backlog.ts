/**
 * A backlog far larger than memory and handlers that are slow: how much memory does the process take?
 *
 *     npm run build && npx tsx bench/backlog.ts [GB of backlog] [seconds of each case]
 *
 * On a real Kafka that it starts itself, in the system's folder for temporary files, and removes again. Goal: below
 * 512 MB with a backlog of 5 GB. The peak is the kernel's (VmHWM): all threads and the native client are in it.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '../src/clock.ts'
import { startKafka } from '../scripts/kafka-cluster.mjs'
import { createKafkaBroker } from '../src/streams/kafka/broker.ts'
import type { OutputRecord } from '../src/streams/record.ts'
import { CommandProcess, findFreePort } from '../test/support/command-process.ts'
import { KafkaProbe } from '../test/support/kafka-probe.ts'
import { describeSurroundings } from './harness/surroundings.ts'

const BACKLOG_BYTES = Number(process.argv[2] ?? 5) * 1e9
const SECONDS = Number(process.argv[3] ?? 60)
const PARTITIONS = 12
/** Small and large ones in turn: the client counts bytes, and so do we. */
const SIZES = [1, 4, 16, 100].map((kilobytes) => kilobytes * 1024)
const WRITE_BYTES = 4_000_000
const LIMIT_MB = 512

const cases: readonly { readonly name: string; readonly args: readonly string[] }[] = [
  { name: 'synchronous, 5 ms on threads', args: ['--actor', 'slow.runOn=threads'] },
  { name: 'asynchronous, 5 ms on threads', args: ['--actor', 'slow-later.runOn=threads'] },
  { name: 'asynchronous, 5 ms on main', args: ['--actor', 'slow-later.runOn=main'] },
]

const cluster = await startKafka()
const probe = new KafkaProbe(cluster.bootstrapServers)
const running = new Set<CommandProcess>()
try {
  const { machine, load, node } = describeSurroundings()
  console.log(`${machine}, load ${load}, Node.js ${node}`)
  await fill()
  for (const { name, args } of cases) await measure(name, args)
} finally {
  for (const each of running) await each.kill()
  await probe.close()
  await cluster.stop()
}

async function fill(): Promise<void> {
  await probe.createTopic('backlog', PARTITIONS)
  const producer = createKafkaBroker({
    brokers: cluster.bootstrapServers.split(','),
    groupId: 'fill',
    groupProtocol: 'classic',
    client: {},
    commitIntervalMs: 1000,
    maxPollIntervalMs: 300_000,
    clock: systemClock,
    log: () => undefined,
  }).producer('fill')
  await producer.connect()
  const noise = randomBytes(Math.max(...SIZES))
  let bytes = 0
  for (let count = 0; bytes < BACKLOG_BYTES;) {
    const batch: OutputRecord[] = []
    for (let size = 0; size < WRITE_BYTES; count += 1) {
      const value = noise.subarray(0, SIZES[Math.floor(count / PARTITIONS) % SIZES.length])
      batch.push({ topic: 'backlog', partition: count % PARTITIONS, key: Buffer.from(`k${count % 1000}`), value })
      size += value.byteLength
      bytes += value.byteLength
    }
    const refused = (await producer.write(batch)).find((result) => result !== null)
    if (refused !== undefined) throw refused
  }
  await producer.disconnect()
  console.log(`${(bytes / 1e9).toFixed(1)} GB in ${PARTITIONS} partitions, records of ${SIZES.join(', ')} B`)
}

async function measure(name: string, args: readonly string[]): Promise<void> {
  const port = await findFreePort()
  const actor = args[1]!.split('.')[0]!
  const env = { KAFKA_BROKERS: cluster.bootstrapServers, GROUP_ID: name.replaceAll(/\W+/g, '-'), ACTOR: actor }
  const command = CommandProcess.troupe(
    ['run', 'bench/backlog-app.mjs', '--http-port', String(port), '--log-level', 'warn', ...args],
    { env },
  )
  running.add(command)
  const most = { records: 0, megabytes: 0 }
  let done = 0
  let peak = 0
  for (let second = 0; second < SECONDS; second += 1) {
    await sleep(1000)
    if (!command.isRunning) throw new Error(command.stderr)
    const status = await fetch(`http://127.0.0.1:${port}/status`)
      .then(async (answer) => ((await answer.json()) as { instances: { status: Status }[] }).instances[0]?.status)
      .catch(() => undefined)
    peak = memoryOf(command.pid, 'VmHWM')
    done = status?.totals?.done ?? done
    most.records = Math.max(most.records, status?.recordsInFlight ?? 0)
    most.megabytes = Math.max(most.megabytes, (status?.bytesInFlight ?? 0) / 1e6)
    if (second % 10 === 9) {
      console.log(`  ${second + 1} s: ${memoryOf(command.pid, 'VmRSS')} MB, peak ${peak} MB, ${done} records handled`)
    }
  }
  const { code, stderr } = await command.stop()
  running.delete(command)
  console.log(
    `${name}: peak ${peak} MB (${peak < LIMIT_MB ? 'below' : 'NOT below'} ${LIMIT_MB}); ${done} records handled, ` +
      `in flight at most ${most.records} records, ${most.megabytes.toFixed(0)} MB; exit code ${code}`,
  )
  if (code !== 0) console.log(stderr)
}

interface Status {
  readonly recordsInFlight?: number
  readonly bytesInFlight?: number
  readonly totals?: { readonly done: number }
}

/** Of a process, in MB, as the kernel counts it. */
function memoryOf(pid: number, field: 'VmHWM' | 'VmRSS'): number {
  const kilobytes = new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Math.round((Number(kilobytes) * 1024) / 1e6)
}
