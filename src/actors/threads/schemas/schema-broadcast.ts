/** Tells the threads of one pool what main learns of schemas: each of them all that it has to know when it begins, and what is new to everybody. */
import { randomUUID } from 'node:crypto'
import type { SchemaPort } from '../../../streams/registry/schema-port.ts'
import { openNewsOutbox, type NewsOutbox, type OpenNewsOutbox } from './news-channel.ts'

export class SchemaBroadcast {
  /** Of the channel: no other pool of this process has it. */
  readonly channel = `troupe schemas ${randomUUID()}`
  readonly #schemas: SchemaPort
  readonly #outbox: NewsOutbox

  constructor(schemas: SchemaPort, open: OpenNewsOutbox = openNewsOutbox) {
    this.#schemas = schemas
    this.#outbox = open(this.channel)
    schemas.onNews = (news) => {
      this.#outbox.tell(news)
    }
  }

  /** A thread has begun. The others hear nothing new. */
  tellAll(): void {
    this.#outbox.tell(this.#schemas.all())
  }

  close(): void {
    this.#schemas.onNews = () => undefined
    this.#outbox.close()
  }
}
