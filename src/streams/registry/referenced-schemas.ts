/** All that a schema refers to, however deep: each version of a subject is asked for once, and kept, since it never changes. */
import { LRUCache } from 'lru-cache'
import { TroupeError } from '../../errors.ts'
import type { ReferencedSchema, WriterSchema } from '../flows/contract.ts'
import type { KeptSchema, KeptVersion, Registry, SchemaReference } from './registry-client.ts'

const MAX_KEPT = 1_000
const MAX_KEPT_CHARACTERS = 32 * 1024 * 1024
/** Nobody nests schemas so deep, or takes one apart into so many. */
const MAX_DEPTH = 32
const MAX_REFERENCES = 500
/** All of one schema together: less than any cache of schemas holds. */
const MAX_SCHEMA_CHARACTERS = 16 * 1024 * 1024

export class ReferencedSchemas {
  readonly #registry: Pick<Registry, 'version'>
  readonly #kept = new LRUCache<string, KeptVersion>({
    max: MAX_KEPT,
    maxSize: MAX_KEPT_CHARACTERS,
    sizeCalculation: ({ text }) => text.length + 1,
  })
  readonly #asked = new Map<string, Promise<KeptVersion | null>>()

  constructor(registry: Pick<Registry, 'version'>) {
    this.#registry = registry
  }

  /** The schema with all of them, each before those that refer to it. Rejects with SCHEMA_UNKNOWN where one is not to be had. */
  async complete({ references, text, type }: KeptSchema): Promise<WriterSchema> {
    const found = new Map<string, ReferencedSchema>()
    await this.#collect(references, [], found)
    const whole = { type, text, references: [...found.values()] }
    if (charactersOf(whole) > MAX_SCHEMA_CHARACTERS) throw unusable(`with its references it is too large`)
    return whole
  }

  async #collect(
    references: readonly SchemaReference[],
    above: readonly string[],
    found: Map<string, ReferencedSchema>,
  ): Promise<void> {
    for (const { name, subject, version } of references) {
      const place = `version ${version} of subject ${subject}`
      if (above.includes(place)) throw unusable(`${place} refers to itself`)
      if (above.length >= MAX_DEPTH) throw unusable(`its references go deeper than ${MAX_DEPTH}`)
      // The same schema may be referred to under several names.
      const key = `${place} ${name}`
      if (found.has(key)) continue
      const kept = await this.#version(subject, version)
      if (kept === null) throw unusable(`it refers to ${place}, which the registry does not have`)
      await this.#collect(kept.references, [...above, place], found)
      found.set(key, { name, text: kept.text })
      if (found.size > MAX_REFERENCES) throw unusable(`it refers to more than ${MAX_REFERENCES} schemas`)
    }
  }

  async #version(subject: string, version: number): Promise<KeptVersion | null> {
    const key = `${version} ${subject}`
    const kept = this.#kept.get(key)
    if (kept !== undefined) return kept
    const asked =
      this.#asked.get(key) ?? this.#registry.version(subject, version).finally(() => this.#asked.delete(key))
    this.#asked.set(key, asked)
    const answer = await asked
    if (answer !== null) this.#kept.set(key, answer)
    return answer
  }
}

export function charactersOf({ references, text }: WriterSchema): number {
  return references.reduce((sum, reference) => sum + reference.text.length, text.length + 1)
}

function unusable(why: string): TroupeError {
  return new TroupeError('SCHEMA_UNKNOWN', why)
}
