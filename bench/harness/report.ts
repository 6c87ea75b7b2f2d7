/** Results as a markdown table on standard output, and as JSON in a file. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Rounds, Spread } from './rounds.ts'

export interface Cell {
  readonly spread: Spread | null
  readonly digits: number
}

export interface Table {
  readonly title: string
  readonly columns: readonly string[]
  readonly rows: readonly { readonly name: string; readonly goal?: string; readonly cells: readonly Cell[] }[]
  readonly remarks?: readonly string[]
}

export const cell = (spread: Spread | null, digits = 0): Cell => ({ spread, digits })

/** What is printed of every contender, after its ratios. */
export const costColumns = [
  'records/s',
  'CPU µs/record',
  'broker CPU µs/record',
  'loop delay p99 ms',
  'loop delay max ms',
  'peak RSS MB',
]

export function costCells(rounds: Rounds, name: string): readonly Cell[] {
  return [
    cell(rounds.spread(name, (each) => each.recordsPerSecond)),
    cell(
      rounds.spread(name, (each) => each.cpuUs),
      2,
    ),
    cell(
      rounds.spread(name, (each) => each.brokerCpuUs),
      2,
    ),
    cell(
      rounds.spread(name, (each) => each.loopDelayP99Ms),
      1,
    ),
    cell(rounds.spread(name, (each) => each.loopDelayMaxMs)),
    cell(rounds.spread(name, (each) => each.peakRssMb)),
  ]
}

export function failureRemarks(rounds: Rounds): string[] {
  return [...rounds.failures].map(([name, error]) => `Failed: ${name}: ${error.split('\n')[0]!}`)
}

export function markdownOf({ title, columns, rows, remarks = [] }: Table): string {
  const hasGoals = rows.some(({ goal }) => goal !== undefined)
  const head = ['', ...(hasGoals ? ['goal'] : []), ...columns]
  // Contenders that `--only` left out have no figures.
  const measured = rows.filter(({ cells }) => cells.some(({ spread }) => spread !== null))
  const lines = measured.map(({ name, goal = '', cells }) => [name, ...(hasGoals ? [goal] : []), ...cells.map(textOf)])
  const table = [head, head.map(() => '---'), ...lines].map((row) => `| ${row.join(' | ')} |`)
  return [
    `### ${title}`,
    '',
    ...table,
    ...(remarks.length === 0 ? [] : ['', ...remarks.map((each) => `- ${each}`)]),
  ].join('\n')
}

/** The median, and from the least to the greatest. */
function textOf({ spread, digits }: Cell): string {
  if (spread === null) return '–'
  const show = (value: number): string =>
    value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
  if (spread.values.length === 1) return show(spread.median)
  return `${show(spread.median)} (${show(spread.min)}–${show(spread.max)})`
}

export function writeJson(folder: string, name: string, content: unknown): string {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${name}.json`)
  writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`)
  return file
}
