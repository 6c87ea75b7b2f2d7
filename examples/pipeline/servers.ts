/** The broker, the database and, where it is needed, the schema registry: real ones when named, embedded ones otherwise. */
import {
  startEmbeddedBroker,
  startEmbeddedPostgres,
  startEmbeddedSchemaRegistry,
  sweepLeftovers,
} from 'troupe/embedded'

export interface Servers {
  readonly brokers: readonly string[]
  readonly isBrokerEmbedded: boolean
  readonly postgresUrl: string
  readonly isPostgresEmbedded: boolean
  /** Undefined: none is needed. */
  readonly registryUrl: string | undefined
  readonly isRegistryEmbedded: boolean
  stop(): Promise<void>
}

export async function provideServers(named: {
  readonly brokers: readonly string[] | undefined
  readonly postgres: string | undefined
  readonly registry: string | undefined
  /** Only then is there a registry. */
  readonly avro: boolean
}): Promise<Servers> {
  // What a run left that was ended by kill -9.
  if (named.brokers === undefined || named.postgres === undefined) await sweepLeftovers()
  const [broker, database, registry] = await Promise.all([
    named.brokers === undefined ? startEmbeddedBroker() : undefined,
    named.postgres === undefined ? startEmbeddedPostgres() : undefined,
    named.avro && named.registry === undefined ? startEmbeddedSchemaRegistry() : undefined,
  ])
  return {
    brokers: named.brokers ?? broker?.bootstrapServers.split(',') ?? [],
    isBrokerEmbedded: broker !== undefined,
    postgresUrl: named.postgres ?? database?.url ?? '',
    isPostgresEmbedded: database !== undefined,
    registryUrl: named.avro ? (named.registry ?? registry?.url) : undefined,
    isRegistryEmbedded: registry !== undefined,
    async stop() {
      await Promise.all([broker?.stop(), database?.stop(), registry?.stop()])
    },
  }
}

export function describeServers(servers: Servers): string {
  const { brokers, registryUrl } = servers
  const kafka = servers.isBrokerEmbedded
    ? `an embedded broker (for trying out: in memory, about 5 MiB a partition) at ${brokers.join(',')}`
    : `Kafka at ${brokers.join(',')}`
  const database = servers.isPostgresEmbedded
    ? 'an embedded PostgreSQL (for trying out: gone at the end)'
    : 'your PostgreSQL'
  if (registryUrl === undefined) return `running on ${kafka} and ${database}`
  const registry = servers.isRegistryEmbedded ? `an embedded schema registry at ${registryUrl}` : 'your schema registry'
  return `running on ${kafka}, ${database} and ${registry}`
}
