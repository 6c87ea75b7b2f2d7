/** The schemas that a handler's topics name: what it reads with, and what it writes with. */
import { SchemaNeeded, type KnownSchemas } from '../../streams/flows/contract.ts'
import { TroupeError } from '../../errors.ts'
import type { Destination, TopicDestination } from '../../streams/flows/flow.ts'
import type { NeededSchema } from '../../streams/registry/schema-port.ts'

/** A handler, as far as its topics go. */
interface WithTopics {
  readonly input: TopicDestination
  readonly outputs?: readonly Destination[]
}

/** Plain data, for main: what has to be looked for before the first record. */
export function schemasOf({ input, outputs = [] }: WithTopics): readonly NeededSchema[] {
  const written = outputs.flatMap((output) => (output.kind === 'topic' ? needed(output, 'write') : []))
  return [...needed(input, 'read'), ...written]
}

function needed(
  { key, name, value }: Pick<TopicDestination, 'key' | 'name' | 'value'>,
  use: NeededSchema['use'],
): NeededSchema[] {
  const parts = [
    ['key', key],
    ['value', value],
  ] as const
  return parts.flatMap(([part, codec]) =>
    (codec?.contract?.subjectsAt({ topic: name, part }) ?? []).map((subject) => ({ ...subject, use })),
  )
}

/** Where no record comes. */
export const noSchemas: KnownSchemas = {
  writerOf(id) {
    throw new SchemaNeeded(id)
  },
  idOf(subject) {
    throw new TroupeError('SCHEMA_MISSING', `nobody has looked for the schema of subject ${subject}`)
  },
}
