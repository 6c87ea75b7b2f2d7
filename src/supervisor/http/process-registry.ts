/** A registry with the memory, CPU, GC and event loop of this process on it. Once for each process: it cannot be undone. */
import type { Registry } from 'prom-client'

export async function processRegistry(): Promise<Registry> {
  const { default: client } = await import('prom-client')
  const registry = new client.Registry()
  client.collectDefaultMetrics({ register: registry })
  return registry
}
