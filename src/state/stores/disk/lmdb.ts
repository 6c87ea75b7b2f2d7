/**
 * The optional package `lmdb`, loaded where `state.store` is `disk`: an option says so, at start, from a file, a flag or the
 * environment, and nobody imports anything for it.
 */
import type { Database, RootDatabase, open } from 'lmdb'
import { TroupeError } from '../../../errors.ts'

export type Environment = RootDatabase<Buffer, Uint8Array>
export type KeptBytes = Database<Buffer, Uint8Array>

export async function loadLmdb(): Promise<typeof open> {
  const lmdb = await import('lmdb').catch((error: unknown) => {
    throw new TroupeError('OPTIONS_INVALID', 'state.store disk needs the package lmdb: run `npm install lmdb`', {
      cause: error,
    })
  })
  return lmdb.open
}

/** Keys and values are bytes as they are; nothing is cached, since PartitionState knows better what to keep. */
export const asBytes = { encoding: 'binary', keyEncoding: 'binary', cache: false } as const
