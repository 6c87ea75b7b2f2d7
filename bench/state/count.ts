/** Counting by key, exactly-once: what is left of the speed of the bare client, and what do others make of it? */
import { fileURLToPath } from 'node:url'
import { contendersOf, type RivalRow } from '../rivals/contenders.ts'
import { prepareRivals, type Command, type Rivals } from '../rivals/rivals.ts'
import type { BenchmarkRun, Benchmark } from '../harness/benchmark.ts'
import type { Contender } from '../harness/contender.ts'
import type { DataSet } from '../harness/data-set.ts'
import { prefetch } from '../harness/prefetch.ts'
import { cell, costCells, costColumns, failureRemarks, type Table } from '../harness/report.ts'
import { perInputCells, perInputColumns } from './per-input.ts'

interface Its {
  readonly [name: string]: number | string
  readonly records: number
  readonly partitions: number
  readonly bytes: number
  /** Of the sets of keys, separated by commas. */
  readonly sets: string
}

interface KeySet {
  /** As `sets` has it. */
  readonly id: string
  readonly name: string
  readonly keys: number
  readonly choice: NonNullable<DataSet['choice']>
  /** Of Troupe's contenders: the ratios to reach. */
  readonly goals: Readonly<Record<string, string>>
}

const raw = 'bare consume loop of the same client'
const perKey = 'one output a key and checkpoint'
const perRecord = 'one output a record'
const latest = `Troupe, state in memory, ${perKey}`
const memory = `Troupe, state in memory, ${perRecord}`
/** What is kept from one checkpoint to the next outlives a small young generation, and is copied. */
const young = 64
const roomy = `Troupe, state in memory, ${perRecord}, --max-semi-space-size=${young}`
const disk = `Troupe, state on disk, ${perRecord}`
const silent = 'Troupe, state in memory, no output'
const twice = `Troupe, two instances, state in memory, ${perRecord}`

/** Counted by its positions, as those that are not ours. */
const twoInstances: Command = [
  process.execPath,
  fileURLToPath(new URL('../../dist/supervisor/cli/cli.js', import.meta.url)),
  'run',
  fileURLToPath(new URL('../contenders/state/count-app.mjs', import.meta.url)),
  '--instances',
  '2',
]

const keySets: readonly KeySet[] = [
  {
    id: 'alike',
    name: '10,000 keys, all alike',
    keys: 10_000,
    choice: 'alike',
    goals: { [latest]: '≥ 0.58', [memory]: '≥ 0.45' },
  },
  { id: 'zipf', name: "10,000 keys, by Zipf's law", keys: 10_000, choice: 'zipf', goals: {} },
  {
    id: 'million',
    name: 'a million keys, all alike',
    keys: 1_000_000,
    choice: 'alike',
    goals: { [memory]: '≥ 0.40', [disk]: '≥ 0.25' },
  },
]

const streams = (guarantee: string, cache: number, threads: number): RivalRow => ({
  rival: 'Kafka Streams',
  name: `Kafka Streams, ${guarantee}, ${threads === 1 ? '1 thread' : `${threads} threads`}, ${cache > 0 ? `cache: ${perKey}` : `no cache: ${perRecord}`}`,
  share: cache > 0 ? 1 : 0.5,
  env: { GUARANTEE: guarantee, CACHE_BYTES: String(cache), THREADS: String(threads), STORE: 'memory' },
})
/** Its default. */
const cacheBytes = 10_485_760

const rivalRows: readonly RivalRow[] = [
  streams('exactly_once_v2', cacheBytes, 1),
  streams('exactly_once_v2', cacheBytes, 2),
  streams('exactly_once_v2', 0, 1),
  streams('exactly_once_v2', 0, 2),
  streams('at_least_once', cacheBytes, 2),
  streams('at_least_once', 0, 2),
  {
    rival: 'Quix Streams',
    name: `Quix Streams, exactly-once, ${perRecord}`,
    share: 0.15,
    env: { GUARANTEE: 'exactly-once' },
  },
  {
    rival: 'Faust',
    name: `Faust, at least once, ${perRecord}`,
    // Its positions are committed in jumps, some of many seconds: it needs the time.
    share: 0.03,
    env: { GUARANTEE: 'at_least_once' },
  },
]

