/** What each row about state says besides: how many records were written for each that came in. */
import { cell, type Cell } from '../harness/report.ts'
import type { Rounds } from '../harness/rounds.ts'

export const perInputColumns = ['outputs/input', 'changelog/input'] as const

export function perInputCells(rounds: Rounds, name: string): readonly Cell[] {
  return ['outputsPerInput', 'changelogPerInput'].map((note) =>
    cell(
      rounds.spread(name, ({ notes }) => notes[note]),
      2,
    ),
  )
}
