/** How a run has ended, as data and for people. */

export interface RunResult {
  /** Undefined: nothing was produced, so there is nothing to account for. */
  readonly accounts: Readonly<Record<string, number>> | undefined
  /** The accounts, for people. */
  readonly lines: readonly string[]
  /** What is not as it must be, in words; nothing when all is. */
  readonly problems: readonly string[]
}

/** Somebody else has produced. */
export const nothingToAccountFor: RunResult = { accounts: undefined, lines: [], problems: [] }

export function accountLine(label: string, value: number, rest: string): string {
  return `  ${label.padEnd(15)}${value.toLocaleString('en').padStart(12)}  ${rest}`
}

export function describeAccounts({ lines, problems }: RunResult): string {
  return [
    'The accounts, read back from the topics and the table:',
    ...lines,
    '',
    problems.length === 0 ? 'Nothing is lost.' : `Not as it must be: ${problems.join('; ')}.`,
    '',
  ].join('\n')
}
