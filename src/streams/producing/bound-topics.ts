/** Topics as a producer writes them: where a registry keeps a codec's schemas, the codec is bound to what it has found. */
import { TroupeError } from '../../errors.ts'
import type { Place, SubjectSchema } from '../flows/contract.ts'
import type { Codec } from '../flows/codec.ts'
import type { TopicDestination } from '../flows/flow.ts'
import type { SchemaPort } from '../registry/schema-port.ts'

/** Asks for the schemas of all at once. Rejects with one error that names every subject that is missing or refused. */
export async function bindTopics(
  topics: readonly TopicDestination[],
  schemas: SchemaPort | null,
): Promise<readonly TopicDestination[]> {
  const contracts = topics.flatMap((topic) => {
    const place: Place = { topic: topic.name, part: 'value' }
    const { contract } = topic.codec as Codec<never>
    return contract === undefined ? [] : [{ topic, place, contract }]
  })
  if (contracts.length === 0) return topics
  const unwritable = contracts.flatMap(({ topic, contract: { cannotWrite } }) =>
    cannotWrite === undefined ? [] : [`topic ${topic.name}: ${cannotWrite}`],
  )
  if (unwritable.length > 0) throw new TroupeError('OPTIONS_INVALID', `startProducer: ${unwritable.join('; ')}`)
  const names = contracts.map(({ topic }) => topic.name).join(', ')
  if (schemas === null) {
    throw new TroupeError(
      'SCHEMA_REGISTRY_MISSING',
      `A registry keeps the schemas of ${names}, and startProducer was given none.`,
    )
  }
  const needed = contracts.flatMap(({ contract, place }): readonly SubjectSchema[] => contract.subjectsAt(place))
  await schemas.prepare(needed.map((each) => ({ ...each, use: 'write' })))
  const bound = new Map(contracts.map(({ topic, contract, place }) => [topic, contract.bind(place, schemas)]))
  return topics.map((topic) => ({ ...topic, codec: bound.get(topic) ?? topic.codec }))
}
