// Finds Java and the Kafka jars; fetches the jars once with Maven into a cache that all clones share.
import { execFile, execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const kafkaVersion = '4.1.1'
const oldestJava = 17
const here = dirname(fileURLToPath(import.meta.url))
const run = promisify(execFile)

export class KafkaMissingError extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message)
    this.name = 'KafkaMissingError'
  }
}

/**
 * What keeps us from starting Kafka on this machine; undefined when nothing does.
 * @returns {string | undefined}
 */
export function findWhatIsMissing() {
  const java = findJava()
  if (java === undefined)
    return `Java ${oldestJava} or newer is missing (Debian: apt-get install openjdk-17-jre-headless maven; macOS: brew install openjdk maven)`
  if (java.major < oldestJava) return `Java is ${java.major}, Kafka needs ${oldestJava} or newer`
  if (findJars() === undefined && !commandWorks('mvn', ['-v']))
    return 'Maven is missing, which fetches Kafka once (Debian: apt-get install maven; macOS: brew install maven)'
  return undefined
}

/** Whether a Docker engine answers (the command alone says nothing). */
export function dockerIsUsable() {
  return commandWorks('docker', ['version', '--format', '{{.Server.Version}}'])
}

/**
 * Java and the Kafka jars, fetched when they are not there yet.
 * @param {(line: string) => void} log
 * @returns {Promise<{ java: string, classPath: string, archive: string }>}
 */
export async function prepareKafka(log) {
  const missing = findWhatIsMissing()
  const java = findJava()
  if (missing !== undefined || java === undefined) throw new KafkaMissingError(missing ?? 'Java is missing')
  const folder = findJars() ?? (await fetchJars(log))
  // A class archive fits one Java only.
  const archive = join(folder, `classes-${java.major}-${hashOf(java.version)}.jsa`)
  return { java: java.command, classPath: join(folder, 'lib', '*'), archive }
}

/** @returns {string | undefined} */
function findJars() {
  return cacheFolders().find((folder) => existsSync(join(folder, 'lib')))
}

/**
 * @param {(line: string) => void} log
 * @returns {Promise<string>}
 */
async function fetchJars(log) {
  const folder = cacheFolders().find(canBeMade)
  if (folder === undefined)
    throw new KafkaMissingError(`no folder for Kafka can be written: ${cacheFolders().join(', ')}`)
  log(`fetching Apache Kafka ${kafkaVersion} with Maven into ${folder} (54 MB, once)`)
  // Fetched beside and renamed: another starter sees all of it or nothing.
  const fresh = mkdtempSync(`${folder}.fetching-`)
  try {
    const pom = join(here, 'pom.xml')
    const goal = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies'
    await run('mvn', ['-q', '-B', '-Dstyle.color=never', '-f', pom, goal, `-DoutputDirectory=${join(fresh, 'lib')}`], {
      maxBuffer: 64 << 20,
    })
    renameSync(fresh, folder)
  } catch (error) {
    // Another starter was quicker: its folder is as good as ours.
    if (existsSync(join(folder, 'lib'))) return folder
    const { stdout, message } = /** @type {{ stdout?: string, message: string }} */ (error)
    throw new KafkaMissingError(
      `Maven could not fetch Apache Kafka ${kafkaVersion} (needed once):\n${mavenErrors(stdout ?? '') || message}`,
    )
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

function cacheFolders() {
  const shared = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache')
  const name = `kafka-${kafkaVersion}`
  return [join(shared, 'troupe', name), join(here, '..', '..', '.cache', name)]
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
function findJava() {
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
function commandWorks(command, args) {
  try {
    return (
      execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: 10_000 }).trim() !==
      ''
    )
  } catch {
    return false
  }
}

/** @param {string} text */
function hashOf(text) {
  return createHash('sha256').update(text).digest('hex').slice(0, 8)
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
