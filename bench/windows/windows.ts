/** Counting by key and minute, exactly-once: what is left of the speed of the bare client, and what do others make of it? */
import type { Benchmark } from '../harness/benchmark.ts'
import type { Contender } from '../harness/contender.ts'
import { timesUntilNow, type DataSet } from '../harness/data-set.ts'
import { prefetch } from '../harness/prefetch.ts'
import { cell, costCells, costColumns, failureRemarks } from '../harness/report.ts'
import { contendersOf, type RivalRow } from '../rivals/contenders.ts'
import { prepareRivals } from '../rivals/rivals.ts'
import { perInputCells, perInputColumns } from '../state/per-input.ts'

interface Its {
  readonly [name: string]: number | string
  readonly records: number
  readonly partitions: number
  readonly keys: number
  readonly bytes: number
  /** So many records have happened in a minute of their own time. */
  readonly perminute: number
  /** `json`: orders, whose amounts are summed, and which say their time; else any bytes, counted. */
  readonly decode: string
}

const sizeMs = 60_000
const raw = 'bare consume loop of the same client'
const rawJson = 'bare consume loop, JSON.parse of each value'
const byHand = 'by hand with the same client, finals'
const finals = 'Troupe, finals, state in memory'
const quix = 'Quix Streams, exactly-once, finals'

const streams = (emit: 'close' | 'suppress' | 'updates', threads: number): RivalRow => ({
  rival: 'Kafka Streams',
  name: `Kafka Streams, exactly_once_v2, ${threads === 1 ? '1 thread' : `${threads} threads`}, ${
    { close: 'finals', suppress: 'finals by suppress', updates: 'updates, by its cache one a key and commit' }[emit]
  }`,
  share: 1,
  env: {
    ...{ GUARANTEE: 'exactly_once_v2', CACHE_BYTES: '10485760', THREADS: String(threads), STORE: 'memory', EMIT: emit },
  },
})

const rivalRows: readonly RivalRow[] = [
  streams('close', 1),
  streams('close', 2),
  streams('suppress', 1),
  streams('updates', 1),
  { rival: 'Quix Streams', name: quix, share: 0.15, env: { GUARANTEE: 'exactly-once' } },
  {
    rival: 'Faust',
    name: 'Faust, at least once, an update a record',
    // Its positions are committed in jumps, some of many seconds: it needs the time.
    share: 0.03,
    env: { GUARANTEE: 'at_least_once' },
  },
]

export const windows: Benchmark<Its> = {
  name: 'windows',
  question:
    'A backlog, counted by key in tumbling windows of a minute, exactly-once, one process: what is left of the speed of the bare client?',
  goal: 'of the bare consume loop: ≥ 0.58, with --decode json ≥ 0.50; ≥ 5 × Quix Streams',
  defaults: { records: 2_400_000, partitions: 4, keys: 10_000, bytes: 100, perminute: 100_000, decode: 'bytes' },
  async run({ settings, kafka, alternate, log }) {
    const { records, partitions, keys, bytes, perminute: perMinute, decode } = settings
    if (decode !== 'bytes' && decode !== 'json') throw new Error(`--decode is bytes or json, not ${decode}`)
    const isOrders = decode === 'json'
    const rivals = await prepareRivals(log, 'windows')
    // Java compiles what it runs often: it is not measured before it has.
    const warmUp = Math.ceil(records / 3)
    const total = Math.ceil((records + warmUp) * 1.1)
    const times = timesUntilNow(total, perMinute)
    const data: DataSet = { records: total, partitions, keys, isHashed: true, valueBytes: bytes, times, isOrders }
    const broker = await kafka()
    log(`filling a topic with ${total.toLocaleString('en')} records`)
    const topic = await broker.fill(data)
    const part = (share: number) => ({ topic, records: Math.ceil(records * share), warmUp: Math.ceil(warmUp * share) })
    const own = { client: prefetch, check: { data, sizeMs } }
    const env = { SIZE_MS: String(sizeMs), VALUES: isOrders ? 'orders' : 'bytes' }
    const contenders: readonly Contender[] = [
      { name: raw, module: 'raw-loop.mjs', settings: { client: prefetch }, ...part(1) },
      ...(isOrders
        ? [{ name: rawJson, module: 'windows/raw-json-loop.mjs', settings: { client: prefetch }, ...part(1) }]
        : []),
      { name: byHand, module: 'windows/raw-windows.mjs', settings: own, ...part(1) },
      ...[
        { name: finals, store: 'memory', emit: 'final' },
        { name: 'Troupe, finals, state on disk', store: 'disk', emit: 'final' },
        { name: 'Troupe, updates, state in memory', store: 'memory', emit: 'updates' },
      ].map(({ name, store, emit }) => ({
        ...{ name, module: 'windows/troupe-windows.mjs', isProfiled: true, ...part(1) },
        settings: { ...own, store, emit },
      })),
      ...contendersOf(
        rivalRows.map((row) => ({ ...row, env: { ...row.env, ...env } })),
        rivals,
        part,
      ),
    ].map((contender) => ({ ...contender, limitSeconds: 180 }))
    const rounds = await alternate(contenders)
    const rows = contenders.map(({ name }) => ({
      name,
      ...(name === finals ? { goal: isOrders ? '≥ 0.50' : '≥ 0.58' } : {}),
      cells: [
        cell(rounds.ratio(name, raw), 2),
        cell(rounds.ratio(name, byHand), 2),
        cell(rounds.ratio(name, quix), 1),
        cell(rounds.spread(name, ({ notes }) => notes['finals'])),
        ...perInputCells(rounds, name),
        ...costCells(rounds, name),
      ],
    }))
    const what = isOrders ? 'Summed' : 'Counted'
    return [
      {
        title: `${what}: ${keys.toLocaleString('en')} keys, windows of a minute`,
        columns: [
          ...['ratio to bare loop', 'ratio to by hand', '× Quix Streams', 'finals, checked'],
          ...perInputColumns,
          ...costColumns,
        ],
        rows,
        remarks: [
          `${perMinute.toLocaleString('en')} records in a minute of their own time, in order: ${(records / perMinute).toFixed(1)} windows of each key close while ${records.toLocaleString('en')} are measured, about ${Math.min(keys, Math.round(keys * (1 - Math.exp(-perMinute / keys)))).toLocaleString('en')} finals each`,
          'finals of the loop by hand and of Troupe are compared with a plain computation: a wrong, repeated, missing one or one out of order fails the run',
          ...rivals.remarks,
          ...failureRemarks(rounds),
        ],
      },
    ]
  },
}
