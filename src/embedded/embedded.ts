/**
 * `troupe/embedded`: a broker and a database for trying things out and for tests, without
 * installing any. Not for production: the broker keeps a few MiB in memory, the database does not
 * sync to disk, and both are gone when their process is.
 */
export { EMBEDDED_PARTITIONS, startEmbeddedBroker } from './embedded-broker.ts'
export type { EmbeddedBroker, EmbeddedBrokerOptions } from './embedded-broker.ts'
export { startEmbeddedPostgres, sweepLeftovers } from './embedded-postgres.ts'
export type { EmbeddedPostgres, EmbeddedPostgresOptions } from './embedded-postgres.ts'
