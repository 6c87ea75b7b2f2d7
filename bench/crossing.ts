/** What does a crossing to a worker thread cost a record, without Kafka: saturated, and in latency when idle? */
import type { Benchmark } from './harness/benchmark.ts'
import type { Contender } from './harness/contender.ts'
import { cell, costCells, costColumns, failureRemarks } from './harness/report.ts'

const threads = 2
const batchRecords = 1_000
const keys = 'Troupe, each record of another key'
const oneKey = 'Troupe, all of one key'
const piscina = 'one Piscina task a record'
const tunedPiscina = 'one Piscina task a record, tuned: atomics async, 16 at once'
const idle = 'Troupe, idle: one record'

export const crossing: Benchmark<{ records: number; bytes: number; idle: number }> = {
  name: 'crossing',
  question: 'What does a record pay for crossing to a worker thread and back, with trivial work?',
  goal: 'saturated ≤ 2 µs a record and ≥ 15 × one Piscina task a record; idle p50 ≤ 150 µs',
  defaults: { records: 1_000_000, bytes: 100, idle: 2_000 },
  async run({ settings, alternate }) {
    const { records, bytes } = settings
    const perTask = Math.ceil(records / 15)
    const warmUp = (count: number): number => Math.ceil(count / 5)
    const troupe = { module: 'crossing.mjs', records, warmUp: warmUp(records), isProfiled: true }
    const rival = { module: 'piscina-per-record.mjs', records: perTask, warmUp: warmUp(perTask) }
    const contenders: readonly Contender[] = [
      { name: keys, ...troupe, settings: { threads, bytes, runLength: 1 } },
      { name: oneKey, ...troupe, settings: { threads, bytes, runLength: batchRecords } },
      { name: piscina, ...rival, settings: { threads, bytes, atOnce: batchRecords } },
      { name: tunedPiscina, ...rival, settings: { threads, bytes, atOnce: 16, pool: { atomics: 'async' } } },
      {
        name: idle,
        module: 'crossing.mjs',
        records: settings.idle,
        warmUp: 200,
        settings: { threads, bytes, isIdle: true, records: settings.idle + 200 },
      },
    ]
    const rounds = await alternate(contenders)
    const saturated = [keys, oneKey, piscina, tunedPiscina].map((name) => ({
      name,
      ...(name === keys ? { goal: '≥ 15 ×, ≤ 2 µs' } : {}),
      cells: [
        cell(rounds.ratio(name, piscina), 1),
        cell(rounds.ratio(name, tunedPiscina), 1),
        cell(
          rounds.paired([name, tunedPiscina], (own, other) => other.cpuUs / own.cpuUs),
          1,
        ),
        cell(
          rounds.spread(name, ({ recordsPerSecond }) => 1e6 / recordsPerSecond),
          2,
        ),
        ...costCells(rounds, name),
      ],
    }))
    const quantiles = ['p50Us', 'p95Us', 'p99Us'].map((name) => cell(rounds.spread(idle, ({ notes }) => notes[name])))
    return [
      {
        title: 'Saturated',
        columns: ['× a Piscina task', '× the better of them', 'the same by CPU', 'µs/record', ...costColumns],
        rows: saturated,
        remarks: failureRemarks(rounds),
      },
      {
        title: 'Latency when idle',
        columns: ['p50 µs', 'p95 µs', 'p99 µs'],
        rows: [{ name: idle, goal: 'p50 ≤ 150', cells: quantiles }],
      },
    ]
  },
}
