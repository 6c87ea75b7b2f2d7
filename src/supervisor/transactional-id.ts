/** Under which ids an app's processes open transactions: one for each live process, with the same beginning, for rights. */
import type { ResolvedApp } from '../options/options.ts'

/** `last` tells the processes apart. */
export function transactionalIdOf({ actors, kafka }: Pick<ResolvedApp, 'actors' | 'kafka'>, last: string): string {
  return [kafka.groupId, ...actors.map(({ name }) => name), last].join('-')
}

/** What is given for this process; null: each start has one of its own. */
export function givenTransactionalId({ kafka }: Pick<ResolvedApp, 'kafka'>): string | null {
  return kafka.transactionalId ?? kafka.groupInstanceId
}
