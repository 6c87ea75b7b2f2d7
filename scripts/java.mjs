// Java, and what Maven fetches once for programs in it, into a cache that all clones share.
import { execFile, execFileSync } from 'node:child_process'
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const here = dirname(fileURLToPath(import.meta.url))
const run = promisify(execFile)

/**
 * What a program in Java needs of this machine before it runs; undefined: nothing.
 * @param {{ program: string, oldestJava: number, folder: string }} needs
 * @returns {string | undefined}
 */
export function findMissingJava({ program, oldestJava, folder }) {
  const java = findJava()
  if (java === undefined)
    return `Java ${oldestJava} or newer is missing (Debian: apt-get install openjdk-17-jre-headless maven; macOS: brew install openjdk maven)`
  if (java.major < oldestJava) return `Java is ${java.major}, ${program} needs ${oldestJava} or newer`
  if (findFetched(folder) === undefined && !commandWorks('mvn', ['-v']))
    return `Maven is missing, which fetches ${program} once (Debian: apt-get install maven; macOS: brew install maven)`
  return undefined
}

/**
 * The folder that Maven has filled; undefined: it has not yet. Whatever is fetched has its jars in `lib`.
 * @param {string} name
 * @returns {string | undefined}
 */
export function findFetched(name) {
  return cacheFolders(name).find((folder) => existsSync(join(folder, 'lib')))
}

/**
 * @param {{ name: string, title: string, size: string, goal: (folder: string) => string[] }} what `goal`: Maven's arguments
 * @param {(line: string) => void} log
 * @returns {Promise<string>}
 */
export async function fetchOnce({ name, title, size, goal }, log) {
  const fetched = findFetched(name)
  if (fetched !== undefined) return fetched
  const folder = cacheFolders(name).find(canBeMade)
  if (folder === undefined) throw new Error(`no folder for ${title} can be written: ${cacheFolders(name).join(', ')}`)
  log(`fetching ${title} with Maven into ${folder} (${size}, once)`)
  // Fetched beside and renamed: another starter sees all of it or nothing.
  const fresh = mkdtempSync(`${folder}.fetching-`)
  try {
    await run('mvn', ['-q', '-B', '-Dstyle.color=never', ...goal(fresh)], { maxBuffer: 64 << 20 })
    renameSync(fresh, folder)
  } catch (error) {
    // Another starter was quicker: its folder is as good as ours.
    if (existsSync(join(folder, 'lib'))) return folder
    const { stdout, message } = /** @type {{ stdout?: string, message: string }} */ (error)
    throw new Error(`Maven could not fetch ${title} (needed once):\n${mavenErrors(stdout ?? '') || message}`, {
      cause: error,
    })
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
  return folder
}

/**
 * What went wrong, without Maven's advice on Maven.
 * @param {string} output
 */
function mavenErrors(output) {
  const advice = /^\[ERROR\]\s*($|To see the full|Re-run Maven|For more information|\[Help)/
  return lastLines(
    output
      .split('\n')
      .filter((line) => !advice.test(line))
      .join('\n'),
    12,
  )
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

/** @type {{ command: string, version: string, major: number } | undefined} */
let knownJava

/** @returns {typeof knownJava} */
export function findJava() {
  if (knownJava !== undefined) return knownJava
  const home = process.env['JAVA_HOME']
  for (const command of home ? [join(home, 'bin', 'java'), 'java'] : ['java']) {
    try {
      const version = execFileSync(command, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
      const major = Number(/(\d+)/.exec(version)?.[1])
      knownJava = { command, version, major }
      return knownJava
    } catch {
      // Not there, or the stand-in that macOS has in its place.
    }
  }
  return undefined
}

/**
 * @param {string} command
 * @param {string[]} args
 */
export function commandWorks(command, args) {
  try {
    return (
      execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: 10_000 }).trim() !==
      ''
    )
  } catch {
    return false
  }
}

/**
 * The end of a log; the calls of stack traces are left out, the causes stay.
 * @param {string} text
 * @param {number} count
 */
export function lastLines(text, count) {
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !/^\s+(at |\.\.\. \d+ more)/.test(line))
  return lines.slice(-count).join('\n')
}
