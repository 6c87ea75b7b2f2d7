/**
 * Yahoo's streaming benchmark: of events of advertisements the views are kept, each is given its campaign from a table, and the views of
 * each campaign are counted in windows of ten seconds. How many events a second from a backlog, and how late is a window's count live?
 */
import type { Benchmark } from '../harness/benchmark.ts'
import type { Contender } from '../harness/contender.ts'
import { cell, costCells, costColumns, failureRemarks } from '../harness/report.ts'
import { perInputCells, perInputColumns } from '../state/per-input.ts'
import { adsOf, eventsOf, windowMs, type YahooData } from './yahoo-data.ts'

interface Its {
  readonly [name: string]: number | string
  /** Of the backlog. */
  readonly events: number
  readonly partitions: number
  /** So many events of the backlog are in a second of their own time. */
  readonly persecond: number
  /** Live: events a second. */
  readonly rate: number
  readonly seconds: number
  /** `global`: events have no key, as in the original; `keyed`: their ad is their key, and the table has as many partitions. */
  readonly table: string
}

const backlog = 'Troupe, exactly once, from a backlog'
const live = 'Troupe, exactly once, live'
const warmUpWindows = 2

export const yahoo: Benchmark<Its> = {
  name: 'yahoo',
  question:
    "Yahoo's streaming benchmark, exactly-once, one process: how many events a second from a backlog, and how long after its end is a window's count there, live?",
  goal: 'results as a plain computation has them; rate and latency reported',
  rounds: 3,
  defaults: { events: 1_500_000, partitions: 4, persecond: 5_000, rate: 5_000, seconds: 90, table: 'global' },
  async run({ settings, kafka, alternate, log }) {
    const { events, partitions, persecond: perSecond, rate, seconds, table } = settings
    if (table !== 'global' && table !== 'keyed') throw new Error(`--table is global or keyed, not ${table}`)
    const isKeyed = table === 'keyed'
    const windows = Math.ceil(events / perSecond / (windowMs / 1_000))
    const fromMs = (Math.floor(Date.now() / windowMs) - windows - 1) * windowMs
    const data: YahooData = { events, partitions, fromMs, perSecond, isKeyed }
    const broker = await kafka()
    log(`filling topics with ${events.toLocaleString('en')} events and their ads`)
    const ads = await broker.createTopic('ads', partitions, { 'cleanup.policy': 'compact' })
    await broker.write(ads, adsOf(data))
    const topic = await broker.createTopic('events', partitions)
    await broker.write(topic, eventsOf(data))
    const sent = await broker.createTopic('live', partitions)
    const own = { ads, isKeyed, partitions, windowMs, warmUpWindows, check: { data } }
    const contenders: readonly Contender[] = [
      {
        ...{ name: backlog, module: 'windows/troupe-yahoo.mjs', isProfiled: true, topic, limitSeconds: 180 },
        // The last window stays open.
        ...{ records: Math.floor(events * 0.6), warmUp: Math.floor(events * 0.2) },
        settings: { ...own, rate: null },
      },
      {
        ...{ name: live, module: 'windows/troupe-yahoo.mjs', topic: sent, limitSeconds: seconds + 60 },
        ...{ records: Math.floor(rate * seconds * 0.6), warmUp: Math.floor(rate * 2 * (windowMs / 1_000)) },
        settings: { ...own, rate },
      },
    ]
    const rounds = await alternate(contenders)
    const rows = contenders.map(({ name }) => ({
      name,
      cells: [
        cell(rounds.spread(name, ({ notes }) => notes['finals'])),
        ...['p50', 'p95', 'p99', 'greatest'].map((note) => cell(rounds.spread(name, ({ notes }) => notes[note]))),
        ...perInputCells(rounds, name),
        ...costCells(rounds, name),
      ],
    }))
    const columns = [...['finals', 'p50 ms', 'p95 ms', 'p99 ms', 'greatest ms'], ...perInputColumns, ...costColumns]
    const remarks = [
      'records/s: events of which finals have come, three a view; of a backlog all finals are compared with a plain computation',
      `live: ${rate.toLocaleString('en')} events/s; ms from the end of a window to when a read_committed reader has its count`,
      ...failureRemarks(rounds),
    ]
    return [{ title: `100 campaigns, windows of ten seconds, table ${table}`, columns, rows, remarks }]
  },
}
