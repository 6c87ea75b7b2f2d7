/** What a process knows of the schema registry that its options name. */
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import type { EngineStats } from '../metrics/stats.ts'
import type { ResolvedApp } from '../options/options.ts'
import { RegistryClient } from '../streams/registry/registry-client.ts'
import { SchemaBook } from '../streams/registry/schema-book.ts'
import type { SchemaPort } from '../streams/registry/schema-port.ts'

/** null: no registry is named. Connects to nothing yet. Rejects with OPTIONS_INVALID where a TLS file cannot be read. */
export async function schemasFor(
  { registerSchemas, schemaRegistry }: ResolvedApp,
  parts: { readonly clock: Clock; readonly random: () => number; readonly log: Log; readonly stats: EngineStats },
): Promise<SchemaPort | null> {
  if (schemaRegistry.url.length === 0) return null
  const stats = parts.stats.registry
  const registry = await RegistryClient.open({
    settings: schemaRegistry,
    clock: parts.clock,
    onOutcome: (outcome) => {
      stats.requests[outcome] += 1
    },
  })
  return new SchemaBook({ ...parts, stats, registry, registerSchemas })
}
