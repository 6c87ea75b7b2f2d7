/** Where a handler's topics have a codec whose schemas a registry keeps. */
import type { Place } from '../../streams/flows/contract.ts'
import type { TopicDestination } from '../../streams/flows/flow.ts'
import type { AnyHandler } from './batch-handler.ts'

/** Plain data, for main. */
export interface UsedContract extends Place {
  /** Of the codec. */
  readonly codec: string
  readonly use: 'read' | 'write'
  /** Why it cannot be written with; null: it can. */
  readonly cannotWrite: string | null
}

export function contractsOf({ input, outputs = [] }: Pick<AnyHandler, 'input' | 'outputs'>): readonly UsedContract[] {
  const written = outputs.flatMap((output) => (output.kind === 'topic' ? contractsIn(output, 'write') : []))
  return [...contractsIn(input, 'read'), ...written]
}

function contractsIn(
  { key, name: topic, value }: Pick<TopicDestination, 'key' | 'name' | 'value'>,
  use: UsedContract['use'],
): UsedContract[] {
  const parts = [
    ['key', key],
    ['value', value],
  ] as const
  return parts.flatMap(([part, codec]): UsedContract[] => {
    if (codec?.contract === undefined) return []
    return [{ topic, part, codec: codec.name, use, cannotWrite: codec.contract.cannotWrite ?? null }]
  })
}
