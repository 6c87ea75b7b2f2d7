// Temporary folders that end with their owner: the processes that work in them (each has a `*.pid` file there) and the
// folder itself. A guard sees to it at once; what a killed guard leaves is swept at the next start.
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { execFileSync, spawn } from 'node:child_process'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * Makes a temporary folder that belongs to this process.
 * @param {string} prefix
 * @returns {string}
 */
export function makeOwnedFolder(prefix) {
  // The owner's pid is part of the name: there is no moment at which the folder exists without an owner.
  const folder = mkdtempSync(join(tmpdir(), `${prefix}-${process.pid}-`))
  writeFileSync(
    join(folder, 'owner'),
    JSON.stringify({ pid: process.pid, started: startOf(process.pid), host: hostname() }),
  )
  return folder
}

// The pipe to the guard closes when its owner ends, however it ends. Signals are ignored: Ctrl-C is for the owner.
// A pid counts only while that process' command line names the folder.
const guardScript = `
trap '' HUP INT TERM PIPE
read -r _
for file in "$1"/*.pid; do
  pid=$(cat "$file" 2>/dev/null) || continue
  line=$(tr '\\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" || ps -ww -o args= -p "$pid" 2>/dev/null)
  case "$line" in *"$1"*) kill -9 "$pid" ;; esac
done
for attempt in 1 2 3 4 5 6 7 8 9 10; do
  rm -rf "$1" 2>/dev/null && break
  sleep 0.2
done
`

/**
 * Clears the folder away when this process ends.
 * @param {string} folder
 * @returns {{ release(): void }} to be called when the folder has been removed
 */
export function startGuard(folder) {
  const guard = spawn('/bin/sh', ['-c', guardScript, 'guard', folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
  })
  guard.on('error', () => {})
  guard.stdin.on('error', () => {})
  // It must not keep its owner alive.
  guard.unref()
  const pipe = /** @type {import('node:net').Socket} */ (guard.stdin)
  pipe.unref()
  return { release: () => guard.stdin.end() }
}

/**
 * Notes that a process works in this folder. Its command line must name the folder: that is how it is recognised.
 * @param {string} folder
 * @param {string} name
 * @param {number} pid
 */
export function notePid(folder, name, pid) {
  writeFileSync(join(folder, `${name}.pid`), String(pid))
}

/**
 * Kills the processes noted in the folder (only those that are certainly ours) and removes it.
 * @param {string} folder
 */
export function removeFolder(folder) {
  for (const name of listNames(folder).filter((each) => each.endsWith('.pid'))) {
    const pid = Number(readText(join(folder, name)).trim().split('\n')[0])
    if (pid > 0 && commandLineOf(pid).includes(folder)) killNow(pid)
  }
  // A process that was killed a moment ago may still write a last file.
  rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
}

/**
 * Removes the folders (and ends the processes) whose owner is gone.
 * @param {string} prefix
 * @returns {string[]} the folders removed
 */
export function sweepLeftovers(prefix) {
  /** @type {string[]} */
  const removed = []
  for (const name of listNames(tmpdir()).filter((each) => each.startsWith(`${prefix}-`))) {
    const ownerPid = Number(name.slice(prefix.length + 1).split('-')[0])
    const folder = join(tmpdir(), name)
    if (!Number.isInteger(ownerPid) || ownerPid <= 0 || ownerIsAlive(folder, ownerPid)) continue
    try {
      removeFolder(folder)
      removed.push(folder)
    } catch {
      // It belongs to another user, who will sweep it.
    }
  }
  return removed
}

/**
 * @param {string} folder
 * @param {number} pid
 */
function ownerIsAlive(folder, pid) {
  /** @type {{ started?: string, host?: string }} */
  let owner = {}
  try {
    owner = JSON.parse(readText(join(folder, 'owner')))
  } catch {
    // Being made just now, or half removed: the pid in the name decides.
  }
  // In a folder shared between containers a pid of the other one says nothing.
  if (owner.host !== undefined && owner.host !== hostname()) return true
  if (!isAlive(pid)) return false
  // The pid may have been given to another process since.
  return owner.started === undefined || owner.started === startOf(pid)
}

/**
 * @param {number} pid
 */
function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM'
  }
}

/**
 * The command line of a process; empty when it is gone.
 * @param {number} pid
 */
function commandLineOf(pid) {
  if (process.platform === 'linux') return readText(`/proc/${pid}/cmdline`).replaceAll('\0', ' ')
  return runPs(pid, 'args=')
}

/**
 * When a process was started, in whatever form this platform tells it: good for comparing only.
 * @param {number} pid
 */
function startOf(pid) {
  if (process.platform === 'linux') {
    // Field 22, counted behind the command name, which may itself contain blanks.
    return readText(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ')[19] ?? ''
  }
  return runPs(pid, 'lstart=')
}

/**
 * @param {number} pid
 * @param {string} column
 */
function runPs(pid, column) {
  try {
    return execFileSync('ps', ['-ww', '-o', column, '-p', String(pid)], { encoding: 'utf8' }).trim()
  } catch {
    return ''
  }
}

/**
 * @param {number} pid
 */
function killNow(pid) {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}

/**
 * @param {string} path
 */
function readText(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/**
 * @param {string} folder
 */
function listNames(folder) {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
