/** What each benchmark says of its goal, as one picture: `npm run bench -- chart` draws it from `bench/results`. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Table } from './harness/report.ts'
import type { Spread } from './harness/rounds.ts'

interface Goal {
  readonly label: string
  /** The benchmark, then how the title of one of its tables and the names of a row and a column begin. */
  readonly at: readonly [benchmark: string, table: string, row: string, column: string]
  readonly atLeast?: number
  readonly atMost?: number
  readonly unit?: string
}

const goals: readonly Goal[] = [
  {
    label: 'Pass-through, unordered: share of the bare client’s loop',
    at: ['pass-through', '', 'Troupe, unordered', 'ratio to raw loop'],
    atLeast: 0.9,
  },
  {
    label: 'Pass-through, key order: share of the bare client’s loop',
    at: ['pass-through', '', 'Troupe, key', 'ratio to raw loop'],
    atLeast: 0.8,
  },
  ...['700us', '100us', '20us', '500xsha256'].map((work) => ({
    label: `CPU work of ${work.replace('us', ' µs').replace('x', ' × ')}: share of what two cores can give`,
    at: ['cpu', work, `${work}: Troupe`, 'ratio to bound'] as const,
    atLeast: 0.9,
  })),
  {
    label: 'CPU work of 700 µs: × kafkajs with one Piscina task a record',
    at: ['cpu', '700us', '700us: Troupe', '× kafkajs'],
    atLeast: 1,
  },
  ...['700us', '100us', '20us', '500xsha256'].map((work) => ({
    label: `Event-loop delay p99 meanwhile, ${work.replace('us', ' µs').replace('x', ' × ')}`,
    at: ['cpu', work, `${work}: Troupe`, 'loop delay p99'] as const,
    atMost: 20,
    unit: ' ms',
  })),
  {
    label: 'Crossing to a thread and back, saturated',
    at: ['crossing', 'Saturated', 'Troupe, each', 'µs/record'],
    atMost: 2,
    unit: ' µs',
  },
  {
    label: 'Crossing: × a Piscina task a record',
    at: ['crossing', 'Saturated', 'Troupe, each', '× a Piscina'],
    atLeast: 15,
  },
  { label: 'Crossing, idle, p50', at: ['crossing', 'Latency', 'Troupe, idle', 'p50'], atMost: 150, unit: ' µs' },
  {
    label: 'Waits of 10 ms, key order, 1,000 keys',
    at: ['io', '', 'Troupe', 'records/s'],
    atLeast: 45_000,
    unit: '/s',
  },
  {
    label: 'Waits of 20 ms, partition order: share of 24 at a time',
    at: ['partition', '', 'Troupe', 'of 1,200'],
    atLeast: 0.95,
  },
  { label: 'Zipf keys: share of the hottest key’s bound', at: ['zipf', '', 'Troupe', 'of '], atLeast: 0.95 },
  {
    label: 'Latency p95 at half load: × the bare loop’s',
    at: ['latency', 'From', 'Troupe, at the same', 'p95 by'],
    atMost: 2,
  },
  {
    label: 'Clicks to Kafka and PostgreSQL: × a service by hand',
    at: ['clicks', '', 'Troupe', 'ratio'],
    atLeast: 1,
  },
  { label: 'Clicks: event-loop delay p99', at: ['clicks', '', 'Troupe', 'loop delay p99'], atMost: 20, unit: ' ms' },
  {
    label: 'Memory for ten million records, peak',
    at: ['memory', 'Peak', 'Troupe', 'peak RSS'],
    atMost: 300,
    unit: ' MB',
  },
]

interface Results {
  readonly rounds: number
  readonly machine: string
  readonly node: string
  readonly tables: readonly Table[]
}

const enoughRounds = 5
const [rowHeight, barHeight, top] = [24, 12, 58]
/** Pixels: where bars begin, how long one is that is as long as its goal, how often its goal fits in, the whole. */
const [left, unit, most, width] = [430, 130, 2, 930]

