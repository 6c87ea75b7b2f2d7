/** What an operator asks of the state of an actor: how large it is and how far it is restored, one key, or some of what there is. */
import { isObject, shown, unknownKeys } from '../options/declared.ts'

/** All of it may be left out: then only sizes are told. */
export interface StateChoice {
  /** What is kept for this key: as text, or its bytes. */
  readonly key?: string | Uint8Array
  /** Instead of a key: so many entries, whichever come first. */
  readonly limit?: number
  /** Of one of the actor's states only. */
  readonly name?: string
  /** Of one partition only. */
  readonly partition?: number
}

/** Plain data, which crosses between processes. */
export interface StateQuestion {
  readonly actor: string
  readonly key: Uint8Array | null
  readonly limit: number
  readonly name: string | null
  readonly partition: number | null
}

/** So many at once do not hold up the process that answers. */
export const MAX_LISTED = 1_000

export function problemsOfChoice(choice: unknown): string[] {
  if (!isObject(choice)) return [`${shown(choice)} is no object`]
  const { key, limit, name, partition } = choice
  const problems = unknownKeys(
    choice,
    ['key', 'limit', 'name', 'partition'],
    'there are key, limit, name and partition',
  )
  if (key !== undefined && typeof key !== 'string' && !(key instanceof Uint8Array)) {
    problems.push(`key: ${shown(key)} is neither text nor bytes`)
  }
  if (limit !== undefined && !(isCount(limit) && limit >= 1 && limit <= MAX_LISTED)) {
    problems.push(`limit: ${shown(limit)} is no number of entries, 1 to ${MAX_LISTED}`)
  }
  if (key !== undefined && limit !== undefined) problems.push('key and limit: a key is looked up, or some are listed')
  if (name !== undefined && typeof name !== 'string') problems.push(`name: ${shown(name)} is no name of a state`)
  if (partition !== undefined && !isCount(partition)) problems.push(`partition: ${shown(partition)} is no partition`)
  return problems
}

export function questionOf(actor: string, { key, limit, name, partition }: StateChoice): StateQuestion {
  return {
    actor,
    key: key === undefined ? null : typeof key === 'string' ? Buffer.from(key) : key,
    limit: limit ?? 0,
    name: name ?? null,
    partition: partition ?? null,
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
