/** Keyed CPU work on two threads: how near does it come to what the two cores can give? */
import type { Benchmark } from './harness/benchmark.ts'
import type { Contender, Measurement } from './harness/contender.ts'
import { cell, costCells, costColumns, failureRemarks, type Table } from './harness/report.ts'
import type { Rounds } from './harness/rounds.ts'

const threads = 2
const raw = 'raw client, no work'

interface Work {
  readonly name: string
  /** Microseconds a record, one thread alone: for choosing how many records there are. */
  readonly aboutUs: number
  readonly work: { readonly spin: number } | { readonly sha256: number }
}

interface Plan {
  readonly work: Work
  readonly bare: string
  readonly troupe: string
  readonly loop: string
  readonly piscina: string
}

export const cpu: Benchmark<{
  work: string
  seconds: number
  partitions: number
  keys: number
  bytes: number
}> = {
  name: 'cpu',
  question: 'Keyed CPU work on two threads, a backlog: how much of two cores becomes work, and is the event loop free?',
  goal: '≥ 0.90 of 2 cores ÷ (work + raw client + broker); at 0.7 ms ahead of kafkajs + one Piscina task a record; loop delay p99 ≤ 20 ms',
  // `seconds`: about as long is each measured.
  defaults: { work: 'all', seconds: 4, partitions: 12, keys: 1_000, bytes: 100 },
  async run({ settings, kafka, alternate, log }) {
    const perUs = await calibrate()
    log(`plain JavaScript: ${perUs.toFixed(0)} iterations a microsecond`)
    const plans = worksOf(perUs)
      .filter(({ name }) => settings.work === 'all' || settings.work === name)
      .map(planOf)
    if (plans.length === 0)
      throw new Error(
        `--work is all, ${worksOf(1)
          .map(({ name }) => name)
          .join(', ')}`,
      )
    const countOf = ({ aboutUs }: Work): number => Math.ceil((settings.seconds * 1.5e6) / (aboutUs + 6))
    const most = Math.max(300_000, ...plans.map(({ work }) => countOf(work)))
    const { partitions, keys, bytes } = settings
    const broker = await kafka()
    const topic = await broker.fill({ records: Math.ceil(most * 1.6), partitions, keys, valueBytes: bytes })
    const contenders: Contender[] = [{ name: raw, module: 'raw-loop.mjs', topic, records: 300_000, warmUp: 100_000 }]
    for (const { work, bare, troupe, loop, piscina } of plans) {
      const records = countOf(work)
      const same = { records, warmUp: Math.ceil(records / 4), settings: { work: work.work, keys, threads } }
      contenders.push(
        { name: bare, module: 'bare-threads.mjs', ...same },
        { name: troupe, module: 'troupe-threads.mjs', topic, isProfiled: true, ...same },
        // One core: half of the records take as long.
        { name: loop, module: 'work-loop.mjs', topic, ...same, records: Math.ceil(records / 2) },
        { name: piscina, module: 'kafkajs-piscina.mjs', topic, ...same },
      )
    }
    const rounds = await alternate(contenders)
    const remarks = [`plain JavaScript: ${perUs.toFixed(0)} iterations a microsecond`, ...failureRemarks(rounds)]
    return plans.map((plan) => ({ ...tableOf(plan, rounds), remarks: [...boundRemarks(plan, rounds), ...remarks] }))
  },
}

function worksOf(perUs: number): readonly Work[] {
  const spin = (us: number): Work['work'] => ({ spin: Math.round(us * perUs) })
  return [
    { name: '700us', aboutUs: 700, work: spin(700) },
    { name: '100us', aboutUs: 100, work: spin(100) },
    { name: '20us', aboutUs: 20, work: spin(20) },
    { name: '500xsha256', aboutUs: 700, work: { sha256: 500 } },
  ]
}

const planOf = (work: Work): Plan => ({
  work,
  bare: `${work.name}: the work alone in two threads`,
  troupe: `${work.name}: Troupe, two threads, key order`,
  loop: `${work.name}: one bare loop of the same client`,
  piscina: `${work.name}: kafkajs, one Piscina task a record, Promise.all`,
})

async function calibrate(): Promise<number> {
  const module = new URL('contenders/work.mjs', import.meta.url).href
  const work = (await import(module)) as { calibrate: () => number }
  return work.calibrate()
}

/** Microseconds of one of two threads at once. */
const workUs = (bare: Measurement): number => (threads * 1e6) / bare.recordsPerSecond

/** Records a second, if two cores did nothing but the work and what client and broker need. */
const boundOf = (bare: Measurement, client: Measurement): number => (threads * 1e6) / (workUs(bare) + costOf(client))

/** Microseconds of CPU a record, the broker's with it. */
const costOf = ({ cpuUs, brokerCpuUs }: Measurement): number => cpuUs + (brokerCpuUs ?? 0)

function tableOf({ work, bare, troupe, loop, piscina }: Plan, rounds: Rounds): Table {
  const rows = [troupe, piscina, loop].map((name) => ({
    name,
    ...(name === troupe ? { goal: '≥ 0.90' } : {}),
    cells: [
      cell(
        rounds.paired([name, bare, raw], (own, two, client) => own.recordsPerSecond / boundOf(two, client)),
        2,
      ),
      cell(
        rounds.paired([name, bare, raw], (own, two, client) => (two.cpuUs + costOf(client)) / costOf(own)),
        2,
      ),
      cell(rounds.ratio(name, loop), 2),
      cell(rounds.ratio(name, piscina), 2),
      cell(
        rounds.spread(name, ({ notes }) => notes['latePercent']),
        2,
      ),
      ...costCells(rounds, name),
    ],
  }))
  return {
    title: work.name,
    columns: [
      'ratio to bound',
      'the same by CPU',
      '× one bare loop',
      '× kafkajs + Piscina',
      'out of key order %',
      ...costColumns,
    ],
    rows,
  }
}

function boundRemarks({ bare }: Plan, rounds: Rounds): string[] {
  const works = rounds.spread(bare, workUs)
  const clients = rounds.spread(raw, ({ cpuUs }) => cpuUs)
  const brokers = rounds.spread(raw, ({ brokerCpuUs }) => brokerCpuUs)
  const bounds = rounds.paired([bare, raw], (two, client) => boundOf(two, client))
  if (works === null || clients === null || bounds === null) return []
  const parts = `work ${works.median.toFixed(1)} µs in two threads at once, raw client ${clients.median.toFixed(1)} µs, broker ${brokers?.median.toFixed(1) ?? '?'} µs`
  return [`bound: ${Math.round(bounds.median).toLocaleString('en')} records/s (${parts})`]
}
