/** CPU work on threads in front of a window: how much of two cores becomes work, and do finals come in the same order? */
import type { Benchmark } from '../harness/benchmark.ts'
import type { Contender } from '../harness/contender.ts'
import { timeOf, timesUntilNow, type DataSet } from '../harness/data-set.ts'
import { cell, costCells, costColumns, failureRemarks } from '../harness/report.ts'
import { perInputCells, perInputColumns } from '../state/per-input.ts'
import { totalsOf } from './totals.ts'

interface Its {
  readonly [name: string]: number
  readonly records: number
  readonly partitions: number
  readonly keys: number
  readonly bytes: number
  readonly perminute: number
  /** Of work a record. */
  readonly workus: number
  readonly threads: number
}

const sizeMs = 60_000
const bare = 'the work alone in two threads'
const prepared = 'Troupe, the work as prepare on two threads in front of windows'
const windowsAlone = 'Troupe, the windows without any work'

export const windowsPrepare: Benchmark<Its> = {
  name: 'windows-prepare',
  question:
    'A backlog, 0.7 ms of work a record on two threads in front of windows of a minute, exactly-once: how much of two cores becomes work?',
  goal: '≥ 0.90 of the same work in two bare threads, the order of finals unchanged',
  defaults: { records: 12_000, partitions: 4, keys: 100, bytes: 100, perminute: 3_000, workus: 700, threads: 2 },
  async run({ settings, kafka, alternate, log }) {
    const { records, partitions, keys, bytes, perminute: perMinute, workus, threads } = settings
    const work = { spin: Math.round(workus * (await calibrate())) }
    const warmUp = Math.ceil(records / 4)
    const total = Math.ceil((records + warmUp) * 1.2)
    const times = timesUntilNow(total, perMinute)
    const data: DataSet = { records: total, partitions, keys, isHashed: true, valueBytes: bytes, times }
    const broker = await kafka()
    log(`filling a topic with ${total.toLocaleString('en')} records`)
    const topic = await broker.fill(data)
    // Contenders end at different places: of all of them these windows have closed.
    const orderUntilMs = timeOf(times, Math.floor((warmUp + records) * 0.7))
    const orderFinals = [...totalsOf(data, sizeMs).values()].filter(({ startMs }) => startMs + sizeMs <= orderUntilMs)
    const same = { records, warmUp, limitSeconds: 120 }
    const check = { data, sizeMs, orderUntilMs }
    const own = (its: object) => ({ threads, check, orderFinals: orderFinals.length, ...its })
    const contenders: readonly Contender[] = [
      { name: bare, module: 'bare-threads.mjs', settings: { work, threads }, ...same },
      {
        ...{ name: prepared, module: 'windows/troupe-prepare.mjs', topic, isProfiled: true, ...same },
        settings: own({ work }),
      },
      { name: windowsAlone, module: 'windows/troupe-prepare.mjs', topic, settings: own({ work: null }), ...same },
    ]
    const rounds = await alternate(contenders)
    const rows = contenders.map(({ name }) => ({
      name,
      ...(name === prepared ? { goal: '≥ 0.90, 1' } : {}),
      cells: [
        cell(rounds.ratio(name, bare), 2),
        cell(
          rounds.paired([name, windowsAlone], (one, other) => {
            const [order, base] = [one.notes['order'], other.notes['order']]
            return order === undefined || base === undefined ? null : Number(order === base)
          }),
        ),
        cell(rounds.spread(name, ({ notes }) => notes['finals'])),
        ...perInputCells(rounds, name),
        ...costCells(rounds, name),
      ],
    }))
    const columns = [
      ...['ratio to bare threads', 'order of finals as without work', 'finals, checked'],
      ...perInputColumns,
      ...costColumns,
    ]
    const remarks = [
      `${perMinute.toLocaleString('en')} records in a minute of their own time: ${(records / perMinute).toFixed(1)} windows of each key close while ${records.toLocaleString('en')} are measured`,
      'order: 1 where each partition has the same finals in the same order as the windows without any work',
      ...failureRemarks(rounds),
    ]
    return [{ title: `${workus} µs of work in front of windows`, columns, rows, remarks }]
  },
}

async function calibrate(): Promise<number> {
  const module = new URL('../contenders/work.mjs', import.meta.url).href
  const work = (await import(module)) as { calibrate: () => number }
  return work.calibrate()
}
