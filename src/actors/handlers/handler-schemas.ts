/** The schemas that a handler's topics name: what it reads with, and what it writes with. */
import { TroupeError } from '../../errors.ts'
import type { DeclaredTables } from '../../operators/tables/declared-tables.ts'
import { SchemaNeeded, type KnownSchemas } from '../../streams/flows/contract.ts'
import type { Destination, TopicDestination } from '../../streams/flows/flow.ts'
import type { NeededSchema } from '../../streams/registry/schema-port.ts'
import { contractsIn, schemasIn, type UsedContract } from '../../streams/registry/used-contracts.ts'

/** A handler, as far as its topics go. An operator has several inputs. */
type WithTopics = ({ readonly input: TopicDestination } | { readonly inputs: readonly TopicDestination[] }) & {
  readonly outputs?: readonly Destination[]
  readonly tables?: DeclaredTables
}

export function contractsOf({ outputs = [], tables = {}, ...handler }: WithTopics): readonly UsedContract[] {
  const inputs = 'inputs' in handler ? handler.inputs : [handler.input]
  const written = outputs.flatMap((output) => (output.kind === 'topic' ? contractsIn(output, 'write') : []))
  const lookedUp = Object.values(tables).map(({ topic }) => topic as TopicDestination)
  return [...[...inputs, ...lookedUp].flatMap((input) => contractsIn(input, 'read')), ...written]
}

export function schemasOf(handler: WithTopics): readonly NeededSchema[] {
  return schemasIn(contractsOf(handler))
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
