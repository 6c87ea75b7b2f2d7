/** What does state cost work on threads? Its bytes cross with each run of a key, and come back. */
import type { Benchmark } from '../harness/benchmark.ts'
import type { Contender } from '../harness/contender.ts'
import type { BacklogSettings } from '../harness/data-set.ts'
import { cell, costCells, costColumns, failureRemarks } from '../harness/report.ts'
import { perInputCells, perInputColumns } from './per-input.ts'

interface Its extends BacklogSettings {
  readonly keys: number
  /** Of work a record. */
  readonly workus: number
  readonly statebytes: number
  readonly threads: number
}

const without = 'Troupe, at least once, no state'
const onlyExactly = 'Troupe, exactly once, no state'
const withState = 'Troupe, exactly once, with state'

export const stateThreads: Benchmark<Its> = {
  name: 'state-threads',
  question: 'A backlog, 100 µs of keyed work a record on threads: what does 1 kB of state a key leave of its speed?',
  goal: '≥ 0.85 of the same work without state',
  defaults: { records: 100_000, partitions: 4, keys: 10_000, bytes: 100, workus: 100, statebytes: 1_000, threads: 2 },
  async run({ settings, kafka, alternate, log }) {
    const { records, partitions, keys, bytes, workus, statebytes: stateBytes, threads } = settings
    const warmUp = Math.ceil(records / 5)
    const total = Math.ceil((records + warmUp) * 1.2)
    const broker = await kafka()
    const work = { spin: Math.round(workus * (await calibrate())) }
    log(`filling a topic with ${total.toLocaleString('en')} records`)
    const topic = await broker.fill({ records: total, partitions, keys, valueBytes: bytes })
    const its = (guarantee: string | null, bytesOfState: number) => ({
      settings: { keys, work, threads, guarantee, stateBytes: bytesOfState },
      module: 'state/troupe-threads.mjs',
      isProfiled: true,
      limitSeconds: 120,
      topic,
      records,
      warmUp,
    })
    const contenders: readonly Contender[] = [
      { name: without, ...its('at-least-once', 0) },
      { name: onlyExactly, ...its('exactly-once', 0) },
      { name: withState, ...its('exactly-once', stateBytes) },
    ]
    const rounds = await alternate(contenders)
    const rows = contenders.map(({ name }) => ({
      name,
      ...(name === withState ? { goal: '≥ 0.85' } : {}),
      cells: [
        cell(rounds.ratio(name, without), 2),
        cell(
          rounds.paired([name, without], (own, base) => base.cpuUs / own.cpuUs),
          2,
        ),
        ...perInputCells(rounds, name),
        ...costCells(rounds, name),
      ],
    }))
    const columns = ['by no state', 'the same by CPU', ...perInputColumns, ...costColumns]
    return [
      { title: `${workus} µs of work, ${stateBytes} bytes a key`, columns, rows, remarks: failureRemarks(rounds) },
    ]
  },
}

async function calibrate(): Promise<number> {
  const module = new URL('../contenders/work.mjs', import.meta.url).href
  const work = (await import(module)) as { calibrate: () => number }
  return work.calibrate()
}
