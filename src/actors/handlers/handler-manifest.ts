import type { SinkDestination } from '../../streams/delivery/sink.ts'

/** What main has to know of a handler that it never evaluates. */
export interface HandlerManifest {
  readonly actor: string
  readonly input: string
  readonly outputTopics: readonly string[]
  readonly destinations: readonly SinkDestination[]
}
