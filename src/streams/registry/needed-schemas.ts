/**
 * What an app needs of a registry before its first record: the ids of what it writes with, looked up or registered, and
 * the latest of what it reads. Every subject is looked at, and what is wrong is said of all at once.
 */
import { TroupeError, isTroupeError } from '../../errors.ts'
import type { OwnSchema, WriterSchema } from '../flows/contract.ts'
import type { ReferencedSchemas } from './referenced-schemas.ts'
import { RegistryError } from './registry-error.ts'
import type { KeptSchema, KeptVersion, Registry, SchemaReference } from './registry-client.ts'
import type { NeededSchema } from './schema-port.ts'

export type RegisterSchemas = 'never' | 'on-start'

export interface NeededParts {
  readonly registry: Registry
  readonly references: ReferencedSchemas
  readonly registerSchemas: RegisterSchemas
  /** Resolves after so long; rejects where the start is given up meanwhile. */
  readonly wait: (delayMs: number) => Promise<void>
}

/** What was found. */
export interface FoundSchemas {
  readonly ids: ReadonlyMap<string, number>
  readonly writers: ReadonlyMap<number, WriterSchema>
}

/** A registry that asks to be left alone is waited for so long at a start. */
const MAX_PATIENCE_MS = 30_000

interface Problem {
  readonly code: 'SCHEMA_MISSING' | 'SCHEMA_INCOMPATIBLE'
  readonly text: string
}

export async function findNeeded(parts: NeededParts, needed: readonly NeededSchema[]): Promise<FoundSchemas> {
  const search = new Search(parts)
  const written = needed.filter(({ use }) => use === 'write')
  refuseAmbiguous(written)
  for (const { schema, subject } of written) await search.findOwn(subject, schema)
  for (const subject of new Set(needed.filter(({ use }) => use === 'read').map((each) => each.subject))) {
    await search.findLatest(subject)
  }
  search.refuse()
  return search
}

class Search implements FoundSchemas {
  readonly ids = new Map<string, number>()
  readonly writers = new Map<number, WriterSchema>()
  readonly #parts: NeededParts
  /** Subjects that were looked at, with the version that the app writes; null: it is not to be had. */
  readonly #looked = new Map<string, KeptVersion | null>()
  readonly #problems: Problem[] = []
  #patienceMs = MAX_PATIENCE_MS

  constructor(parts: NeededParts) {
    this.#parts = parts
  }

  async findOwn(subject: string, schema: OwnSchema): Promise<void> {
    const found = await this.#look(subject, schema)
    if (found !== null) this.ids.set(subject, found.id)
  }

  /** Nobody may have written yet. */
  async findLatest(subject: string): Promise<void> {
    const latest = await this.#ask((registry) => registry.version(subject, 'latest'))
    if (latest === null) return
    try {
      this.writers.set(latest.id, await this.#ask(() => this.#parts.references.complete(latest)))
    } catch (error) {
      if (!isTroupeError(error) || error.code !== 'SCHEMA_UNKNOWN') throw error
      // What records with it come to is said of them, should there be any.
    }
  }

  refuse(): void {
    if (this.#problems.length === 0) return
    const code = this.#problems.some((problem) => problem.code === 'SCHEMA_INCOMPATIBLE')
      ? 'SCHEMA_INCOMPATIBLE'
      : 'SCHEMA_MISSING'
    const list = this.#problems.map(({ text }) => `\n  - ${text}`).join('')
    throw new TroupeError(code, `what the app writes with is not in ${this.#parts.registry.name}:${list}`)
  }

  async #look(subject: string, schema: OwnSchema): Promise<KeptVersion | null> {
    const key = `${subject} ${schema.text}`
    const looked = this.#looked.get(key)
    if (looked !== undefined) return looked
    const sent = await this.#withReferences(subject, schema)
    const found = sent === null ? null : await this.#findOrRegister(subject, sent)
    this.#looked.set(key, found)
    if (found !== null) this.writers.set(found.id, writerOf(schema))
    return found
  }

  /** A schema is sent with the versions of those that it names. null: one of them is not to be had, which is said. */
  async #withReferences(subject: string, { references, text, type }: OwnSchema): Promise<KeptSchema | null> {
    const versions: SchemaReference[] = []
    const missing: string[] = []
    for (const { name, ...reference } of references) {
      const found = await this.#look(name, { name, ...reference })
      if (found === null) missing.push(name)
      else versions.push({ name, subject: name, version: found.version })
    }
    if (missing.length === 0) return { type, text, references: versions }
    this.#problems.push({ code: 'SCHEMA_MISSING', text: `subject ${subject}: it refers to ${missing.join(', ')}` })
    return null
  }

