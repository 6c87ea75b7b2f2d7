import type { RegistryOutcome } from '../streams/registry/registry-error.ts'

/** What is counted of a schema registry. */
export class RegistryStats {
  /** Exchanges with it, by what became of them. */
  readonly requests: Record<RegistryOutcome, number> = {
    answered: 0,
    'not-found': 0,
    incompatible: 0,
    refused: 0,
    unreachable: 0,
  }
  /** Ids of schemas that are waited for now. */
  waiting: () => number = () => 0
}
