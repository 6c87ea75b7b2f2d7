/** Exactly-once, at a modest rate: how long until who reads what is committed sees a record's output? */
import type { Benchmark } from '../harness/benchmark.ts'
import type { Contender } from '../harness/contender.ts'
import { cell, costCells, costColumns, failureRemarks } from '../harness/report.ts'
import { perInputCells, perInputColumns } from './per-input.ts'

const warmUpSeconds = 3
const counted = 'Troupe, exactly once, with state'

export const stateLatency: Benchmark<{
  rate: number
  seconds: number
  partitions: number
  keys: number
  bytes: number
  lingerms: number
}> = {
  name: 'state-latency',
  question:
    'From when a record was to be sent to when a read_committed reader has its output: how long, at 1,000 records/s?',
  goal: 'exactly once with state: p50 ≤ 90 ms, p99 ≤ 250 ms',
  defaults: { rate: 1_000, seconds: 15, partitions: 4, keys: 10_000, bytes: 100, lingerms: 0 },
  async run({ settings, kafka, alternate }) {
    const { rate, seconds, partitions, keys, bytes, lingerms: lingerMs } = settings
    const topic = await (await kafka()).createTopic('state-latency', partitions)
    const warmUp = rate * warmUpSeconds
    const records = rate * seconds
    const contenders: readonly Contender[] = [
      { name: counted, own: { hasState: true } },
      { name: 'Troupe, exactly once, no state', own: { hasState: false, guarantee: 'exactly-once' } },
      { name: 'Troupe, at least once', own: { hasState: false, guarantee: 'at-least-once' } },
    ].map(({ name, own }) => ({
      name,
      module: 'state/latency-troupe.mjs',
      settings: { rate, records, warmUp, partitions, keys, bytes, lingerMs, ...own },
      isProfiled: true,
      topic,
      records,
      warmUp,
    }))
    const rounds = await alternate(contenders)
    const rows = contenders.map(({ name }) => ({
      name,
      ...(name === counted ? { goal: '≤ 90, ≤ 250' } : {}),
      cells: [
        ...['p50', 'p95', 'p99', 'greatest', 'sentLateP95'].map((note) =>
          cell(
            rounds.spread(name, ({ notes }) => notes[note]),
            1,
          ),
        ),
        ...perInputCells(rounds, name),
        ...costCells(rounds, name),
      ],
    }))
    const columns = [
      ...['p50 ms', 'p95 ms', 'p99 ms', 'greatest ms', 'sent late p95 ms'],
      ...perInputColumns,
      ...costColumns,
    ]
    return [{ title: `At ${rate} records/s`, columns, rows, remarks: failureRemarks(rounds) }]
  },
}
