// Java, and what Maven fetches once for programs in it.
import { execFile, execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { fillOnce, findCached } from './cache.mjs'

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
  if (findCached(folder) === undefined && !commandWorks('mvn', ['-v']))
    return `Maven is missing, which fetches ${program} once (Debian: apt-get install maven; macOS: brew install maven)`
  return undefined
}

/**
 * @param {{ name: string, title: string, size: string, goal: (folder: string) => string[] }} what `goal`: Maven's arguments
 * @param {(line: string) => void} log
 * @returns {Promise<string>}
 */
export async function fetchOnce({ name, title, size, goal }, log) {
  return await fillOnce({ name, title, size, by: 'Maven' }, (folder) => runMaven(title, goal(folder)), log)
}

/**
 * @param {string} title
 * @param {string[]} goal
 */
async function runMaven(title, goal) {
  try {
    await run('mvn', ['-q', '-B', '-Dstyle.color=never', ...goal], { maxBuffer: 64 << 20 })
  } catch (error) {
    const { stdout, message } = /** @type {{ stdout?: string, message: string }} */ (error)
    throw new Error(`Maven could not fetch ${title} (needed once):\n${mavenErrors(stdout ?? '') || message}`, {
      cause: error,
    })
  }
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
