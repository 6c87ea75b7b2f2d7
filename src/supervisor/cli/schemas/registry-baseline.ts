/** What schemas were before, in a registry. */
import { ReferencedSchemas } from '../../../streams/registry/referenced-schemas.ts'
import type { KeptVersion, Registry } from '../../../streams/registry/registry-client.ts'
import type { ReadSchema } from '../../../schemas/schema-set.ts'
import type { Baseline, NamedVersion } from './contract-test.ts'

export class RegistryBaseline implements Baseline {
  readonly name: string
  readonly #registry: Registry
  readonly #subjectsOf: (path: string) => readonly string[]
  readonly #references: ReferencedSchemas

  constructor(registry: Registry, subjectsOf: (path: string) => readonly string[]) {
    this.name = registry.name
    this.#registry = registry
    this.#subjectsOf = subjectsOf
    this.#references = new ReferencedSchemas(registry)
  }

  async versionsOf({ path }: ReadSchema, all: boolean): Promise<readonly NamedVersion[] | string> {
    const subjects = this.#subjectsOf(path)
    if (subjects.length === 0) return 'not compared: no --subject names it'
    const versions: NamedVersion[] = []
    for (const subject of subjects) {
      const latest = await this.#registry.version(subject, 'latest')
      if (latest === null) continue
      if (all) {
        for (let version = 1; version < latest.version; version += 1) {
          // Versions may have been deleted.
          const kept = await this.#registry.version(subject, version)
          if (kept !== null) versions.push(await this.#named(kept))
        }
      }
      versions.push(await this.#named(latest))
    }
    return versions
  }

  async #named(kept: KeptVersion): Promise<NamedVersion> {
    const schema = await this.#references.complete(kept)
    return { name: `version ${kept.version} of ${kept.subject}`, version: kept.version, schema }
  }
}
