/** The subjects of an app, by the codecs of its topics. */
import { START_TIMEOUT_MS } from '../../../actors/threads/thread-set.ts'
import type { TryModule } from '../../../actors/threads/trial.ts'
import { fromWireError } from '../../../errors.ts'
import type { ResolvedApp } from '../../../options/options.ts'
import type { SubjectSchema } from '../../../streams/flows/contract.ts'
import { tryActors } from '../check.ts'

export interface AppSubjects {
  /** What its handlers write with. */
  readonly written: readonly SubjectSchema[]
  /** What they read with; as a rule somebody else registers it. */
  readonly read: readonly SubjectSchema[]
}

/** Its modules are loaded as `troupe check` does. Rejects with HANDLER_NOT_LOADED. */
export async function subjectsOfApp(app: ResolvedApp, tryModule: TryModule): Promise<AppSubjects> {
  const answers = await tryActors(app, { tryModule, shared: null, startTimeoutMs: START_TIMEOUT_MS })
  const [error] = answers.flatMap(({ errors, threadError }) => [...errors, ...(threadError ? [threadError] : [])])
  if (error !== undefined) throw fromWireError(error)
  const needed = answers.flatMap(({ manifest }) => manifest?.schemas ?? [])
  const [written, read] = (['write', 'read'] as const).map((use) => needed.filter((each) => each.use === use))
  return { written: written ?? [], read: read ?? [] }
}
