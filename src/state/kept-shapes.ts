/** What an operator keeps, as others know it. */
import { DEFAULT_MAX_BYTES } from './declared-state.ts'
import type { StateShape } from './state-shape.ts'

/** As far as its shape goes. */
interface KeptAs {
  readonly name: string
  readonly codec: { readonly name: string }
  readonly ttlMs: number | null
}

/** The name of the one timer that an operator has of each key. */
export const operatorTimer = 'due'

export function shapesOfKept(states: readonly KeptAs[]): readonly StateShape[] {
  return states.map(({ codec, name, ttlMs }) => ({ name, codec: codec.name, ttlMs, maxBytes: DEFAULT_MAX_BYTES }))
}
