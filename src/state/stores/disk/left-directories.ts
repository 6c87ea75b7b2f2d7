/**
 * What the processes of an app have left on this disk, for who forgets it: the directory of `state.directory`, and those of
 * its instances (`-1`, `-2`, …). Only what is ours is taken away, and only where nobody has it open.
 */
import { existsSync } from 'node:fs'
import { rm, rmdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { describeError, TroupeError } from '../../../errors.ts'
import { lockDirectory, lockPath, type DirectoryLock } from './directory-lock.ts'
import { loadLmdb } from './lmdb.ts'
import { dataPath, notePath } from './state-directory.ts'

export class LeftDirectories {
  readonly paths: readonly string[]
  #locks: DirectoryLock[] = []

  private constructor(paths: readonly string[]) {
    this.paths = paths
  }

  /** Looks, and changes nothing. */
  static find(directory: string, instances: number): LeftDirectories {
    const path = resolve(directory)
    const ofInstances = Array.from({ length: instances > 1 ? instances : 0 }, (_, at) => `${path}-${at + 1}`)
    return new LeftDirectories([path, ...ofInstances].filter(hasState))
  }

  /** From now on nobody else opens them. Rejects with STORE_FAILED where somebody has, and then has taken none. */
  async take(): Promise<void> {
    if (this.paths.length === 0) return
    const openLmdb = await loadLmdb()
    try {
      for (const path of this.paths) this.#locks.push(await lockDirectory(openLmdb, path))
    } catch (error) {
      await this.release()
      throw error
    }
  }

  /** After `take`. Rejects with STORE_FAILED. */
  async remove(): Promise<void> {
    for (const path of this.paths) {
      try {
        // The note first: without one, what is left of a directory is wiped by who opens it.
        for (const part of [notePath(path), dataPath(path)]) await rm(part, { recursive: true, force: true })
      } catch (error) {
        throw new TroupeError('STORE_FAILED', `state on disk in ${path} cannot be removed: ${describeError(error)}`, {
          cause: error,
        })
      }
    }
    // Before it is let go: whoever starts then makes one of its own.
    for (const path of this.paths) await rm(lockPath(path), { recursive: true, force: true })
    await this.release()
    for (const path of this.paths) {
      // Not where somebody has put something else there.
      await rmdir(path).catch(() => undefined)
    }
  }

  async release(): Promise<void> {
    for (const lock of this.#locks.splice(0)) await lock.release()
  }
}

function hasState(path: string): boolean {
  return existsSync(notePath(path)) || existsSync(dataPath(path))
}
