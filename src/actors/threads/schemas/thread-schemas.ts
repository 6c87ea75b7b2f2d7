/**
 * What a thread knows of the schema registry: what main has told it. News are taken as they come, and also by whoever misses
 * something, at once: what main had told before it handed out a record is there when that record is decoded, however long
 * the event loop has been held.
 *
 * All of it is bounded, so a thread may forget a schema, and one that was put in the place of another has heard nothing. It
 * says then that it needs the schema, and is told again.
 */
import { LRUCache } from 'lru-cache'
import { TroupeError } from '../../../errors.ts'
import type { Lookout } from '../../../lookout.ts'
import { SchemaNeeded, type KnownSchemas, type WriterSchema } from '../../../streams/flows/contract.ts'
import type { SchemaNews } from '../../../streams/registry/schema-port.ts'

/** Where news come in. */
export interface NewsInbox {
  /** What has come and was not taken yet, oldest first; undefined: nothing. */
  take(): SchemaNews | undefined
  /** Set by whoever wants to hear of what comes. */
  onNews: (news: SchemaNews) => void
  close(): void
}

export interface SchemaBounds {
  readonly maxSchemas: number
  readonly maxBytes: number
}

const BOUNDS: SchemaBounds = { maxSchemas: 1_000, maxBytes: 16 * 1024 * 1024 }
/** So long the registry's word that it has no such schema is good: it may be registered any time. */
const ABSENT_MS = 10_000
/** What an entry takes beside its text, and one that says there is no schema. */
const ENTRY_BYTES = 200

/** When the registry's word was heard that there is none, by what this thread has seen of time. */
interface Absent {
  readonly seenAtMs: number
}

export class ThreadSchemas implements KnownSchemas {
  readonly #inbox: NewsInbox
  readonly #lookout: Lookout
  readonly #writers: LRUCache<number, WriterSchema | Absent>
  /** Of the subjects that the app's own code names. */
  readonly #ids = new Map<string, number>()
  /** Those who wait for ids. */
  readonly #waiting = new Set<() => void>()

  constructor(inbox: NewsInbox, lookout: Lookout, { maxBytes, maxSchemas }: SchemaBounds = BOUNDS) {
    this.#inbox = inbox
    this.#lookout = lookout
    this.#writers = new LRUCache({
      max: maxSchemas,
      maxSize: maxBytes,
      // One that is larger than all may be has the place to itself: not kept, it would be asked for for ever.
      sizeCalculation: (known) => Math.min(maxBytes, sizeOf(known)),
    })
    inbox.onNews = (news) => {
      this.#note(news)
    }
  }

  writerOf(id: number): WriterSchema {
    const known = this.#find(id)
    if (known === undefined) throw new SchemaNeeded(id)
    if ('seenAtMs' in known) throw new TroupeError('SCHEMA_UNKNOWN', `the schema registry has no schema ${id}`)
    return known
  }

  idOf(subject: string): number {
    let id = this.#ids.get(subject)
    while (id === undefined && this.#takeNext()) id = this.#ids.get(subject)
    if (id !== undefined) return id
    throw new TroupeError('SCHEMA_MISSING', `nobody has looked for the schema of subject ${subject}`)
  }

  /** Resolves when the ids of all these subjects are known. */
  async whenKnown(subjects: readonly string[]): Promise<void> {
    while (!subjects.every((subject) => this.#ids.has(subject))) {
      if (this.#takeNext()) continue
      await new Promise<void>((resolve) => this.#waiting.add(resolve))
    }
  }

  close(): void {
    this.#inbox.close()
  }

  /** No further than to this id: what comes behind it might take its place. */
  #find(id: number): WriterSchema | Absent | undefined {
    let known = this.#inForce(id)
    while (known === undefined && this.#takeNext()) known = this.#inForce(id)
    return known
  }

  #inForce(id: number): WriterSchema | Absent | undefined {
    const known = this.#writers.get(id)
    if (known === undefined || !('seenAtMs' in known)) return known
    return this.#lookout.seenMs - known.seenAtMs < ABSENT_MS ? known : undefined
  }

  #takeNext(): boolean {
    const news = this.#inbox.take()
    if (news === undefined) return false
    this.#note(news)
    return true
  }

  #note({ ids, writers }: SchemaNews): void {
    for (const [subject, id] of ids) this.#ids.set(subject, id)
    for (const [id, schema] of writers) this.#writers.set(id, schema ?? { seenAtMs: this.#lookout.seenMs })
    for (const wake of this.#waiting) wake()
    this.#waiting.clear()
  }
}

function sizeOf(known: WriterSchema | Absent): number {
  if ('seenAtMs' in known) return ENTRY_BYTES
  const { references, text } = known
  // UTF-16, as V8 may have it.
  return references.reduce(
    (sum, each) => sum + 2 * (each.name.length + each.text.length),
    ENTRY_BYTES + 2 * text.length,
  )
}
