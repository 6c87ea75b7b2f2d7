/**
 * `troupe/embedded`: a broker, a database and a schema registry for trying things out and for
 * tests, without installing any. Not for production: broker and registry keep what they have in memory,
 * the database does not sync to disk, and all are gone when their process is.
 */
export { EMBEDDED_PARTITIONS, startEmbeddedBroker } from './embedded-broker.ts'
export type { EmbeddedBroker, EmbeddedBrokerOptions } from './embedded-broker.ts'
export { startEmbeddedPostgres, sweepLeftovers } from './embedded-postgres.ts'
export type { EmbeddedPostgres, EmbeddedPostgresOptions } from './embedded-postgres.ts'
export { startEmbeddedSchemaRegistry } from './schema-registry/embedded-schema-registry.ts'
export type {
  EmbeddedSchemaRegistry,
  EmbeddedSchemaRegistryOptions,
} from './schema-registry/embedded-schema-registry.ts'
export type { EmbeddedRegistryAuth } from './schema-registry/registry-server.ts'
