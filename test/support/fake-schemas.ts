/** A schema registry that a test holds by hand, and what an app knows of it: as `SchemaBook`, without HTTP. */
import type { Clock } from '../../src/clock.ts'
import { TroupeError } from '../../src/errors.ts'
import { SchemaNeeded, type WriterSchema } from '../../src/streams/flows/contract.ts'
import type { SchemaNews, SchemaPort } from '../../src/streams/registry/schema-port.ts'

export class FakeSchemas implements SchemaPort {
  onNews: (news: SchemaNews) => void = () => undefined
  /** How often each id was asked for, in the order in which they were. */
  readonly asked: number[] = []
  readonly #clock: Clock
  readonly #ids = new Map<string, number>()
  /** What the registry has; null: it says that it has none. */
  readonly #registry = new Map<number, WriterSchema | null>()
  readonly #known = new Map<number, WriterSchema | null>()
  readonly #waiting = new Map<number, Set<() => void>>()
  #isAway = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The registry has this from now on, and says so to whoever waits for it. */
  register(id: number, schema: WriterSchema | null = { type: 'JSON', text: `{"id":${id}}`, references: [] }): void {
    this.#registry.set(id, schema)
    this.#answer()
  }

  /** As found at the start. */
  write(subject: string, id: number): void {
    this.#ids.set(subject, id)
    this.onNews({ ids: [[subject, id]], writers: [] })
  }

  goAway(): void {
    this.#isAway = true
  }

  comeBack(): void {
    this.#isAway = false
    this.#answer()
  }

  /** As main does when its cache is full. */
  forget(id: number): void {
    this.#known.delete(id)
  }

  get waitingIds(): readonly number[] {
    return [...this.#waiting.keys()]
  }

  writerOf(id: number): WriterSchema {
    const schema = this.#known.get(id)
    if (schema === undefined) throw new SchemaNeeded(id)
    if (schema === null) throw new TroupeError('SCHEMA_UNKNOWN', `the registry has no schema ${id}`)
    return schema
  }

  idOf(subject: string): number {
    const id = this.#ids.get(subject)
    if (id === undefined) throw new TroupeError('SCHEMA_MISSING', `nobody has looked for ${subject}`)
    return id
  }

  prepare(): Promise<void> {
    return Promise.resolve()
  }

  whenKnown(id: number, then: () => void): () => void {
    this.asked.push(id)
    const calls = this.#waiting.get(id) ?? new Set()
    const call = (): void => {
      then()
    }
    this.#waiting.set(id, calls.add(call))
    this.#answer()
    return () => {
      if (calls.delete(call) && calls.size === 0 && this.#waiting.get(id) === calls) this.#waiting.delete(id)
    }
  }

  all(): SchemaNews {
    return { ids: [...this.#ids], writers: [] }
  }

  trouble(): { readonly reason: string; readonly sinceMs: number; readonly waitingIds: number } | null {
    if (!this.#isAway || this.#waiting.size === 0) return null
    return { reason: 'the schema registry does not answer', sinceMs: 0, waitingIds: this.#waiting.size }
  }

  close(): void {
    this.#waiting.clear()
  }

  #answer(): void {
    this.#clock.after(0, () => {
      for (const [id, calls] of [...this.#waiting]) {
        const schema = this.#known.get(id) ?? (this.#isAway ? undefined : this.#registry.get(id))
        if (schema === undefined) continue
        this.#known.set(id, schema)
        this.#waiting.delete(id)
        this.onNews({ ids: [], writers: [[id, schema]] })
        for (const call of calls) call()
      }
    })
  }
}
