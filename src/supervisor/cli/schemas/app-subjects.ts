/** The subjects of an app, by the codecs of its topics. */
import { loadHandler } from '../../../actors/handlers/handler-module.ts'
import type { ResolvedApp } from '../../../options/options.ts'
import type { Place, SubjectSchema } from '../../../streams/flows/contract.ts'

export interface AppSubjects {
  /** What its handlers write with. */
  readonly written: readonly SubjectSchema[]
  /** What they read with; as a rule somebody else registers it. */
  readonly read: readonly SubjectSchema[]
}

/** Rejects with HANDLER_NOT_LOADED. */
export async function subjectsOfApp({ actors }: ResolvedApp): Promise<AppSubjects> {
  const [written, read]: [SubjectSchema[], SubjectSchema[]] = [[], []]
  for (const { handler: given } of actors) {
    const handler = given instanceof URL ? await loadHandler(given.href) : given
    read.push(...subjectsOf(handler.input))
    for (const output of handler.outputs ?? []) {
      if (output.kind === 'topic') written.push(...subjectsOf(output))
    }
  }
  return { written, read }
}

interface Contracted {
  readonly contract?: { subjectsAt(place: Place): readonly SubjectSchema[] }
}

interface NamedTopic {
  readonly name: string
  readonly key: Contracted | undefined
  readonly value: Contracted
}

function subjectsOf({ key, name: topic, value }: NamedTopic): SubjectSchema[] {
  return [
    ...(key?.contract?.subjectsAt({ topic, part: 'key' }) ?? []),
    ...(value.contract?.subjectsAt({ topic, part: 'value' }) ?? []),
  ]
}
