/** What may be wrong with the accounts of any pipeline, in words. */
import type { LedgerNumbers } from './ledger.ts'
import type { RowNumbers } from './database.ts'

/** What a pipeline calls things. */
export interface ProblemWords {
  /** `clicks` */
  readonly records: string
  /** The topic they are read from. */
  readonly input: string
  /** What a record is that came out: `enriched`. */
  readonly out: string
  /** Whose order is kept: `user`. */
  readonly owner: string
}

export function ledgerProblems(numbers: LedgerNumbers, produced: number, words: ProblemWords): readonly string[] {
  const { in: read, out, deadLettered, lost, outOfOrder } = numbers
  const { records, input, owner } = words
  const problems: string[] = []
  if (read < produced) problems.push(`only ${read} of the ${produced} ${records} produced are in ${input}`)
  if (lost > 0) problems.push(`${lost} ${records} came out nowhere`)
  if (out + deadLettered + lost > read) problems.push(`some ${records} are both ${words.out} and dead-lettered`)
  if (outOfOrder > 0) problems.push(`${outOfOrder} ${records} came out before an earlier one of the same ${owner}`)
  return problems
}

export function rowProblems({ rows, wrongRows }: RowNumbers, expected: number, what: string): readonly string[] {
  const problems: string[] = []
  if (rows !== expected) problems.push(`the table has ${rows} rows for ${expected} ${what}`)
  if (wrongRows > 0) problems.push(`${wrongRows} rows of the table are missing or hold something else`)
  return problems
}

/** When somebody has stopped the run before all was produced that was asked for. */
export function shortfall(produced: number, wanted: number | undefined, records: string): readonly string[] {
  return wanted !== undefined && produced < wanted ? [`stopped after ${produced} of ${wanted} ${records}`] : []
}
