/** Schemas under ids: the same schema is one, whoever registers it, until nobody has it any more. */
import { InvalidSchema, type SchemaText } from '../../schemas/avro-schema.ts'
import { canonicalText } from '../../schemas/canonical-text.ts'
import { schemaInvalid } from './registry-error.ts'

export interface Reference {
  readonly name: string
  readonly subject: string
  readonly version: number
}

/** As somebody brings it. */
export interface GivenSchema {
  readonly text: string
  readonly references: readonly Reference[]
}

export interface StoredSchema extends GivenSchema {
  readonly id: number
}

/** With what it refers to, ready to be parsed. */
export interface ReadySchema extends GivenSchema {
  /** Two with the same one are the same schema. */
  readonly identity: string
  readonly resolved: SchemaText
}

/** Finds what stands under a version, also of those that were deleted: who refers to it may go on. */
export type FindVersion = (subject: string, version: number) => StoredSchema | undefined

export class SchemaStore {
  readonly #byId = new Map<number, StoredSchema>()
  readonly #ids = new Map<string, number>()
  #lastId = 0

  find(id: number): StoredSchema | undefined {
    return this.#byId.get(id)
  }

  idOf({ identity }: ReadySchema): number | undefined {
    return this.#ids.get(identity)
  }

  add(schema: ReadySchema): StoredSchema {
    const known = this.#byId.get(this.#ids.get(schema.identity) ?? 0)
    if (known !== undefined) return known
    this.#lastId += 1
    const stored = { id: this.#lastId, text: schema.text, references: schema.references }
    this.#byId.set(stored.id, stored)
    this.#ids.set(schema.identity, stored.id)
    return stored
  }

  /** An id is never given to another schema. */
  remove(schema: StoredSchema): void {
    this.#byId.delete(schema.id)
    this.#ids.delete(identityOf(schema))
  }
}

/** Throws 42201 where it is no schema, or refers to what is not there. */
export function makeReady(given: GivenSchema, find: FindVersion): ReadySchema {
  const references = resolve(given.references, find)
  try {
    const text = canonicalText({ text: given.text, references })
    const ready = { text, references: given.references }
    return { ...ready, identity: identityOf(ready), resolved: { text, references } }
  } catch (error) {
    if (error instanceof InvalidSchema) throw schemaInvalid(error.message)
    throw error
  }
}

/** All that is referred to, however deep; each before those that refer to it. What is stored refers to what was there before it: no circle. */
export function resolve(references: readonly Reference[], find: FindVersion): SchemaText['references'] {
  return references.flatMap(({ name, subject, version }) => {
    const found = find(subject, version)
    if (found === undefined) {
      throw schemaInvalid(`No schema reference found for subject "${subject}" and version ${version}`)
    }
    return [...resolve(found.references, find), { name, text: found.text }]
  })
}

function identityOf({ text, references }: GivenSchema): string {
  return JSON.stringify([text, references.map(({ name, subject, version }) => [name, subject, version])])
}
