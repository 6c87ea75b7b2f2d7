/** One process a directory, also where the kernel cannot tell two apart. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { lockDirectory } from '../../../src/state/stores/disk/directory-lock.ts'
import { loadLmdb } from '../../../src/state/stores/disk/lmdb.ts'

test('a directory that a process of the same number has, in another container, is refused, and nothing is left', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'troupe-lock-'))
  try {
    const openLmdb = await loadLmdb()
    const said: string[] = []
    // What LMDB does where both are process 1: the second finds no place among the readers.
    const openCrowded = ((options: object) => {
      const made = openLmdb(options as never)
      return Object.assign(made, {
        getBinary: () => {
          throw new TypeError("Cannot read properties of null (reading 'address')")
        },
        close: () => Promise.resolve(void said.push('closed')),
      })
    }) as unknown as typeof openLmdb
    await expect(lockDirectory(openCrowded, directory)).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: expect.stringMatching(/in use .*container/) as string,
    })
    expect(said).toEqual(['closed'])
    const lock = await lockDirectory(openLmdb, directory)
    await lock.release()
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
