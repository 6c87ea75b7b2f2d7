/** Which stores there are to be, by the option `state`. */
import type { Clock } from '../../clock.ts'
import type { Log } from '../../log.ts'
import type { CheckpointSettings } from '../../options/checkpoint-options.ts'
import { TroupeError } from '../../errors.ts'
import type { Stores } from '../store.ts'
import { MemoryStores } from './memory/memory-store.ts'

export interface OpenStoresOptions {
  readonly state: CheckpointSettings['state']
  readonly clock: Clock
  readonly log: Log
}

/** Throws OPTIONS_INVALID or STORE_FAILED where the disk cannot be used. */
export function openStores({ clock, state }: OpenStoresOptions): Promise<Stores> {
  if (state.store === 'memory') return Promise.resolve(new MemoryStores(clock))
  return Promise.reject(new TroupeError('OPTIONS_INVALID', 'state.store disk is not in this version yet'))
}
