/** How long does a record take when there is room to spare, and when there is hardly any? */
import type { Benchmark } from './harness/benchmark.ts'
import type { Contender } from './harness/contender.ts'
import { cell, costCells, costColumns, failureRemarks } from './harness/report.ts'

interface Its {
  readonly [name: string]: number
  readonly seconds: number
  readonly partitions: number
  readonly keys: number
  readonly bytes: number
  readonly workus: number
  readonly threads: number
  readonly lingerms: number
}

const backlog = 20_000
const warmUpSeconds = 2
const loop = 'bare loop'
const troupe = 'Troupe'

export const latency: Benchmark<Its> = {
  name: 'latency',
  question: 'From when a record was to be sent to when its 100 µs of work are done: how long does it take?',
  goal: 'at half of what the bare loop can do: p95 ≤ 2 × the p95 of the bare loop at the same rate',
  // `lingerms`: the producer's; 0 is the hardest, each record a request of its own.
  defaults: { seconds: 5, partitions: 12, keys: 10_000, bytes: 100, workus: 100, threads: 2, lingerms: 0 },
  async run({ settings, kafka, alternate, log }) {
    const { seconds, partitions, keys, bytes, workus, threads, lingerms: lingerMs } = settings
    const broker = await kafka()
    const work = { spin: Math.round((await calibrate()) * workus) }
    const filled = await broker.fill({ records: backlog * 1.4, partitions, keys, valueBytes: bytes })
    const saturated = { topic: filled, records: backlog, warmUp: backlog / 10, settings: { keys, work, threads } }
    log('what each can do')
    const capacity = await alternate([
      { name: loop, module: 'work-loop.mjs', ...saturated },
      { name: troupe, module: 'troupe-threads.mjs', ...saturated },
    ])
    const most = (name: string): number => capacity.spread(name, (each) => each.recordsPerSecond)?.median ?? 8_000
    const topic = await broker.createTopic('latency', partitions)
    const at = (name: string, module: string, rate: number): Contender => {
      const warmUp = Math.round(rate * warmUpSeconds)
      const records = Math.round(rate * seconds)
      const its = { rate, records, warmUp, partitions, keys, bytes, work, threads, lingerMs }
      return { name, module, topic, records, warmUp, settings: its, isProfiled: name.startsWith(troupe) }
    }
    const half = most(loop) * 0.5
    const nearly = most(loop) * 0.9
    const rates = [half, half, nearly, nearly, most(troupe) * 0.9]
    const contenders = [
      at(`${loop}, at 50 % of what it can do`, 'latency-loop.mjs', half),
      at(`${troupe}, at the same rate`, 'latency-troupe.mjs', half),
      at(`${loop}, at 90 % of what it can do`, 'latency-loop.mjs', nearly),
      at(`${troupe}, at that rate`, 'latency-troupe.mjs', nearly),
      at(`${troupe}, at 90 % of what it can do`, 'latency-troupe.mjs', rates[4]!),
    ]
    const rounds = await alternate(contenders)
    // Each beside the bare loop at its rate; at the last one the bare loop would fall ever farther behind.
    const bases = [0, 0, 2, 2, null].map((base) => (base === null ? null : contenders[base]!.name))
    const rows = contenders.map(({ name }, index) => {
      const base = bases[index] ?? null
      const by =
        base === null ? null : rounds.paired([name, base], (own, other) => own.notes['p95']! / other.notes['p95']!)
      const note = (note: string) =>
        cell(
          rounds.spread(name, ({ notes }) => notes[note]),
          2,
        )
      const quantiles = ['p50', 'p95', 'p99', 'greatest', 'sentLateP95'].map(note)
      // Below 1 it falls behind.
      const kept = cell(
        rounds.spread(name, ({ recordsPerSecond }) => recordsPerSecond / rates[index]!),
        2,
      )
      return {
        name,
        ...(index === 1 ? { goal: '≤ 2' } : {}),
        cells: [cell(by, 2), ...quantiles, kept, ...costCells(rounds, name)],
      }
    })
    const can = [loop, troupe].map((name) => ({
      name,
      cells: [cell(capacity.ratio(name, loop), 2), ...costCells(capacity, name)],
    }))
    const columns = [
      'p95 by the bare loop’s',
      ...['p50 ms', 'p95 ms', 'p99 ms', 'greatest ms'],
      'sent late p95 ms',
      'of the rate',
      ...costColumns,
    ]
    const remarks = [...failureRemarks(capacity), ...failureRemarks(rounds)]
    return [
      { title: 'From when a record was to be sent to the end of its work', columns, rows, remarks },
      { title: 'What each can do', columns: ['ratio to the bare loop', ...costColumns], rows: can },
    ]
  },
}

async function calibrate(): Promise<number> {
  const module = new URL('contenders/work.mjs', import.meta.url).href
  const work = (await import(module)) as { calibrate: () => number }
  return work.calibrate()
}
