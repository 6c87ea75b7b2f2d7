/** What a producer's topics need of a schema registry. */
import { TroupeError } from '../../errors.ts'
import type { TopicDestination } from '../flows/flow.ts'
import type { SchemaPort } from '../registry/schema-port.ts'
import { contractsIn, problemsOfWriting, registryIsMissing, schemasIn } from '../registry/used-contracts.ts'

/** Asks for the schemas of all topics at once. Rejects with one error that names every subject that is missing or refused. */
export async function prepareTopics(topics: readonly TopicDestination[], schemas: SchemaPort | null): Promise<void> {
  const contracts = topics.flatMap((topic) => contractsIn(topic, 'write'))
  if (contracts.length === 0) return
  const problems = problemsOfWriting(contracts, 'startProducer')
  if (problems.length > 0) throw new TroupeError('OPTIONS_INVALID', problems.join('\n'))
  if (schemas === null) throw new TroupeError('SCHEMA_REGISTRY_MISSING', registryIsMissing(contracts))
  await schemas.prepare(schemasIn(contracts))
}
