/** Under which ids an app's processes open transactions: one for each live process, with the same beginning, for rights. */
import { randomUUID } from 'node:crypto'
import type { ResolvedApp } from '../options/options.ts'

type Named = Pick<ResolvedApp, 'actors' | 'kafka'>

/**
 * Of this process. The same after a restart where it has a name of its own, so that what its predecessor left open is ended at
 * once; else another one at each call.
 */
export function ownTransactionalId(app: Named): string {
  return transactionalIdOf(app, givenTransactionalId(app) ?? randomUUID())
}

/** `last` tells the processes apart. */
export function transactionalIdOf({ actors, kafka }: Named, last: string): string {
  return [kafka.groupId, actors.map(({ name }) => name).join('+'), last].join('-')
}

/** What is given for this process; null: each start has one of its own. */
export function givenTransactionalId({ kafka }: Pick<ResolvedApp, 'kafka'>): string | null {
  return kafka.transactionalId ?? kafka.groupInstanceId
}
