/** A schema registry for one handler under test: it has what the handler's topics name, each under an id of its own. Nothing is asked. */
import { TroupeError } from '../errors.ts'
import type { OwnSchema, ReferencedSchema, WriterSchema } from '../streams/flows/contract.ts'
import type { NeededSchema, SchemaNews, SchemaPort } from '../streams/registry/schema-port.ts'

export class LocalSchemas implements SchemaPort {
  onNews: (news: SchemaNews) => void = () => undefined
  readonly #ids = new Map<string, number>()
  readonly #writers = new Map<number, WriterSchema>()

  constructor(needed: readonly NeededSchema[]) {
    // A test sends what the handler reads, so that needs an id, too; where both name a subject, what is written counts.
    for (const use of ['read', 'write']) {
      for (const { schema, subject, use: own } of needed) if (own === use) this.#ids.set(subject, this.#keep(schema))
    }
  }

  writerOf(id: number): WriterSchema {
    const schema = this.#writers.get(id)
    if (schema !== undefined) return schema
    const known = [...this.#writers.keys()].join(', ') || 'none'
    throw new TroupeError('SCHEMA_UNKNOWN', `the handler's topics name no schema of id ${id}; here there are ${known}`)
  }

  idOf(subject: string): number {
    const id = this.#ids.get(subject)
    if (id !== undefined) return id
    throw new TroupeError('SCHEMA_MISSING', `the handler's topics name no schema under subject ${subject}`)
  }

  prepare(): Promise<void> {
    return Promise.resolve()
  }

  /** Never: what it does not have is no schema at all. */
  whenKnown(): () => void {
    return () => undefined
  }

  all(): SchemaNews {
    return { ids: [...this.#ids], writers: [...this.#writers] }
  }

  trouble(): null {
    return null
  }

  close(): void {
    // Nothing is asked.
  }

  /** The same schema has the same id under every subject, as in a registry. */
  #keep({ references, text, type }: OwnSchema): number {
    for (const [id, known] of this.#writers) if (known.text === text && known.type === type) return id
    const id = this.#writers.size + 1
    this.#writers.set(id, { type, text, references: allOf(references) })
    return id
  }
}

/** Each before those that refer to it. */
function allOf(own: readonly OwnSchema[]): readonly ReferencedSchema[] {
  const found = new Map<string, string>()
  const collect = ({ name, references, text }: OwnSchema): void => {
    if (found.has(name)) return
    references.forEach(collect)
    found.set(name, text)
  }
  own.forEach(collect)
  return [...found].map(([name, text]) => ({ name, text }))
}
