/**
 * Whether the file system has room for what is about to be written. LMDB writes into mapped memory: where a page of it finds
 * no room on disk, the kernel ends the process (SIGBUS) instead of saying so. So we ask before.
 */
import { statfsSync } from 'node:fs'
import { TroupeError } from '../../../errors.ts'

/** What is never used: others write to this disk as well. */
const LEAST_FREE_BYTES = 16 * 2 ** 20
/** So much may be written between two looks. */
const BYTES_A_LOOK = 4 * 2 ** 20
/** A change rewrites the page that its key is in, and those above it. */
const PAGES_A_CHANGE_BYTES = 3 * 4_096

/** Of the file system that this path is on. */
export type ReadFreeBytes = (path: string) => number

export const readFreeBytes: ReadFreeBytes = (path) => {
  const { bavail, bsize } = statfsSync(path)
  return bavail * bsize
}

export class FreeSpace {
  readonly #directory: string
  readonly #read: ReadFreeBytes
  /** What may be written before the next look. */
  #allowed = 0

  constructor(directory: string, read: ReadFreeBytes) {
    this.#directory = directory
    this.#read = read
  }

  /** A change is about to be made, whose key and value take so many bytes. Throws STORE_FAILED. */
  take(bytes: number): void {
    this.#allowed -= bytes + PAGES_A_CHANGE_BYTES
    if (this.#allowed >= 0) return
    const free = this.#read(this.#directory)
    if (free < LEAST_FREE_BYTES + BYTES_A_LOOK + bytes) {
      throw new TroupeError(
        'STORE_FAILED',
        `the disk of ${this.#directory} is full: ${Math.floor(free / 2 ** 20)} MiB are free, and 20 MiB and what is written are needed`,
      )
    }
    this.#allowed = BYTES_A_LOOK
  }
}
