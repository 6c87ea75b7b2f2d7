/** Where topics have a codec whose schemas a registry keeps. */
import type { Place, SubjectSchema } from '../flows/contract.ts'
import type { TopicDestination } from '../flows/flow.ts'
import type { NeededSchema } from './schema-port.ts'

/** Plain data, for main. */
export interface UsedContract extends Place {
  /** Of the codec. */
  readonly codec: string
  readonly use: 'read' | 'write'
  /** Why it cannot be written with; null: it can. */
  readonly cannotWrite: string | null
  readonly subjects: readonly SubjectSchema[]
}

export function contractsIn(
  { key, name: topic, value }: Pick<TopicDestination, 'key' | 'name' | 'value'>,
  use: UsedContract['use'],
): UsedContract[] {
  const parts = [
    ['key', key],
    ['value', value],
  ] as const
  return parts.flatMap(([part, codec]): UsedContract[] => {
    if (codec?.contract === undefined) return []
    const { contract, name } = codec
    const subjects = contract.subjectsAt({ topic, part })
    return [{ topic, part, codec: name, use, cannotWrite: contract.cannotWrite ?? null, subjects }]
  })
}

/** What has to be looked for before the first record. */
export function schemasIn(contracts: readonly UsedContract[]): readonly NeededSchema[] {
  return contracts.flatMap(({ subjects, use }) => subjects.map((subject) => ({ ...subject, use })))
}

/** Those that are written with and cannot be, in words; `who` is put before each. */
export function problemsOfWriting(contracts: readonly UsedContract[], who: string): string[] {
  return contracts.flatMap(({ cannotWrite, part, topic, use }) =>
    use === 'write' && cannotWrite !== null ? [`${who} writes ${part}s of topic ${topic}: ${cannotWrite}`] : [],
  )
}

/** What to say where a registry is needed and none is named. */
export function registryIsMissing(contracts: readonly UsedContract[]): string {
  const places = new Set(contracts.map(({ codec, part, topic }) => `the ${part}s of topic ${topic} (${codec})`))
  return `a registry keeps the schemas of ${[...places].join(', ')}, and none is named: set schemaRegistry.url`
}