  async #findOrRegister(subject: string, schema: KeptSchema): Promise<KeptVersion | null> {
    try {
      const found = await this.#ask((registry) => registry.find(subject, schema))
      if (typeof found === 'object') return found
      if (this.#parts.registerSchemas === 'never') {
        this.#problems.push(await this.#whyMissing(subject, schema, found))
        return null
      }
      const id = await this.#ask((registry) => registry.register(subject, schema))
      const registered = await this.#ask((registry) => registry.find(subject, schema))
      if (typeof registered === 'object') return { ...registered, id }
      this.#problems.push({
        code: 'SCHEMA_MISSING',
        text: `subject ${subject}: registered as ${id}, and not found after that`,
      })
    } catch (error) {
      if (!isTroupeError(error) || error.code !== 'SCHEMA_INCOMPATIBLE') throw error
      this.#problems.push({ code: error.code, text: `subject ${subject}: refused: ${error.message}` })
    }
    return null
  }

  async #whyMissing(subject: string, schema: KeptSchema, found: 'no-subject' | 'no-schema'): Promise<Problem> {
    const judged = await this.#ask((registry) => registry.compatibility(subject, schema))
    if (judged?.isCompatible === false) {
      const reason = judged.reasons.length === 0 ? 'and says no more' : judged.reasons.join('; ')
      const text = `subject ${subject}: not compatible with its latest version, the registry says: ${reason}`
      return { code: 'SCHEMA_INCOMPATIBLE', text }
    }
    const why =
      found === 'no-subject'
        ? 'there is no such subject'
        : 'other versions, but not this schema; it could be registered'
    return { code: 'SCHEMA_MISSING', text: `subject ${subject}: ${why}` }
  }

  /** Asks again where the registry has asked to wait, as long as a start may take. */
  async #ask<Answer>(question: (registry: Registry) => Promise<Answer>): Promise<Answer> {
    const { registry, wait } = this.#parts
    for (;;) {
      try {
        return await question(registry)
      } catch (error) {
        const waitMs = error instanceof RegistryError ? error.retryAfterMs : null
        if (waitMs === null || this.#patienceMs <= 0 || waitMs > this.#patienceMs) throw error
        const delayMs = Math.max(waitMs, 1_000)
        this.#patienceMs -= delayMs
        await wait(delayMs)
      }
    }
  }
}

/** As others get it from the registry. */
function writerOf({ references, text, type }: OwnSchema): WriterSchema {
  const found = new Map<string, string>()
  const collect = (own: readonly OwnSchema[]): void => {
    for (const each of own) {
      if (found.has(each.name)) continue
      collect(each.references)
      found.set(each.name, each.text)
    }
  }
  collect(references)
  return { type, text, references: [...found].map(([name, own]) => ({ name, text: own })) }
}

/** What is written under a subject bears one id. */
function refuseAmbiguous(written: readonly NeededSchema[]): void {
  const texts = new Map<string, string>()
  const twice = new Set<string>()
  for (const { schema, subject } of written) {
    if ((texts.get(subject) ?? schema.text) !== schema.text) twice.add(subject)
    texts.set(subject, schema.text)
  }
  if (twice.size === 0) return
  const subjects = [...twice].join(', ')
  throw new TroupeError(
    'OPTIONS_INVALID',
    `the app writes with different schemas under one subject: ${subjects}; use one of them`,
  )
}
