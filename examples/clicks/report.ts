/** The accounts, for people. */
import type { Accounts } from './accounts.ts'

export function describeAccounts(accounts: Accounts, problems: readonly string[]): string {
  const row = (label: string, value: number, rest: string): string =>
    `  ${label.padEnd(15)}${value.toLocaleString('en').padStart(12)}  ${rest}`
  return [
    'The accounts, read back from the topics and the table:',
    row('in', accounts.in, 'clicks in user_clicks'),
    row('enriched', accounts.enriched, 'of them in enriched_clicks'),
    row('dead-lettered', accounts.deadLettered, 'of them in user_clicks_dlq'),
    row('lost', accounts.lost, 'in neither'),
    row(
      'rows',
      accounts.rows,
      `in the table, for ${accounts.distinct.toLocaleString('en')} distinct (user_id, timestamp)`,
    ),
    row('duplicates', accounts.duplicates, 'outputs beyond the first of a click'),
    row('out of order', accounts.outOfOrder, 'clicks that came out before an earlier one of the same user'),
    '',
    problems.length === 0 ? 'Nothing is lost.' : `Not as it must be: ${problems.join('; ')}.`,
    '',
  ].join('\n')
}
