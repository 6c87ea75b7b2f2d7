/** What an app needs of a schema registry, checked before the first record: every problem is named at once. */
import type { HandlerManifest } from '../actors/handlers/handler-manifest.ts'
import { TroupeError } from '../errors.ts'
import type { SchemaPort } from '../streams/registry/schema-port.ts'
import { problemsOfWriting, registryIsMissing } from '../streams/registry/used-contracts.ts'

/** Throws SCHEMA_REGISTRY_MISSING, or OPTIONS_INVALID for what cannot be written with. */
export function verifyContracts(manifests: readonly HandlerManifest[], hasRegistry: boolean): void {
  const [problem] = surveyContracts(manifests, hasRegistry)
  if (problem !== undefined) throw problem
}

/** Rejects with SCHEMA_MISSING, SCHEMA_INCOMPATIBLE, or what kept the registry from answering. */
export async function prepareSchemas(manifests: readonly HandlerManifest[], schemas: SchemaPort | null): Promise<void> {
  const needed = manifests.flatMap((manifest) => manifest.schemas)
  if (needed.length > 0) await schemas?.prepare(needed)
}

/** Without asking anybody. */
export function surveyContracts(manifests: readonly HandlerManifest[], hasRegistry: boolean): readonly TroupeError[] {
  const errors: TroupeError[] = []
  const unwritable = manifests.flatMap(({ actor, contracts }) => problemsOfWriting(contracts, `actor ${actor}`))
  if (unwritable.length > 0) errors.push(new TroupeError('OPTIONS_INVALID', unwritable.join('\n')))
  const used = manifests.flatMap(({ contracts }) => contracts)
  if (used.length > 0 && !hasRegistry) {
    errors.push(new TroupeError('SCHEMA_REGISTRY_MISSING', registryIsMissing(used)))
  }
  return errors
}
