// What is fetched once for tests and scripts, into a cache that all clones share.
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))

/**
 * The folder that was filled; undefined: none has been yet. Whatever is fetched has a `lib`: jars, or Python's packages.
 * @param {string} name
 * @returns {string | undefined}
 */
export function findCached(name) {
  return cacheFolders(name).find((folder) => existsSync(join(folder, 'lib')))
}

/**
 * Filled beside and renamed: another starter sees all of it or nothing.
 * @param {{ name: string, title: string, size: string, by: string }} what `by`: the program that fetches it
 * @param {(folder: string) => Promise<void>} fill
 * @param {(line: string) => void} log
 * @returns {Promise<string>}
 */
export async function fillOnce({ name, title, size, by }, fill, log) {
  const filled = findCached(name)
  if (filled !== undefined) return filled
  const folder = cacheFolders(name).find(canBeMade)
  if (folder === undefined) throw new Error(`no folder for ${title} can be written: ${cacheFolders(name).join(', ')}`)
  log(`fetching ${title} with ${by} into ${folder} (${size}, once)`)
  const fresh = mkdtempSync(`${folder}.fetching-`)
  try {
    await fill(fresh)
    renameSync(fresh, folder)
  } catch (error) {
    // Another starter was quicker: its folder is as good as ours.
    if (existsSync(join(folder, 'lib'))) return folder
    throw error
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
  return folder
}

/** @param {string} name */
function cacheFolders(name) {
  const shared = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache')
  return [join(shared, 'troupe', name), join(here, '..', '.cache', name)]
}

/** @param {string} folder */
function canBeMade(folder) {
  try {
    mkdirSync(dirname(folder), { recursive: true })
    return isWritable(dirname(folder))
  } catch {
    return false
  }
}

/** @param {string} folder */
export function isWritable(folder) {
  try {
    accessSync(folder, constants.W_OK)
    return true
  } catch {
    return false
  }
}
