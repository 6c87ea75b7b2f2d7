/**
 * From what cost of a handler on are threads worth their crossing? The same records through the same partition actors,
 * by the inline executor and by a pool of two threads, for handlers from nothing to half a millisecond; the break-even
 * is where both do as many records a second. No broker: a poll of 500 records a turn of the loop, sinks that are
 * durable at once. So of what a real pipeline costs main, the client is missing on both sides.
 *
 *   npx tsc -p tsconfig.build.json && npx tsx bench/break-even.ts [rounds]
 */
import { availableParallelism } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import { Lookout } from '../src/lookout.ts'
import { mostAtOnce } from '../src/actors/executors/adaptive-limit.ts'
import { Dispatcher } from '../src/actors/executors/dispatcher.ts'
import type { Executor } from '../src/actors/executors/executor.ts'
import type { AnyRecordHandler } from '../src/actors/handlers/handler.ts'
import { HandlerRunner } from '../src/actors/handlers/handler-runner.ts'
import { InlineExecutor } from '../src/actors/executors/inline-executor.ts'
import { hashedKey } from '../src/actors/key-text.ts'
import { PartitionActor } from '../src/actors/partition-actor.ts'
import { WorkerPool } from '../src/actors/threads/worker-pool.ts'
import { systemClock } from '../src/clock.ts'
import { silentLog } from '../src/log.ts'
import type { ResolvedActor, RunOn } from '../src/options/options.ts'
import { resolveOptions } from '../src/options/resolve.ts'
import { Credit } from '../src/streams/credit.ts'
import type { ActorDelivery } from '../src/streams/delivery/delivery.ts'
import type { SourceRecord } from '../src/streams/record.ts'
import { EngineStats } from '../src/metrics/stats.ts'
import { costBetween, sumsOf, type RecordCost } from '../src/supervisor/status/advice.ts'
import { writeJson } from './harness/report.ts'
import { describeSurroundings } from './harness/surroundings.ts'

const ROUNDS = Number(process.argv[2] ?? 7)
/** Microseconds of work a record. */
const COSTS = [0, 1, 2, 3, 5, 8, 12, 20, 50, 100, 500]
const RUN_MS = 300
const THREADS = 2
const PARTITIONS = 8
const KEYS = 1_000
const RECORD_BYTES = 100
const POLL_RECORDS = 500

const url = new URL('break-even-handler.js', import.meta.url)
const { default: handler, work } = (await import(url.href)) as {
  default: AnyRecordHandler
  work: (rounds: number) => number
}
const app = resolveOptions({
  kafka: { brokers: 'none:9092', groupId: 'none' },
  actors: [{ name: 'work', handler: url, order: 'key' }],
  threads: { count: THREADS },
})
const actor: ResolvedActor = app.actors[0]!

interface Run {
  readonly recordsPerSecond: number
  /** Microseconds a record of CPU, main and threads together: what a machine that does other things too still tells. */
  readonly cpu: number
  readonly cost: RecordCost
  /** Milliseconds, p99. */
  readonly loopDelay: number
}

/** Sinks that are durable at once. */
const delivery: ActorDelivery = {
  finishesWhen: 'durable',
  deliver: (ticket, effects) => {
    // A turn later, as a sink answers.
    setImmediate(() => {
      for (let left = effects.length; left > 0; left -= 1) ticket.settle(null)
    })
    return null
  },
  deadLetter: () => {
    throw new Error('no record of this benchmark may fail')
  },
  noteProgress: () => undefined,
}

async function executorFor(runOn: RunOn, stats: EngineStats): Promise<Executor & { end(): Promise<void> }> {
  if (runOn === 'threads') {
    const { pool } = await WorkerPool.start({
      threads: app.threads,
      handlers: [{ ...actor, concurrency: mostAtOnce(actor), actor: actor.name, groupId: 'bench', url: url.href }],
      clock: systemClock,
      lookout: new Lookout(systemClock),
      log: silentLog,
      stats,
      schemas: null,
      onFatal: (error) => {
        throw error
      },
      // Threads load what is built.
      entry: new URL('../dist/actors/threads/worker-thread.js', import.meta.url),
    })
    return Object.assign(pool, { end: () => pool.destroy() })
  }
  const runner = await HandlerRunner.open({ ...actor, handler, log: silentLog, clock: systemClock })
  const executor = new InlineExecutor({
    runners: new Map([[actor.name, runner]]),
    stats: new Map([[actor.name, stats.actor(actor.name)]]),
    clock: systemClock,
    concurrency: mostAtOnce(actor),
    maxTurnMs: 5,
  })
  return Object.assign(executor, { end: () => runner.close() })
}

