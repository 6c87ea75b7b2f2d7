/** Two streams, joined by key and time, exactly-once: how fast, beside Kafka Streams? */
import type { Benchmark } from '../harness/benchmark.ts'
import type { Contender } from '../harness/contender.ts'
import { timesUntilNow, type DataSet } from '../harness/data-set.ts'
import { prefetch } from '../harness/prefetch.ts'
import { cell, costCells, costColumns, failureRemarks } from '../harness/report.ts'
import { contendersOf, type RivalRow } from '../rivals/contenders.ts'
import { prepareRivals } from '../rivals/rivals.ts'
import { perInputCells, perInputColumns } from '../state/per-input.ts'

interface Its {
  readonly [name: string]: number
  /** Of both sides. */
  readonly records: number
  readonly partitions: number
  readonly keys: number
  readonly bytes: number
  /** So many records of both sides have happened in a minute of their own time. */
  readonly perminute: number
}

const withinMs = 60_000
const raw = 'bare consume loop of the same client, both topics'
const troupe = 'Troupe, state in memory'

const streams = (store: 'memory' | 'RocksDB', threads: number): RivalRow => ({
  rival: 'Kafka Streams',
  name: `Kafka Streams, exactly_once_v2, ${threads === 1 ? '1 thread' : `${threads} threads`}, ${store === 'memory' ? 'in memory' : 'RocksDB'}`,
  share: 1,
  env: { GUARANTEE: 'exactly_once_v2', THREADS: String(threads), STORE: store, WITHIN_MS: String(withinMs) },
})
const rivalRows = [streams('memory', 1), streams('memory', 2), streams('RocksDB', 1)]

export const join: Benchmark<Its> = {
  name: 'join',
  question:
    'A backlog of two streams, joined where a key has records of both within a minute, exactly-once, one process: how fast?',
  goal: '≥ 60,000 records/s',
  defaults: { records: 1_200_000, partitions: 4, keys: 100_000, bytes: 100, perminute: 100_000 },
  async run({ settings, kafka, alternate, log }) {
    const { records, partitions, keys, bytes, perminute: perMinute } = settings
    const rivals = await prepareRivals(log, 'join', ['Kafka Streams'])
    const warmUp = Math.ceil(records / 3)
    const ofSide = Math.ceil(((records + warmUp) * 1.1) / 2)
    const times = timesUntilNow(ofSide, perMinute / 2)
    const left: DataSet = { records: ofSide, partitions, keys, isHashed: true, valueBytes: bytes, times, seed: 1 }
    const right: DataSet = { ...left, seed: 2 }
    const broker = await kafka()
    log(`filling two topics with ${ofSide.toLocaleString('en')} records each`)
    const [topic, other] = [await broker.fill(left), await broker.fill(right)]
    const part = (share: number) => ({ topic, records: Math.ceil(records * share), warmUp: Math.ceil(warmUp * share) })
    const contenders: readonly Contender[] = [
      { name: raw, module: 'raw-loop.mjs', settings: { client: prefetch, others: [other] }, ...part(1) },
      {
        ...{ name: troupe, module: 'windows/troupe-join.mjs', isProfiled: true, ...part(1) },
        settings: { right: other, check: { withinMs, left, right } },
      },
      ...contendersOf(
        rivalRows.map((row) => ({ ...row, env: { ...row.env, RIGHT: other } })),
        rivals,
        part,
      ).map((contender) => ({ ...contender, settings: { ...contender.settings, inputs: [topic, other] } })),
    ].map((contender) => ({ ...contender, limitSeconds: 180 }))
    const rounds = await alternate(contenders)
    const rows = contenders.map(({ name }) => ({
      name,
      ...(name === troupe ? { goal: '≥ 60,000/s' } : {}),
      cells: [
        cell(rounds.ratio(name, raw), 2),
        cell(rounds.spread(name, ({ notes }) => notes['pairs'])),
        ...perInputCells(rounds, name),
        ...costCells(rounds, name),
      ],
    }))
    const remarks = [
      `${perMinute.toLocaleString('en')} records of both sides in a minute of their own time, in order: a record has ${(perMinute / keys).toFixed(1)} partners`,
      'pairs of Troupe are compared with a plain computation: a wrong, repeated or missing one fails the run',
      ...rivals.remarks,
      ...failureRemarks(rounds),
    ]
    const columns = ['ratio to bare loop', 'pairs, checked', ...perInputColumns, ...costColumns]
    return [{ title: `Joined: ${keys.toLocaleString('en')} keys, a minute`, columns, rows, remarks }]
  },
}
