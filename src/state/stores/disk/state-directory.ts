/**
 * The directory of a process: taken, judged, opened, and closed in a way that the next process can rely on.
 *
 *     lock/           who is here (directory-lock.ts)
 *     process.json    version, boot of the machine, whether everything had reached the disk
 *     data/           the environment
 *
 * What is written reaches the disk when the system sees fit. That stands the death of the process, not that of the machine.
 */
import { existsSync } from 'node:fs'
import { mkdir, open as openFile, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { open } from 'lmdb'
import { TroupeError, describeError } from '../../../errors.ts'
import type { Log } from '../../../log.ts'
import { lockDirectory, type DirectoryLock } from './directory-lock.ts'
import { asBytes, type Environment, type KeptBytes } from './lmdb.ts'

/** Of files and their contents. Another one: the store is wiped, since all of it is in the changelog. */
const VERSION = 1

/** Partitions that a process may have had in its life. */
const MOST_STORES = 2_048

interface Note {
  readonly version: number
  readonly bootId: string | null
  /** Everything was on disk when it was closed. */
  readonly isClean: boolean
}

export interface StateDirectoryOptions {
  readonly path: string
  readonly openLmdb: typeof open
  readonly bootId: string | null
  readonly log: Log
}

export class StateDirectory {
  readonly environment: Environment
  /** What is known of each store beside its entries (`ledger.ts`). */
  readonly ledger: KeptBytes
  readonly #options: StateDirectoryOptions
  readonly #lock: DirectoryLock

  private constructor(options: StateDirectoryOptions, lock: DirectoryLock, { environment, ledger }: Opened) {
    this.#options = options
    this.#lock = lock
    this.environment = environment
    this.ledger = ledger
  }

  /** Throws STORE_FAILED: it is in use, or cannot be written. */
  static async open(options: StateDirectoryOptions): Promise<StateDirectory> {
    const { path, bootId } = options
    try {
      await mkdir(path, { recursive: true })
      const lock = await lockDirectory(options.openLmdb, path)
      try {
        const reason = await findReasonToWipe(path, bootId)
        if (reason !== null) await wipe(options, reason)
        // On disk before anything else is written: else a machine that dies would leave behind that all was well.
        await writeNote(path, { version: VERSION, bootId, isClean: false })
        return new StateDirectory(options, lock, await openFiles(options))
      } catch (error) {
        await lock.release()
        throw error
      }
    } catch (error) {
      if (error instanceof TroupeError) throw error
      throw new TroupeError('STORE_FAILED', `the directory ${path} of state.directory: ${describeError(error)}`, {
        cause: error,
      })
    }
  }

  get path(): string {
    return this.#options.path
  }

  async close(): Promise<void> {
    const { path, bootId } = this.#options
    await this.environment.close()
    try {
      await syncFile(dataFile(path))
      await writeNote(path, { version: VERSION, bootId, isClean: true })
    } finally {
      await this.#lock.release()
    }
  }
}

export const dataPath = (path: string): string => join(path, 'data')
const dataFile = (path: string): string => join(dataPath(path), 'data.mdb')
export const notePath = (path: string): string => join(path, 'process.json')

async function findReasonToWipe(path: string, bootId: string | null): Promise<string | null> {
  const file = dataFile(path)
  if (!existsSync(file)) return null
  if (!(await beginsAsItShould(file))) return 'its file is damaged'
  return reasonToWipe(await readNote(path), bootId)
}

/** LMDB's mark, in the first page of its file: without it the package ends the process. */
const MAGIC = Buffer.from('dec0efbe', 'hex')
const MAGIC_AT = 24

async function beginsAsItShould(file: string): Promise<boolean> {
  const handle = await openFile(file, 'r')
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(MAGIC.length), 0, MAGIC.length, MAGIC_AT)
    return bytesRead === MAGIC.length && buffer.equals(MAGIC)
  } finally {
    await handle.close()
  }
}

async function readNote(path: string): Promise<Note | null> {
  try {
    return JSON.parse(await readFile(notePath(path), 'utf8')) as Note
  } catch {
    return null
  }
}

/** Why what a process has left cannot be gone on with; null: it can. */
function reasonToWipe(note: Note | null, bootId: string | null): string | null {
  if (note === null) return 'it does not say which version of Troupe has written it'
  if (note.version !== VERSION) return `version ${note.version} of its files, and this Troupe reads version ${VERSION}`
  if (note.isClean) return null
  if (bootId === null) return 'it was not closed, and whether the machine has started anew since cannot be told'
  if (note.bootId !== bootId)
    return 'it was not closed before the machine started anew, so some of it may not be on disk'
  return null
}

async function wipe({ log, path }: StateDirectoryOptions, reason: string): Promise<void> {
  log.warn({ directory: path, reason }, `state on disk is wiped and restored from its changelogs: ${reason}`)
  await rm(dataPath(path), { recursive: true, force: true })
}

interface Opened {
  readonly environment: Environment
  readonly ledger: KeptBytes
}

async function openFiles(options: StateDirectoryOptions): Promise<Opened> {
  try {
    return await tryToOpen(options)
  } catch (error) {
    await wipe(options, `it cannot be opened (${describeError(error)})`)
    return await tryToOpen(options)
  }
}

async function tryToOpen({ openLmdb, path }: StateDirectoryOptions): Promise<Opened> {
  const environment: Environment = openLmdb<Buffer, Uint8Array>({
    ...asBytes,
    path: dataPath(path),
    noSubdir: false,
    maxDbs: MOST_STORES + 1,
    noSync: true,
    useWritemap: true,
  })
  try {
    return { environment, ledger: environment.openDB('ledger', asBytes) }
  } catch (error) {
    await environment.close()
    throw error
  }
}

async function writeNote(path: string, note: Note): Promise<void> {
  const file = notePath(path)
  const handle = await openFile(`${file}.new`, 'w')
  try {
    await handle.writeFile(JSON.stringify(note))
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(`${file}.new`, file)
  await syncFile(path)
}

async function syncFile(path: string): Promise<void> {
  const handle = await openFile(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
