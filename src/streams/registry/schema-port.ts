/**
 * What the engine asks of a schema registry, on main. `SchemaBook` is the real one; tests bring their own. Whoever works
 * elsewhere (a thread) is told the news, and answers from them alone.
 */
import type { KnownSchemas, SubjectSchema, WriterSchema } from '../flows/contract.ts'

/** A schema that an app needs, and what for. */
export interface NeededSchema extends SubjectSchema {
  /** `write`: its id has to be known before the first record. `read`: whatever the registry has last is fetched ahead. */
  readonly use: 'read' | 'write'
}

/** What a registry has told, for others than main. Plain data. */
export interface SchemaNews {
  /** Ids of what the app writes with, by subject. */
  readonly ids: readonly (readonly [subject: string, id: number])[]
  /** null: the registry has no such id. That is true for a short time only. */
  readonly writers: readonly (readonly [id: number, schema: WriterSchema | null])[]
}

export interface SchemaPort extends KnownSchemas {
  /**
   * Before the first assignment: finds (or registers) what is written with, and fetches the latest of what is read. Rejects
   * with one error that names every subject that is missing or refused.
   */
  prepare(needed: readonly NeededSchema[]): Promise<void>
  /**
   * Calls `then`, once and never before this returns, when `writerOf(id)` has an answer: the schema, or that there is none. Asks the registry if
   * nobody has yet, and as often as it takes. Returns how to cancel.
   */
  whenKnown(id: number, then: () => void): () => void
  /** Set by whoever tells others: called with what is new before any `then` of it. */
  onNews: (news: SchemaNews) => void
  /** All that somebody who begins now has to know: the ids, and the latest schemas. */
  all(): SchemaNews
  /** Why answers are waited for; null: none are, or they come. */
  trouble(): { readonly reason: string; readonly sinceMs: number; readonly waitingIds: number } | null
  /** Ends what is asked. Nobody is called any more. */
  close(): void
}
