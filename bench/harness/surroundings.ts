/** Where a figure was measured. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os'

const packages = ['@confluentinc/kafka-javascript', 'kafkajs', '@platformatic/kafka', 'piscina']
const require = createRequire(import.meta.url)

export interface Surroundings {
  readonly machine: string
  /** Over one minute, at the start: a busy machine measures its other work as well. */
  readonly load: number
  readonly node: string
  readonly versions: Readonly<Record<string, string>>
}

export function describeSurroundings(): Surroundings {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor'
  const gib = Math.round(totalmem() / 2 ** 30)
  return {
    machine: `${availableParallelism()} cores of ${model}, ${gib} GiB, ${type()} ${release().split('-')[0]}`,
    load: Math.round(loadavg()[0]! * 10) / 10,
    node: process.version,
    versions: Object.fromEntries(packages.map((name) => [name, versionOf(name)])),
  }
}

function versionOf(name: string): string {
  for (const folder of require.resolve.paths(name) ?? []) {
    try {
      return (JSON.parse(readFileSync(`${folder}/${name}/package.json`, 'utf8')) as { version: string }).version
    } catch {
      // Not in this folder.
    }
  }
  return 'not installed'
}
