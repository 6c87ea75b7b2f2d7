/** What an app needs of a schema registry, checked before the first record: every problem is named at once. */
import type { HandlerManifest } from '../actors/handlers/handler-manifest.ts'
import { TroupeError } from '../errors.ts'
import type { SchemaPort } from '../streams/registry/schema-port.ts'

/** Rejects with SCHEMA_REGISTRY_MISSING, SCHEMA_MISSING, SCHEMA_INCOMPATIBLE, or what kept the registry from answering. */
export async function prepareSchemas(manifests: readonly HandlerManifest[], schemas: SchemaPort | null): Promise<void> {
  const [problem] = surveyContracts(manifests, schemas !== null)
  if (problem !== undefined) throw problem
  const needed = manifests.flatMap((manifest) => manifest.schemas)
  if (needed.length > 0) await schemas?.prepare(needed)
}

/** Without asking anybody. */
export function surveyContracts(manifests: readonly HandlerManifest[], hasRegistry: boolean): readonly TroupeError[] {
  const used = manifests.flatMap(({ actor, contracts }) => contracts.map((contract) => ({ actor, ...contract })))
  const errors: TroupeError[] = []
  const unwritable = used.filter(({ cannotWrite, use }) => use === 'write' && cannotWrite !== null)
  if (unwritable.length > 0) {
    const list = unwritable.map(
      ({ actor, cannotWrite, part, topic }) => `actor ${actor} writes ${part}s of topic ${topic}: ${cannotWrite ?? ''}`,
    )
    errors.push(new TroupeError('OPTIONS_INVALID', list.join('\n')))
  }
  if (used.length > 0 && !hasRegistry) {
    const places = new Set(used.map(({ codec, part, topic }) => `the ${part}s of topic ${topic} (${codec})`))
    const message = `a registry keeps the schemas of ${[...places].join(', ')}, and none is named: set schemaRegistry.url`
    errors.push(new TroupeError('SCHEMA_REGISTRY_MISSING', message))
  }
  return errors
}