export const stateCount: Benchmark<Its> = {
  name: 'state-count',
  question:
    'A backlog, counted by key, exactly-once, the handler on main: what is left of the speed of the bare client?',
  goal: `of the bare consume loop: 10,000 keys ≥ 0.58 with ${perKey}, ≥ 0.45 with ${perRecord}; a million keys ≥ 0.40 in memory, ≥ 0.25 on disk; ≥ 2 × Quix Streams, ≥ 40 × Faust`,
  defaults: { records: 2_400_000, partitions: 4, bytes: 100, sets: 'alike,zipf,million' },
  async run(run) {
    const rivals = await prepareRivals(run.log, 'count')
    const wanted = run.settings.sets.split(',')
    const tables: Table[] = []
    for (const set of keySets.filter(({ id }) => wanted.includes(id))) {
      tables.push(await countedWith(set, rivals, run))
    }
    return tables
  },
}

async function countedWith(set: KeySet, rivals: Rivals, run: BenchmarkRun<Its>): Promise<Table> {
  const { records, partitions, bytes } = run.settings
  // Java compiles what it runs often: it is not measured before it has.
  const warmUp = Math.ceil(records / 3)
  const total = Math.ceil((records + warmUp) * 1.1)
  const broker = await run.kafka()
  run.log(`filling a topic with ${total.toLocaleString('en')} records, ${set.name}`)
  const topic = await broker.fill({ records: total, partitions, keys: set.keys, choice: set.choice, valueBytes: bytes })
  const part = (share: number) => ({ topic, records: Math.ceil(records * share), warmUp: Math.ceil(warmUp * share) })
  const named = (name: string): string => `${name} (${set.name})`
  const contenders: readonly Contender[] = [
    { name: raw, module: 'raw-loop.mjs', settings: { client: prefetch }, ...part(1) },
    ...['key', 'record'].map((outputs) => ({
      name: `by hand with the same client, ${outputs === 'key' ? perKey : perRecord}`,
      module: 'state/raw-transactions.mjs',
      settings: { client: prefetch, outputs },
      ...part(1),
    })),
    ...[
      { name: latest, settings: { store: 'memory', outputs: 'key' } },
      { name: memory, settings: { store: 'memory', outputs: 'record' } },
      {
        name: roomy,
        settings: { store: 'memory', outputs: 'record' },
        nodeOptions: [`--max-semi-space-size=${young}`],
      },
      { name: silent, settings: { store: 'memory', outputs: 'none' } },
      { name: disk, settings: { store: 'disk', outputs: 'record' } },
    ].map((each) => ({ ...each, module: 'state/troupe-count.mjs', isProfiled: true, ...part(0.7) })),
    { name: twice, module: 'state/rival.mjs', settings: { command: twoInstances, env: {} }, ...part(1) },
    ...contendersOf(rivalRows, rivals, part),
  ].map((contender) => ({ ...contender, name: named(contender.name), limitSeconds: 180 }))
  const rounds = await run.alternate(contenders)
  const rows = contenders.map(({ name }) => {
    const goal = Object.entries(set.goals).find(([own]) => named(own) === name)?.[1]
    return {
      name: name.replace(` (${set.name})`, ''),
      ...(goal === undefined ? {} : { goal }),
      cells: [
        cell(rounds.ratio(name, named(raw)), 2),
        cell(rounds.ratio(named(memory), name), 2),
        ...perInputCells(rounds, name),
        ...costCells(rounds, name),
      ],
    }
  })
  const columns = ['ratio to bare loop', 'Troupe in memory by this', ...perInputColumns, ...costColumns]
  return { title: `Counted: ${set.name}`, columns, rows, remarks: [...rivals.remarks, ...failureRemarks(rounds)] }
}
