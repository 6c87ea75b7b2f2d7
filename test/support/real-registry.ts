/**
 * A real schema registry for a suite, in a process of its own: some 4 s to start. Suites say
 * `describe.skipIf(!registryIsAvailable)`; where real Kafka is required, so is the registry.
 */
import {
  findMissingForRegistry,
  startSchemaRegistry,
  type SchemaRegistryProcess,
} from '../../scripts/schema-registry.mjs'

const missing = findMissingForRegistry()
if (missing !== undefined) {
  if (process.env['REQUIRE_KAFKA'] === '1') throw new Error(`REQUIRE_KAFKA=1, and ${missing}`)
  console.warn(`\nSuites on a real schema registry are SKIPPED: ${missing}\n`)
}

export const registryIsAvailable = missing === undefined

/** Its level is BACKWARD, as Confluent's. To be stopped at the end; it does not survive this process. */
export function startRealRegistry(): Promise<SchemaRegistryProcess> {
  return startSchemaRegistry((line) => console.log(`registry: ${line}`))
}
