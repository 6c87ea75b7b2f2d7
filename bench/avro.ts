/** What does Avro cost a record, beside avsc alone with the same types, and beside a registry client? No broker, no registry. */
import type { Benchmark } from './harness/benchmark.ts'
import type { Contender } from './harness/contender.ts'
import { cell, failureRemarks, type Cell, type Table } from './harness/report.ts'
import type { Rounds } from './harness/rounds.ts'

interface Row {
  readonly way: string
  readonly name: string
  readonly goal?: string
}

const decoding: readonly Row[] = [
  { way: 'troupe decode', name: 'Troupe', goal: '≤ 1.1 × avsc, ≥ 20 × the client' },
  { way: 'avsc decode', name: 'avsc with the same bigints, dates and decimals' },
  { way: 'kafkajs decode', name: '@kafkajs/confluent-schema-registry with a reader schema' },
  { way: 'kafkajs compiled', name: 'the same with an avsc type, compiled once, in its place' },
  { way: 'troupe part', name: 'Troupe, 3 of 10 fields', goal: 'faster than all' },
  { way: 'avsc part', name: 'avsc, the same 3 fields' },
]

const encoding: readonly Row[] = [
  { way: 'troupe encode', name: 'Troupe', goal: '≤ 1.1 × avsc' },
  { way: 'avsc encode', name: 'avsc with the same bigints, dates and decimals' },
  { way: 'kafkajs encode', name: '@kafkajs/confluent-schema-registry' },
]

export const avroCodec: Benchmark<{ records: number }> = {
  name: 'avro',
  question: 'What does a record of ten fields cost in Avro, with bigints, dates and decimals?',
  goal: 'decode and encode ≤ 1.1 × avsc with the same types; ≥ 20 × a registry client with a reader schema',
  defaults: { records: 2_000_000 },
  async run({ settings, alternate }) {
    const contenders = [...decoding, ...encoding].map(({ way }): Contender => {
      const records = way === 'kafkajs decode' ? Math.ceil(settings.records / 100) : settings.records
      const isProfiled = way.startsWith('troupe')
      return { name: way, module: 'avro.mjs', records, warmUp: Math.ceil(records / 4), isProfiled, settings: { way } }
    })
    const rounds = await alternate(contenders)
    return [
      tableOf(rounds, 'Decoding', decoding, 'decode'),
      { ...tableOf(rounds, 'Encoding', encoding, 'encode'), remarks: failureRemarks(rounds) },
    ]
  },
}

function tableOf(rounds: Rounds, title: string, rows: readonly Row[], what: string): Table {
  const beside = (way: string, other: string): Cell => {
    return cell(
      rounds.paired([way, other], (own, theirs) => own.cpuUs / theirs.cpuUs),
      2,
    )
  }
  const against = (way: string, other: string): Cell => {
    return cell(
      rounds.paired([way, other], (own, theirs) => theirs.cpuUs / own.cpuUs),
      1,
    )
  }
  return {
    title,
    columns: ['CPU by avsc’s', 'times the client', 'CPU µs/record', 'records/s'],
    rows: rows.map(({ goal, name, way }) => ({
      name,
      ...(goal === undefined ? {} : { goal }),
      cells: [
        beside(way, `avsc ${what}`),
        against(way, `kafkajs ${what}`),
        cell(
          rounds.spread(way, ({ cpuUs }) => cpuUs),
          2,
        ),
        cell(rounds.spread(way, ({ recordsPerSecond }) => recordsPerSecond)),
      ],
    })),
  }
}
