/** What a process knows of the schema registry that its options name. */
import type { Clock } from '../../clock.ts'
import type { Log } from '../../log.ts'
import type { RegistryStats } from '../../metrics/registry-stats.ts'
import type { RegisterSchemas } from './needed-schemas.ts'
import { RegistryClient } from './registry-client.ts'
import type { RegistrySettings } from './registry-settings.ts'
import { SchemaBook } from './schema-book.ts'
import type { SchemaPort } from './schema-port.ts'

export interface SchemaOptions {
  readonly schemaRegistry: RegistrySettings
  readonly registerSchemas: RegisterSchemas
}

export interface OpenSchemasParts {
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
  readonly stats: RegistryStats
}

/** null: no registry is named. Connects to nothing yet. Rejects with OPTIONS_INVALID where a TLS file cannot be read. */
export async function openSchemas(
  { registerSchemas, schemaRegistry }: SchemaOptions,
  parts: OpenSchemasParts,
): Promise<SchemaPort | null> {
  if (schemaRegistry.url.length === 0) return null
  const registry = await RegistryClient.open({
    settings: schemaRegistry,
    clock: parts.clock,
    onOutcome: (outcome) => {
      parts.stats.requests[outcome] += 1
    },
  })
  return new SchemaBook({ ...parts, registry, registerSchemas })
}
