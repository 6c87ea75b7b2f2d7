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
export async function openStores({ clock, log, state }: OpenStoresOptions): Promise<Stores> {
  if (state.store === 'memory') return new MemoryStores(clock)
  if (state.directory === null) throw new TroupeError('OPTIONS_INVALID', 'state.store disk needs state.directory')
  // Only here, since the package behind it is optional.
  const { DiskStores } = await import('./disk/disk-stores.ts')
  return await DiskStores.open({ directory: state.directory, clock, log })
}
