/** The broker and the database: real ones when named, embedded ones otherwise. */
import { startEmbeddedBroker, startEmbeddedPostgres, sweepLeftovers } from 'troupe/embedded'

export interface Servers {
  readonly brokers: readonly string[]
  readonly isBrokerEmbedded: boolean
  readonly postgresUrl: string
  readonly isPostgresEmbedded: boolean
  stop(): Promise<void>
}

export async function provideServers(named: {
  readonly brokers: readonly string[] | undefined
  readonly postgres: string | undefined
}): Promise<Servers> {
  // What a run left that was ended by kill -9.
  if (named.brokers === undefined || named.postgres === undefined) await sweepLeftovers()
  const [broker, database] = await Promise.all([
    named.brokers === undefined ? startEmbeddedBroker() : undefined,
    named.postgres === undefined ? startEmbeddedPostgres() : undefined,
  ])
  return {
    brokers: named.brokers ?? broker?.bootstrapServers.split(',') ?? [],
    isBrokerEmbedded: broker !== undefined,
    postgresUrl: named.postgres ?? database?.url ?? '',
    isPostgresEmbedded: database !== undefined,
    async stop() {
      await Promise.all([broker?.stop(), database?.stop()])
    },
  }
}

export function describeServers({ brokers, isBrokerEmbedded, isPostgresEmbedded }: Servers): string {
  const kafka = isBrokerEmbedded
    ? `an embedded broker (for trying out: in memory, about 5 MiB a partition) at ${brokers.join(',')}`
    : `Kafka at ${brokers.join(',')}`
  const database = isPostgresEmbedded ? 'an embedded PostgreSQL (for trying out: gone at the end)' : 'your PostgreSQL'
  return `running on ${kafka} and ${database}`
}
