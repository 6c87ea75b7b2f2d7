export interface SchemaRegistryProcess {
  /** The base of Confluent's API, for clients. */
  readonly url: string
  readonly pid: number | undefined
  /** Freezes it (SIGSTOP): connections stay open, nothing answers. */
  pause(): void
  resume(): void
  /** Ends it; what it kept is gone. */
  stop(): Promise<void>
}

/** What keeps us from starting a real schema registry on this machine, and what to install; undefined when nothing does. */
export function findMissingForRegistry(): string | undefined

/** Starts one on a free port and resolves when it answers. Its level is BACKWARD, as Confluent's. */
export function startSchemaRegistry(log?: (line: string) => void): Promise<SchemaRegistryProcess>
