// The pool of worker threads by itself, without Kafka: batches of records there and back, or one record when idle.
import { availableParallelism } from 'node:os'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { WorkerPool } from '../../dist/actors/threads/worker-pool.js'
import { systemClock } from '../../dist/clock.js'
import { Lookout } from '../../dist/lookout.js'
import { silentLog } from '../../dist/log.js'
import { EngineStats } from '../../dist/metrics/stats.js'

const batchRecords = 1_000

/** The pool asks a partition actor for no more than this. */
const actor = { actor: { name: 'echo', handlerTimeoutMs: 60_000 } }

export async function run({ settings, meter }) {
  const pool = await startPool(settings.threads)
  const end = () => pool.destroy()
  if (settings.isIdle) await sendOneByOne(pool, settings, meter)
  else saturate(pool, settings, meter)
  return end
}

function startPool(count = availableParallelism()) {
  return WorkerPool.start({
    threads: {
      count,
      slots: 2,
      batchTargetMs: 5,
      maxBatchRecords: batchRecords,
      maxBatchBytes: 1024 * 1024,
      maxHeapMb: null,
      maxRssMb: null,
    },
    handlers: [
      {
        actor: 'echo',
        url: new URL('crossing-handler.mjs', import.meta.url).href,
        concurrency: 1000,
        order: 'key',
        handlerTimeoutMs: 60_000,
        idHeader: false,
        failedRecords: 'dead-letter',
      },
    ],
    clock: systemClock,
    lookout: new Lookout(systemClock),
    log: silentLog,
    stats: new EngineStats(),
    schemas: null,
    onFatal: (error) => {
      throw error
    },
  }).then(({ pool }) => pool)
}

/** With every slot taken all the time. */
function saturate(pool, { runLength, bytes }, meter) {
  const batch = batchOf(batchRecords, runLength, bytes)
  const ended = (run) => meter.count(run.invocations.length)
  const pump = () => {
    while (pool.freeSlots > 0) pool.execute(batch, ended)
  }
  pool.onRoom = pump
  pump()
}

/** From handing out one record to its outcome, nothing else going on. */
async function sendOneByOne(pool, { bytes, records }, meter) {
  const batch = batchOf(1, 1, bytes)
  const times = []
  pool.onRoom = () => {}
  meter.noteAtEnd(() => {
    times.sort((a, b) => a - b)
    const quantile = (q) => times[Math.floor(q * times.length)]
    return { p50Us: quantile(0.5), p95Us: quantile(0.95), p99Us: quantile(0.99) }
  })
  for (let sent = 0; sent < records; sent += 1) {
    const startedAt = performance.now()
    await new Promise((resolve) => pool.execute(batch, () => resolve()))
    times.push((performance.now() - startedAt) * 1000)
    meter.count()
    // A little pause, as when idle: both sides have gone to sleep.
    await sleep(1)
  }
}

/** Lanes of one record (different keys) are the dearer case. */
function batchOf(count, runLength, bytes) {
  const value = Buffer.alloc(bytes, 'v')
  const invocations = Array.from({ length: count }, (_, offset) => ({
    record: { topic: 'in', partition: 0, offset, timestamp: 0, key: Buffer.from(`key ${offset}`), value, headers: [] },
    attempt: 1,
    bytes,
    runsAlone: false,
  }))
  const runs = []
  for (let at = 0; at < count; at += runLength) {
    runs.push({ lane: {}, invocations: invocations.slice(at, at + runLength), actor })
  }
  return runs
}
