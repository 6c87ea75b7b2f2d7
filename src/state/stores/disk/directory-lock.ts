/**
 * One process a directory. The lock is an empty environment of LMDB, in which everybody who has it open is listed with a
 * lock of the kernel's: that goes with its process, however it ends, and means the same in every container of a machine. A
 * file with a process id in it would say neither.
 *
 * It is apart from the data, which may have to be thrown away before anybody opens it.
 */
import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import type { open } from 'lmdb'
import { TroupeError } from '../../../errors.ts'
import { asBytes, type Environment } from './lmdb.ts'

/** Of this process: the kernel's locks do not tell a process from itself. */
const taken = new Set<string>()

export const lockPath = (directory: string): string => join(directory, 'lock')

export interface DirectoryLock {
  release(): Promise<void>
}

/** Throws STORE_FAILED when another process is there. The directory has to exist. */
export async function lockDirectory(openLmdb: typeof open, directory: string): Promise<DirectoryLock> {
  const path = realpathSync(directory)
  if (taken.has(path)) throw inUse(directory, 'by another app of this process')
  taken.add(path)
  const lock = openLmdb<Buffer, Uint8Array>({ ...asBytes, path: lockPath(path), noSubdir: false }) as Environment
  // Who has read is listed. Of two that come at the same time at least one finds the other.
  lock.getBinary(Uint8Array.of(0))
  lock.readerCheck()
  const other = readerPids(lock.readerList()).find((pid) => pid !== process.pid)
  const release = async (): Promise<void> => {
    await lock.close()
    taken.delete(path)
  }
  if (other === undefined) return { release }
  await release()
  throw inUse(directory, `by process ${other}`)
}

/** A headline, and then a row for each reader, which begins with its process. */
function readerPids(list: string): number[] {
  const [, ...rows] = list.split('\n')
  return rows.filter((row) => row.trim() !== '').map((row) => Number.parseInt(row.trim(), 10))
}

function inUse(directory: string, byWhom: string): TroupeError {
  return new TroupeError(
    'STORE_FAILED',
    `the directory ${directory} of state.directory is in use ${byWhom}: give each process one of its own`,
  )
}
