/**
 * What does a crossing to a worker thread cost? Per record when saturated, with work that is
 * trivial (goal: 2 µs at most), and in latency when idle (goal: 150 µs at the median).
 *
 *   npx tsc -p tsconfig.build.json && npx tsx bench/crossing.ts
 */
import { availableParallelism } from 'node:os'
import type { DispatchedRun } from '../src/actors/executor.ts'
import type { Invocation } from '../src/actors/invocation.ts'
import type { Lane } from '../src/actors/lanes.ts'
import type { PartitionActor } from '../src/actors/partition-actor.ts'
import { WorkerPool } from '../src/actors/worker-pool.ts'
import { systemClock } from '../src/clock.ts'
import { silentLog } from '../src/log.ts'
import type { SourceRecord } from '../src/streams/record.ts'
import { EngineStats } from '../src/streams/stats.ts'

const RECORDS = 400_000
const RECORD_BYTES = 100
const BATCH_RECORDS = 1_000
const ROUNDS = 5
const IDLE_ROUNDS = 2_000

const value = Buffer.alloc(RECORD_BYTES, 'v')
const records: SourceRecord[] = Array.from({ length: BATCH_RECORDS }, (_, offset) => ({
  topic: 'in',
  partition: 0,
  offset,
  timestamp: 0,
  key: Buffer.from(`key ${offset}`),
  value,
  headers: [],
}))

/** The pool asks a partition actor for no more than this. */
const actor = { actor: { name: 'echo', handlerTimeoutMs: 60_000 } } as unknown as PartitionActor

/** Lanes of one record (distinct keys) are the dearer case. */
function batchOf(count: number, runLength: number): DispatchedRun[] {
  const runs: DispatchedRun[] = []
  for (let at = 0; at < count; at += runLength) {
    const invocations = records
      .slice(at, at + runLength)
      .map((record) => ({ record, attempt: 1, bytes: RECORD_BYTES, runsAlone: false }) as Invocation)
    runs.push({ lane: {} as Lane, invocations, actor })
  }
  return runs
}

async function startPool(count: number): Promise<WorkerPool> {
  const { pool } = await WorkerPool.start({
    threads: {
      count,
      slots: 2,
      batchTargetMs: 5,
      maxBatchRecords: BATCH_RECORDS,
      maxBatchBytes: 1024 * 1024,
      maxHeapMb: null,
    },
    handlers: [
      {
        actor: 'echo',
        url: new URL('crossing-handler.js', import.meta.url).href,
        concurrency: 1000,
        handlerTimeoutMs: 60_000,
        idHeader: false,
        failedRecords: 'dead-letter',
      },
    ],
    clock: systemClock,
    log: silentLog,
    stats: new EngineStats(),
    onFatal: (error) => {
      throw error
    },
    // Threads load what is built.
    entry: new URL('../dist/actors/worker-thread.js', import.meta.url),
  })
  return pool
}

interface Cost {
  /** Microseconds a record. */
  readonly wall: number
  /** The same of CPU, main and threads together: what a machine that does other things too still tells. */
  readonly cpu: number
}

/** With every slot taken all the time. */
function saturate(pool: WorkerPool, runLength: number): Promise<Cost> {
  const batch = batchOf(BATCH_RECORDS, runLength)
  return new Promise((resolve) => {
    let handedOut = 0
    let ended = 0
    const startedAt = performance.now()
    const before = process.cpuUsage()
    const pump = (): void => {
      while (pool.freeSlots > 0 && handedOut < RECORDS) {
        handedOut += BATCH_RECORDS
        pool.execute(batch, (run) => {
          ended += run.invocations.length
        })
      }
      if (ended < RECORDS) return
      const { user, system } = process.cpuUsage(before)
      resolve({ wall: ((performance.now() - startedAt) * 1000) / RECORDS, cpu: (user + system) / RECORDS })
    }
    pool.onRoom = pump
    pump()
  })
}

/** Microseconds from handing out one record to its outcome, nothing else going on. */
async function idle(pool: WorkerPool): Promise<number[]> {
  const batch = batchOf(1, 1)
  const times: number[] = []
  pool.onRoom = () => undefined
  for (let round = 0; round < IDLE_ROUNDS; round += 1) {
    const startedAt = performance.now()
    await new Promise<void>((resolve) => {
      pool.execute(batch, () => resolve())
    })
    times.push((performance.now() - startedAt) * 1000)
    // A little pause between records, as when idle: both sides have gone to sleep.
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  return times.sort((a, b) => a - b)
}

const quantile = (sorted: readonly number[], q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]!
const show = (value: number): string => value.toFixed(2)

console.log(
  `Node ${process.version}, ${availableParallelism()} cores, ${RECORD_BYTES}-byte records, batches of ${BATCH_RECORDS}`,
)
for (const threads of [1, 2]) {
  const pool = await startPool(threads)
  for (const runLength of [1, BATCH_RECORDS]) {
    await saturate(pool, runLength)
    const rounds: Cost[] = []
    for (let round = 0; round < ROUNDS; round += 1) rounds.push(await saturate(pool, runLength))
    rounds.sort((a, b) => a.wall - b.wall)
    const { wall } = rounds[ROUNDS >> 1]!
    const cpu = rounds.map((round) => round.cpu).sort((a, b) => a - b)[ROUNDS >> 1]!
    const spread = `${show(rounds[0]!.wall)}–${show(rounds.at(-1)!.wall)}`
    console.log(
      `${threads} threads, lanes of ${runLength}: ${show(wall)} µs a record (${spread}), CPU of all threads ${show(cpu)} µs`,
    )
  }
  const times = await idle(pool)
  console.log(
    `${threads} threads, idle: p50 ${show(quantile(times, 0.5))} µs, p95 ${show(quantile(times, 0.95))} µs, p99 ${show(quantile(times, 0.99))} µs`,
  )
  await pool.destroy()
}
