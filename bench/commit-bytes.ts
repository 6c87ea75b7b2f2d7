/**
 * What do the completion maps of 100 partitions put into the brokers' log, and what do they cost the main thread?
 *
 *     npx tsx bench/commit-bytes.ts [seconds]
 *
 * On a real Kafka that it starts itself, with the engine's committer and client. In each partition a record finishes all
 * the time, in random order, so that every hand-over has all maps: once as long as their share allows, once as the
 * default 100,000 records in flight leave them. Each at the default interval throughout, and as it is: longer where maps
 * are large.
 */
import { readFileSync, statSync, readdirSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { startKafka } from '../scripts/kafka-cluster.mjs'
import { systemClock } from '../src/clock.ts'
import { Committer } from '../src/streams/delivery/committer.ts'
import type { CommittedPartition } from '../src/streams/delivery/delivery.ts'
import { createKafkaBroker } from '../src/streams/kafka/broker.ts'
import { maxCharactersFor, maxMapBytesPerSecond } from '../src/streams/positions/map-budget.ts'
import { OffsetTracker } from '../src/streams/positions/offset-tracker.ts'
import { EngineStats } from '../src/metrics/stats.ts'
import { KafkaProbe, uniqueName } from '../test/support/kafka-probe.ts'
import { testOptions } from '../test/integration/kafka-world.ts'
import { Member, until } from '../test/contract/contract-world.ts'
import { writeJson } from './harness/report.ts'
import { describeSurroundings } from './harness/surroundings.ts'

const SECONDS = Number(process.argv[2] ?? 15)
const PARTITIONS = 100
/** Half of the default commitIntervalMs; the client has the other. */
const HALF_INTERVAL_MS = 100
const share = maxCharactersFor({ partitionCount: PARTITIONS })

/** A partition in which what is unfinished stays as much, at random over as many offsets. */
class BusyPartition implements CommittedPartition {
  readonly isFenced = false
  readonly tracker = new OffsetTracker({ position: 0 })
  readonly topic: string
  readonly partition: number
  #next = 0
  #started: number[] = []

  constructor(topic: string, partition: number, records: number) {
    this.topic = topic
    this.partition = partition
    for (let index = 0; index < records; index += 1) this.#start()
    // The first stays unfinished, as a stuck record does.
    this.#started = this.#started.slice(1).filter((sequence) => Math.random() < 0.5 || !this.tracker.finish(sequence))
  }

  #start(): void {
    this.#started.push(this.tracker.start(this.#next++))
  }

  /** Another takes its place, so that the map changes and stays as long, nearly. */
  finishOne(): void {
    const at = Math.floor(Math.random() * this.#started.length)
    for (const sequence of this.#started.splice(at, 1)) this.tracker.finish(sequence)
    this.#start()
  }

  setIntakeBlocked(): void {}

  setMapLeftOut(): void {}
}

const figures: object[] = []
const cluster = await startKafka()
const probe = new KafkaProbe(cluster.bootstrapServers)
try {
  printSurroundings()
  for (const [name, records] of [
    [`full maps (${share} characters each)`, 15 * share - 1500],
    ['100,000 in flight over all', 2000],
  ] as const) {
    for (const bytesPerSecond of [Infinity, maxMapBytesPerSecond]) {
      console.log(`${name}, ${bytesPerSecond === Infinity ? 'at the default interval' : 'as it is'}`)
      figures.push({ maps: name, isAdapted: bytesPerSecond !== Infinity, ...(await measure(records, bytesPerSecond)) })
    }
  }
  const results = fileURLToPath(new URL('results', import.meta.url))
  writeJson(results, 'commit-bytes', { ...describeSurroundings(), seconds: SECONDS, partitions: PARTITIONS, figures })
} finally {
  await probe.close()
  await cluster.stop()
}

async function measure(records: number, mapBytesPerSecond: number): Promise<object> {
  const [group, topic] = [uniqueName('maps'), uniqueName('maps')]
  await probe.createTopic(topic, PARTITIONS)
  const member = await Member.join(createKafkaBroker(testOptions(cluster.bootstrapServers, group)), [topic])
  await until('all partitions', () => member.assigned.size === PARTITIONS)
  const partitions = Array.from({ length: PARTITIONS }, (_, each) => new BusyPartition(topic, each, records))
  const stats = new EngineStats()
  const committer = new Committer({
    intervalMs: HALF_INTERVAL_MS,
    mapBytesPerSecond,
    clock: systemClock,
    log: { debug() {}, info() {}, warn: (_, message) => console.log(message), error() {} },
    stats,
    events: { onRefused: () => undefined, onCommitted: () => undefined },
    assignedCount: () => PARTITIONS,
  })
  committer.begin(member.consumer)
  const work = setInterval(() => {
    for (const partition of partitions) {
      partition.finishOne()
      committer.noteProgress(partition)
    }
  }, HALF_INTERVAL_MS / 2)
  // The first hand-over has happened, and what was compiled on the way is.
  await sleep(2000)
  const before = { logBytes: offsetLogBytes(), mapBytes: stats.mapBytes, commits: member.commits.length }
  const cpu = process.cpuUsage()
  const began = performance.now()
  await sleep(1000 * SECONDS)
  const seconds = (performance.now() - began) / 1000
  const spent = process.cpuUsage(cpu)
  const perSecond = (count: number): string => Math.round(count / seconds).toLocaleString('en')
  const accepted = member.commits.slice(before.commits).filter(({ result }) => result === 'accepted')
  const others = member.commits.length - before.commits - accepted.length
  console.log(
    `  ${perSecond(stats.mapBytes - before.mapBytes)} bytes/s of maps handed over; ` +
      `${perSecond(offsetLogBytes() - before.logBytes)} bytes/s in the brokers' log; ` +
      `each partition committed ${(accepted.flatMap(({ positions }) => positions).length / PARTITIONS / seconds).toFixed(1)} times a second ` +
      `(${accepted.length} commits accepted, ${others} not); interval ${Math.round(stats.commitIntervalMs)} ms; ` +
      `this process ${Math.round((spent.user + spent.system) / 10_000 / seconds)} % of a core`,
  )
  const figure = {
    mapBytesPerSecond: (stats.mapBytes - before.mapBytes) / seconds,
    logBytesPerSecond: (offsetLogBytes() - before.logBytes) / seconds,
    commitsAccepted: accepted.length,
    commitsNot: others,
    intervalMs: stats.commitIntervalMs,
    coreShare: (spent.user + spent.system) / 1e6 / seconds,
  }
  clearInterval(work)
  committer.end()
  await member.leave()
  return figure
}

/** Size of __consumer_offsets on disk; nothing of it is compacted in so short a time. */
function offsetLogBytes(): number {
  const logs = readdirSync(cluster.folder, { recursive: true, encoding: 'utf8' })
  return logs
    .filter((file) => /__consumer_offsets-\d+\/\d+\.log$/.test(file))
    .reduce((sum, file) => sum + statSync(join(cluster.folder, file)).size, 0)
}

function printSurroundings(): void {
  const { version } = JSON.parse(readFileSync('node_modules/@confluentinc/kafka-javascript/package.json', 'utf8')) as {
    version: string
  }
  const [cpu] = cpus()
  console.log(
    `Node.js ${process.version}, client ${version}, Apache Kafka 4.1.1 (one broker), ${cpus().length} cores ` +
      `(${cpu?.model ?? '?'}); ${PARTITIONS} partitions\n`,
  )
}
