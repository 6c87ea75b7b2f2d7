/**
 * What this process knows of a schema registry, on main. What is known is answered at once; what is not is fetched once for
 * all who wait. A registry that is away costs time, and no record: what is known goes on.
 */
import { LRUCache } from 'lru-cache'
import type { Clock } from '../../clock.ts'
import { TroupeError, isTroupeError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { RegistryStats } from '../../metrics/registry-stats.ts'
import { SchemaNeeded, type WriterSchema } from '../flows/contract.ts'
import { findNeeded, type RegisterSchemas } from './needed-schemas.ts'
import { ReferencedSchemas, charactersOf } from './referenced-schemas.ts'
import type { Registry } from './registry-client.ts'
import type { NeededSchema, SchemaNews, SchemaPort } from './schema-port.ts'
import { SchemaQuestions } from './schema-questions.ts'

const MAX_SCHEMAS = 5_000
const MAX_CHARACTERS = 64 * 1024 * 1024
/** Ids that the registry does not have, at most so many of them, are not asked for again for so long. */
const MAX_UNKNOWN = 10_000
const UNKNOWN_MS = 30_000
/** Registries number from 1, in 31 bits: what is no such number is no schema's id, whatever a registry would make of it. */
const MAX_ID = 2 ** 31 - 1

export interface SchemaBookParts {
  readonly registry: Registry
  readonly registerSchemas: RegisterSchemas
  readonly clock: Clock
  /** 0 ≤ random() < 1, for jitter. */
  readonly random: () => number
  readonly log: Log
  readonly stats: RegistryStats
}

export class SchemaBook implements SchemaPort {
  onNews: (news: SchemaNews) => void = () => undefined
  readonly #parts: SchemaBookParts
  readonly #references: ReferencedSchemas
  readonly #questions: SchemaQuestions<WriterSchema | null>
  /** What was found at the start. */
  readonly #ids = new Map<string, number>()
  readonly #prepared = new Map<number, WriterSchema>()
  readonly #fetched = new LRUCache<number, WriterSchema>({
    max: MAX_SCHEMAS,
    maxSize: MAX_CHARACTERS,
    sizeCalculation: charactersOf,
  })
  readonly #unknown: LRUCache<number, true>
  /** Who waits for which id to be answered, */
  readonly #waiting = new Map<number, Set<() => void>>()
  /** and for one that is known, until they are told. */
  readonly #soon = new Map<number, Set<() => void>>()
  #cancelSoon: (() => void) | null = null
  #endWaitAtStart: () => void = () => undefined

  constructor(parts: SchemaBookParts) {
    const { clock, stats } = parts
    this.#parts = parts
    this.#references = new ReferencedSchemas(parts.registry)
    this.#questions = new SchemaQuestions({
      ...parts,
      ask: (id) => this.#fetch(id),
      onAnswer: (id, schema) => {
        this.#learn(id, schema)
      },
    })
    this.#unknown = new LRUCache({ max: MAX_UNKNOWN, ttl: UNKNOWN_MS, ttlResolution: 0, perf: clock })
    stats.waiting = () => this.#questions.waiting
  }

  writerOf(id: number): WriterSchema {
    const schema = this.#known(id)
    if (schema === undefined) throw new SchemaNeeded(id)
    if (schema === null)
      throw new TroupeError('SCHEMA_UNKNOWN', `${this.#parts.registry.name} has no schema of id ${id}`)
    return schema
  }

  idOf(subject: string): number {
    const id = this.#ids.get(subject)
    if (id === undefined)
      throw new TroupeError('SCHEMA_MISSING', `nobody has looked for the schema of subject ${subject}`)
    return id
  }

  async prepare(needed: readonly NeededSchema[]): Promise<void> {
    const wait = (delayMs: number): Promise<void> => this.#waitAtStart(delayMs)
    const { ids, writers } = await findNeeded({ ...this.#parts, references: this.#references, wait }, needed)
    for (const [subject, id] of ids) this.#ids.set(subject, id)
    for (const [id, schema] of writers) this.#prepared.set(id, schema)
    this.onNews({ ids: [...ids], writers: [...writers] })
  }

  whenKnown(id: number, then: () => void): () => void {
    const isKnown = this.#known(id) !== undefined
    const waiting = isKnown ? this.#soon : this.#waiting
    // One function may wait several times, and is told as often.
    const call = (): void => {
      then()
    }
    const calls = waiting.get(id) ?? new Set()
    waiting.set(id, calls.add(call))
    if (isKnown) this.#tellSoon()
    else this.#questions.want(id)
    return () => {
      if (!calls.delete(call) || calls.size > 0 || waiting.get(id) !== calls) return
      waiting.delete(id)
      if (!isKnown) this.#questions.drop(id)
    }
  }

  all(): SchemaNews {
    return { ids: [...this.#ids], writers: [...this.#prepared] }
  }

  trouble(): { readonly reason: string; readonly sinceMs: number; readonly waitingIds: number } | null {
    const { trouble, waiting } = this.#questions
    return trouble === null || waiting === 0 ? null : { ...trouble, waitingIds: waiting }
  }

  close(): void {
    this.#questions.close()
    this.#cancelSoon?.()
    this.#endWaitAtStart()
    this.#waiting.clear()
    this.#soon.clear()
    this.#parts.registry.close()
  }

  /** undefined: nobody has asked, or not lately. null: there is none. */
  #known(id: number): WriterSchema | null | undefined {
    const schema = this.#prepared.get(id) ?? this.#fetched.get(id)
    if (schema !== undefined) return schema
    return this.#unknown.has(id) || !Number.isInteger(id) || id < 0 || id > MAX_ID ? null : undefined
  }

  #waitAtStart(delayMs: number): Promise<void> {
    const { clock, registry } = this.#parts
    return new Promise((resolve, reject) => {
      const cancel = clock.after(delayMs, resolve)
      this.#endWaitAtStart = () => {
        cancel()
        const message = `${registry.name} has asked to wait, and the start was given up`
        reject(new TroupeError('SCHEMA_REGISTRY_UNREACHABLE', message))
      }
    })
  }

  async #fetch(id: number): Promise<WriterSchema | null> {
    const schema = await this.#parts.registry.byId(id)
    if (schema === null) return null
    try {
      return await this.#references.complete(schema)
    } catch (error) {
      // No outage, and no answer that would change: records with it go by what becomes of any that cannot be read.
      if (!isTroupeError(error) || error.code !== 'SCHEMA_UNKNOWN') throw error
      this.#parts.log.warn({ schema: id }, `schema ${id} cannot be read with: ${error.message}`)
      return null
    }
  }

  #learn(id: number, schema: WriterSchema | null): void {
    if (schema === null) this.#unknown.set(id, true)
    else this.#fetched.set(id, schema)
    const calls = this.#waiting.get(id) ?? []
    this.#waiting.delete(id)
    this.onNews({ ids: [], writers: [[id, schema]] })
    for (const call of calls) call()
  }

  /** News again of what is known here: whoever asks has forgotten, or began after it was told. */
  #tellSoon(): void {
    this.#cancelSoon ??= this.#parts.clock.after(0, () => {
      this.#cancelSoon = null
      const soon = [...this.#soon]
      this.#soon.clear()
      this.onNews({ ids: [], writers: soon.map(([id]) => [id, this.#known(id) ?? null]) })
      for (const [, calls] of soon) for (const call of calls) call()
    })
  }
}
