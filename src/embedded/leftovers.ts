/**
 * Temporary folders that tell whose they are, so that a later run can remove what a run that was
 * killed left behind, and never what a run beside it is using.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { lstat, mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { sleep, systemClock } from '../clock.ts'
import type { ServerUser } from './postgres-binaries.ts'

const PREFIX = 'troupe-postgres-'

/**
 * Makes a temporary folder named after this process. The owner is part of the name, so there is no
 * moment at which the folder exists and its owner cannot be told.
 */
export async function createOwnedFolder(): Promise<string> {
  const startedAt = (await describeProcess(process.pid))?.startedAt ?? '0'
  return await mkdtemp(join(tmpdir(), `${PREFIX}${await describeHost()}-${process.pid}-${startedAt}-`))
}

/**
 * Removes the folders of processes that are no more, and stops the servers still running on them.
 * Only folders of ours, only a process that demonstrably is the PostgreSQL server of that folder.
 */
export async function removeLeftovers(user: ServerUser): Promise<readonly string[]> {
  const removed: string[] = []
  const host = await describeHost()
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(`${PREFIX}${host}-`)) continue
    const [pid, startedAt] = name.slice(PREFIX.length + host.length + 1).split('-')
    const owner = await describeProcess(Number(pid))
    if (owner !== null && owner.startedAt === startedAt) continue
    const folder = join(tmpdir(), name)
    const stat = await lstat(folder).catch(() => null)
    if (stat === null || !stat.isDirectory() || !isOurs(stat.uid, user)) continue
    await stopServerOn(join(folder, 'data'))
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
    removed.push(folder)
  }
  return removed
}

function isOurs(uid: number, user: ServerUser): boolean {
  return uid === process.getuid?.() || uid === user?.uid
}

/** Stops the server that runs on `dataFolder`, if the process named in its pid file is that server. */
export async function stopServerOn(dataFolder: string): Promise<void> {
  const text = await readFile(join(dataFolder, 'postmaster.pid'), 'utf8').catch(() => '')
  const pid = Number(text.split('\n')[0])
  if (!Number.isInteger(pid) || pid <= 1) return
  for (const signal of ['SIGQUIT', 'SIGKILL'] as const) {
    for (let waits = 0; waits < 60; waits += 1) {
      const server = await describeProcess(pid)
      if (server === null || !server.arguments.includes('postgres -D ') || !server.arguments.includes(dataFolder))
        return
      if (waits === 0) trySignal(pid, signal)
      await sleep(systemClock, 100)
    }
  }
}

function trySignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It ended in this very moment, or is not ours to stop.
  }
}

interface ProcessDescription {
  /** Distinguishes a process from a later one with the same number. Digits only. */
  readonly startedAt: string
  readonly arguments: string
}

/** null: there is no such process (any more). */
export async function describeProcess(pid: number): Promise<ProcessDescription | null> {
  if (!Number.isInteger(pid) || pid <= 0) return null
  return process.platform === 'linux' ? await readProc(pid) : await askPs(pid)
}

async function readProc(pid: number): Promise<ProcessDescription | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    // `pid (name) state …`: the name may contain anything, so count from its closing bracket.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const [state, startedAt] = [fields[0], fields[19]]
    if (state === 'Z' || state === 'X' || startedAt === undefined) return null
    const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8')
    return { startedAt, arguments: commandLine.replaceAll('\0', ' ') }
  } catch {
    return null
  }
}

async function askPs(pid: number): Promise<ProcessDescription | null> {
  try {
    const { stdout } = await promisify(execFile)('ps', ['-o', 'lstart=,command=', '-p', String(pid)], {
      env: { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' },
    })
    const line = stdout.trim()
    // `Mon Jan  1 00:00:00 2024 command …`
    return { startedAt: String(Date.parse(`${line.slice(0, 24)} UTC`) / 1000), arguments: line.slice(24) }
  } catch {
    return null
  }
}

/** Process numbers mean something only on one machine and in one pid namespace; containers may share a temporary folder. */
async function describeHost(): Promise<string> {
  const namespace = await readlink('/proc/self/ns/pid').catch(() => '')
  return createHash('sha256').update(`${hostname()} ${namespace}`).digest('hex').slice(0, 8)
}