const style = `
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600; font-size: 15px }
  .small { font-size: 11px; fill: #59636e }
  .ground { fill: #ffffff }
  .reached { fill: #0969da }
  .missed { fill: #d4761a }
  .goal { stroke: #1f2328; stroke-width: 1.5 }
  .spread { stroke: #59636e; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .small { fill: #9198a1 }
    .ground { fill: #0d1117 }
    .reached { fill: #4493f8 }
    .missed { fill: #e3a04f }
    .goal { stroke: #e6edf3 }
    .spread { stroke: #b1bac4 }
  }`

/** An SVG: a bar for each goal that has a figure in that folder, as long as the goal is reached. */
export function drawChart(folder: string): string {
  const files = new Map<string, Results>()
  for (const [name] of goals.map(({ at }) => at)) {
    const file = join(folder, `${name}.json`)
    if (existsSync(file)) files.set(name, JSON.parse(readFileSync(file, 'utf8')) as Results)
  }
  const rows = goals.flatMap((goal) => {
    const results = files.get(goal.at[0])
    const spread = results === undefined ? null : find(results.tables, goal.at)
    return results === undefined || spread === null ? [] : [{ goal, spread, rounds: results.rounds }]
  })
  const height = top + rows.length * rowHeight + 40
  const goalX = left + unit
  const machines = [...new Set(Array.from(files.values(), ({ machine, node }) => `${machine}, Node.js ${node}`))]
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="Benchmarks: how far each goal is reached">`,
    `<style>${style}\n</style>`,
    `<rect class="ground" width="${width}" height="${height}" rx="6"/>`,
    `<text class="title" x="16" y="26">How far each goal is reached</text>`,
    `<text class="small" x="${goalX}" y="${top - 12}" text-anchor="middle">goal</text>`,
    ...rows.map((row, index) => drawRow(row, top + index * rowHeight)),
    `<line class="goal" x1="${goalX}" x2="${goalX}" y1="${top - 6}" y2="${top + rows.length * rowHeight}"/>`,
    `<text class="small" x="16" y="${height - 14}">${escape(`Longer is better; the thin line is from the least to the greatest round. ${machines.join('; ')}.`)}</text>`,
    '</svg>',
  ].join('\n')}\n`
}

function find(tables: readonly Table[], [, title, name, column]: Goal['at']): Spread | null {
  const table = tables.find((each) => each.title.startsWith(title))
  const row = table?.rows.find((each) => each.name.startsWith(name))
  const at = table?.columns.findIndex((each) => each.startsWith(column)) ?? -1
  return row?.cells[at]?.spread ?? null
}

function drawRow(row: { goal: Goal; spread: Spread; rounds: number }, y: number): string {
  const { goal, spread, rounds } = row
  const { atLeast, atMost = NaN, label, unit: suffix = '' } = goal
  const share = (figure: number): number => (atLeast === undefined ? atMost / figure : figure / atLeast)
  const x = (figure: number): number => Math.round(left + unit * Math.min(most, share(figure)))
  const isReached = share(spread.median) >= 1
  const middle = y + rowHeight / 2
  const bound = atLeast === undefined ? `≤ ${show(atMost)}` : `≥ ${show(atLeast)}`
  const few = rounds < enoughRounds ? `, ${rounds} round${rounds === 1 ? '' : 's'}` : ''
  return [
    `<text x="${left - 10}" y="${middle + 4}" text-anchor="end">${escape(label)}</text>`,
    `<rect class="${isReached ? 'reached' : 'missed'}" x="${left}" y="${middle - barHeight / 2}" width="${x(spread.median) - left}" height="${barHeight}" rx="2"/>`,
    `<line class="spread" x1="${x(spread.min)}" x2="${x(spread.max)}" y1="${middle}" y2="${middle}"/>`,
    `<text x="${left + most * unit + 12}" y="${middle + 4}">${escape(`${show(spread.median)}${suffix}`)} <tspan class="small">${escape(`${bound}${suffix}${few}`)}</tspan></text>`,
  ].join('\n')
}

function show(figure: number): string {
  const digits = figure >= 100 ? 0 : figure >= 10 ? 1 : 2
  return figure.toLocaleString('en', { maximumFractionDigits: digits })
}

const escape = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
