// Programs in Python that know nothing of us: pip installs what each needs once, into an environment of its own.
import { execFile, execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { fillOnce, findCached } from './cache.mjs'
import { lastLines } from './java.mjs'

/**
 * @typedef {import('./python.d.mts').PythonProgram} PythonProgram
 */

const run = promisify(execFile)
const oldestMinor = 10

/**
 * @param {PythonProgram} program
 * @returns {string | undefined}
 */
export function findMissingPython(program) {
  const python = findPython()
  if (python === undefined) return `Python 3.${oldestMinor} or newer is missing (Debian: apt-get install python3-venv)`
  if (python.minor < oldestMinor) return `Python is 3.${python.minor}, ${program.title} needs 3.${oldestMinor} or newer`
  if (findCached(folderName(program, python.minor)) === undefined && !python.hasVenv)
    return `Python has no venv, which ${program.title} is installed into (Debian: apt-get install python3-venv)`
  return undefined
}

/**
 * @param {PythonProgram} program
 * @param {(line: string) => void} [log]
 * @returns {Promise<string>}
 */
export async function installPython(program, log = () => {}) {
  const missing = findMissingPython(program)
  const python = findPython()
  if (missing !== undefined || python === undefined) throw new Error(missing ?? 'Python is missing')
  const { title, size } = program
  const what = { name: folderName(program, python.minor), title, size, by: 'pip' }
  return join(await fillOnce(what, (folder) => install(program, folder), log), 'bin', 'python')
}

/**
 * @param {PythonProgram} program
 * @param {string} folder
 */
async function install({ title, requirements }, folder) {
  try {
    await run('python3', ['-m', 'venv', folder])
    const quietly = ['--disable-pip-version-check', '--no-input', '--no-compile', '-q']
    // It may be renamed: `bin/python` finds what belongs to it, the scripts beside it would not.
    await run(join(folder, 'bin', 'python'), [
      ...['-m', 'pip', 'install', ...quietly],
      ...['--only-binary', ':all:', '--no-deps', '-r', requirements],
    ])
  } catch (error) {
    const { stderr, message } = /** @type {{ stderr?: string, message: string }} */ (error)
    const said = lastLines(stderr ?? '', 12) || message
    throw new Error(`pip could not install ${title} (needed once):\n${said}`, { cause: error })
  }
}

/**
 * Another state of the requirements is another folder.
 * @param {PythonProgram} program
 * @param {number} minor
 */
function folderName({ name, requirements }, minor) {
  const state = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 8)
  return `python-3.${minor}-${name}-${state}`
}

/** @type {{ minor: number, hasVenv: boolean } | undefined} */
let knownPython

/** @returns {typeof knownPython} */
function findPython() {
  if (knownPython !== undefined) return knownPython
  const question =
    'import sys, importlib.util as u; print(sys.version_info[:2], all(map(u.find_spec, ("venv", "ensurepip"))))'
  try {
    const answer = execFileSync('python3', ['-c', question], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 10_000,
    })
    const [, minor, hasVenv] = /^\(3, (\d+)\) (True|False)/.exec(answer) ?? []
    if (minor !== undefined) knownPython = { minor: Number(minor), hasVenv: hasVenv === 'True' }
  } catch {
    // Not there, or the stand-in that macOS has in its place.
  }
  return knownPython
}