/** Feeds records as a poll loop does, until `count` are finished. */
async function run(runOn: RunOn, rounds: number, count: number): Promise<Run> {
  const stats = new EngineStats()
  const executor = await executorFor(runOn, stats)
  const dispatcher = new Dispatcher(executor, systemClock)
  const credit = new Credit(app.intake)
  const actors = Array.from({ length: PARTITIONS }, (_, partition) => actorOf(partition, dispatcher, credit, stats))
  const value = Buffer.alloc(RECORD_BYTES, 'v')
  value.writeUInt32BE(rounds)
  const keys = Array.from({ length: KEYS }, (_, key) => Buffer.from(`key ${key}`))
  const before = sumsOf(stats.actor(actor.name))
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const cpuBefore = process.cpuUsage()
  const startedAt = performance.now()
  for (let offset = 0; offset < count;) {
    if (credit.availableRecords < POLL_RECORDS) {
      await pause()
    } else {
      const poll: SourceRecord[] = []
      const partition = (offset / POLL_RECORDS) % PARTITIONS
      for (const end = Math.min(count, offset + POLL_RECORDS); offset < end; offset += 1) {
        const key = keys[offset % KEYS]!
        poll.push({ topic: 'in', partition, offset, timestamp: 0, key, value, headers: [] })
      }
      actors[partition]!.admit(poll)
      dispatcher.enlist(actors[partition]!)
      dispatcher.pump()
      await turn()
    }
  }
  while (credit.recordsInFlight > 0) await pause()
  const seconds = (performance.now() - startedAt) / 1000
  const { user, system } = process.cpuUsage(cpuBefore)
  delay.disable()
  await executor.end()
  return {
    recordsPerSecond: count / seconds,
    cpu: (user + system) / count,
    cost: costBetween(before, sumsOf(stats.actor(actor.name))),
    // The monitor's own timer of 1 ms is no delay.
    loopDelay: Math.max(0, delay.percentile(99) / 1e6 - 1),
  }
}

function actorOf(partition: number, dispatcher: Dispatcher, credit: Credit, stats: EngineStats): PartitionActor {
  const made: PartitionActor = new PartitionActor({
    actor,
    partition,
    epoch: 1,
    inputs: [{ topic: 'in', start: { position: 0, map: null }, stats: stats.partition(actor.name, 'in', partition) }],
    delivery,
    credit,
    clock: systemClock,
    random: Math.random,
    log: silentLog,
    actorStats: stats.actor(actor.name),
    keyBudget: { maxRecords: 1e9, maxBytes: 1e12 },
    mixesKeys: dispatcher.mixesKeys,
    keyText: hashedKey,
    schemas: null,
    onReady: () => {
      dispatcher.enlist(made)
      dispatcher.pump()
    },
    onLoadChanged: () => undefined,
    onThrottled: () => undefined,
    onEscalate: (error) => {
      throw error
    },
  })
  return made
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** As a poll loop waits that may take nothing: turning instead, main would take a core from the threads. */
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1))

/** Rounds of work a microsecond, on this machine and at this hour. */
function calibrate(): number {
  const rounds = 2_000_000
  let best = Number.POSITIVE_INFINITY
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const startedAt = performance.now()
    work(rounds)
    best = Math.min(best, performance.now() - startedAt)
  }
  return rounds / (best * 1000)
}

const show = (value: number, width: number, digits = 0): string => value.toFixed(digits).padStart(width)

const roundsPerMicro = calibrate()
console.log(
  `Node ${process.version}, ${availableParallelism()} cores, ${THREADS} threads, ${RECORD_BYTES}-byte records, ` +
    `key order, ${KEYS} keys, ${PARTITIONS} partitions; the best of ${ROUNDS} rounds, main and threads in turn`,
)
console.log(
  'handler µs | main records/s | threads records/s | ratio | loop delay p99 ms: main, threads | CPU µs: main, threads | crossing µs',
)
const figures: object[] = []
let before: { readonly micros: number; readonly ratio: number } | null = null
let breakEven: number | null = null
for (const wanted of COSTS) {
  const rounds = Math.round(wanted * roundsPerMicro)
  const count = Math.max(1_000, Math.min(200_000, Math.round((RUN_MS * 1000) / (wanted + 2))))
  const runs: Record<RunOn, Run[]> = { main: [], threads: [] }
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const runOn of ['main', 'threads'] as const) {
      const done = await run(runOn, rounds, count)
      // The first warms up.
      if (round > 0) runs[runOn].push(done)
    }
  }
  const [main, threads] = [summary(runs.main), summary(runs.threads)]
  const ratio = threads.recordsPerSecond / main.recordsPerSecond
  // What the handler takes on main with decoding and encoding, as /status would say it.
  const micros = main.handlerMicros
  console.log(
    [
      show(micros, 10, 1),
      show(main.recordsPerSecond, 14),
      show(threads.recordsPerSecond, 17),
      show(ratio, 5, 2),
      `${show(main.loopDelay, 24, 1)}, ${show(threads.loopDelay, 7, 1)}`,
      `${show(main.cpu, 12, 1)}, ${show(threads.cpu, 7, 1)}`,
      show(threads.crossingMicros, 11, 1),
    ].join(' | '),
  )
  figures.push({ handlerMicros: micros, ratio, main, threads })
  if (before !== null && before.ratio < 1 && ratio >= 1) {
    breakEven = before.micros + ((1 - before.ratio) / (ratio - before.ratio)) * (micros - before.micros)
  }
  before = { micros, ratio }
}
console.log(
  breakEven === null
    ? 'no break-even among these'
    : `break-even: a handler of about ${breakEven.toFixed(1)} µs a record (decoding and encoding included)`,
)
const results = fileURLToPath(new URL('results', import.meta.url))
const found = { breakEvenMicros: breakEven, figures }
writeJson(results, 'break-even', { ...describeSurroundings(), rounds: ROUNDS, threads: THREADS, ...found })

/** Whatever else the machine does only makes a run slower and dearer, so the best run is the truth. */
function summary(runs: readonly Run[]) {
  const least = (of: (run: Run) => number): number => Math.min(...runs.map(of))
  return {
    recordsPerSecond: Math.max(...runs.map(({ recordsPerSecond }) => recordsPerSecond)),
    cpu: least(({ cpu }) => cpu),
    loopDelay: least(({ loopDelay }) => loopDelay),
    handlerMicros: least(({ cost }) => cost.handlerMicros ?? 0),
    crossingMicros: least(({ cost }) => cost.crossing?.micros ?? 0),
  }
}
