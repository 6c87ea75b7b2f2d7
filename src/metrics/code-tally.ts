/**
 * Error codes as labels. What a user's code throws may carry any code, a new one for each record; a label for each would
 * be a series that never ends, here and in Prometheus. So labels come from this table only: what a code was stays in
 * logs, in /status and in dead letters.
 */
import { errorTable, type ErrorCode } from '../errors.ts'

/** Not errors of ours, but outcomes that are counted beside them: what a handler asked for, and all that we do not know. */
const furtherLabels = ['RETRY_ASKED', 'DEAD_LETTER', 'OTHER'] as const

export type CodeLabel = ErrorCode | (typeof furtherLabels)[number]

export const codeLabels: ReadonlySet<string> = new Set([...Object.keys(errorTable), ...furtherLabels])

/** An error without a code is one that a handler threw. */
export function codeLabel(code: string | undefined): CodeLabel {
  if (code === undefined) return 'HANDLER_FAILED'
  return codeLabels.has(code) ? (code as CodeLabel) : 'OTHER'
}

/** Counters by the label of a code. For rare events. */
export class CodeTally {
  readonly #counts = new Map<CodeLabel, number>()

  /** Returns how many of its label there are by now. */
  add(code: string | undefined, times = 1): number {
    const label = codeLabel(code)
    const count = (this.#counts.get(label) ?? 0) + times
    this.#counts.set(label, count)
    return count
  }

  get(label: CodeLabel): number {
    return this.#counts.get(label) ?? 0
  }

  entries(): IterableIterator<[CodeLabel, number]> {
    return this.#counts.entries()
  }
}
