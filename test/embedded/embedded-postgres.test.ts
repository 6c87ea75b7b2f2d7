import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { afterEach, describe, expect, it } from 'vitest'
import { startEmbeddedPostgres, sweepLeftovers, type EmbeddedPostgres } from '../../src/embedded/embedded.ts'
import { isTroupeError } from '../../src/errors.ts'

type Owner = ChildProcessByStdio<Writable, Readable, null>
type Started = { url: string; folder: string }

const isLinux = process.platform === 'linux'
const running: EmbeddedPostgres[] = []
const owners: Owner[] = []
afterEach(async () => {
  for (const owner of owners.splice(0)) if (isAlive(owner.pid!)) owner.kill('SIGKILL')
  await Promise.all(running.splice(0).map((database) => database.stop()))
})

async function start(port?: number): Promise<EmbeddedPostgres> {
  const database = await startEmbeddedPostgres(port === undefined ? {} : { port })
  running.push(database)
  return database
}

/** Another process that owns a server. */
async function startOwner(end: string): Promise<{ owner: Owner; started: Started; server: number }> {
  const owner = spawn(process.execPath, [fileURLToPath(new URL('owner.mjs', import.meta.url)), 'postgres', end], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  })
  owners.push(owner)
  const [line] = (await once(owner.stdout.setEncoding('utf8'), 'data')) as [string]
  const started = JSON.parse(line) as Started
  return { owner, started, server: serverOf(started) }
}

function serverOf({ folder }: { readonly folder: string }): number {
  return Number(readFileSync(join(folder, 'data', 'postmaster.pid'), 'utf8').split('\n')[0])
}

/** The guard is the server's parent. */
function parentOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
}

/** Not counting a process that ended and that nobody took note of. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !isLinux || !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

async function expectGone(server: number, folder: string): Promise<void> {
  await expect.poll(() => isAlive(server) || existsSync(folder)).toBe(false)
}

async function ask(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return (await client.query<object>(text)).rows
  } finally {
    await client.end()
  }
}

describe('the embedded PostgreSQL', () => {
  it('is a real server, its user may do everything, and nobody else gets in', async () => {
    const { url } = await start()
    await ask(url, 'CREATE TABLE t (id bigint PRIMARY KEY, ip inet); INSERT INTO t VALUES (1, NULL)')
    expect(
      await ask(url, "SELECT id, 'ü' < 'z' AS linguistic, current_setting('server_encoding') AS encoding FROM t"),
    ).toEqual([{ id: '1', linguistic: false, encoding: 'UTF8' }])
    expect(await ask(url, 'SELECT rolsuper FROM pg_roles WHERE rolname = current_user')).toEqual([{ rolsuper: true }])
    const guess = new URL(url)
    guess.password = 'guessed'
    await expect(ask(guess.href, 'SELECT 1')).rejects.toThrow(/password/)
  })

  it('keeps its data over an interruption, and can be stopped in one', async () => {
    const database = await start()
    await ask(database.url, 'CREATE TABLE t AS SELECT 42 AS n')
    await database.interrupt()
    await expect(ask(database.url, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await database.interrupt()
    await database.resume()
    expect(await ask(database.url, 'SELECT n FROM t')).toEqual([{ n: 42 }])
    await database.interrupt()
    await database.stop()
    expect(existsSync(database.folder)).toBe(false)
  })

  it('leaves nothing when stopped, not even connections that are open', async () => {
    const database = await start()
    const client = new pg.Client(database.url)
    client.on('error', () => undefined)
    await client.connect()
    await client.query('BEGIN; CREATE TABLE t (n int)')
    const server = serverOf(database)
    await Promise.all([database.stop(), database.stop()])
    expect(isAlive(server)).toBe(false)
    expect(existsSync(database.folder)).toBe(false)
  })

  it('says that a port is taken, and leaves nothing', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as { port: number }
    const error: unknown = await start(port).catch((reason: unknown) => reason)
    expect(isTroupeError(error) && error.message).toMatch(/could not bind|in use/)
    taken.close()
    expect(ownFolders()).toEqual([])
  })

  it.each(['SIGKILL', 'SIGINT', 'SIGTERM', 'exit'] as const)(
    'is gone when the process it serves ends by %s',
    async (end) => {
      const { owner, started, server } = await startOwner(end)
      if (end === 'exit') owner.stdin.write('exit\n')
      // To the whole group, as a terminal does on Ctrl-C.
      else process.kill(-owner.pid!, end)
      await expectGone(server, started.folder)
    },
  )

  it('outlives a signal to the group of its owner, who may still have to drain', async () => {
    const { owner, started, server } = await startOwner('stay')
    process.kill(-owner.pid!, 'SIGINT')
    process.kill(-owner.pid!, 'SIGTERM')
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(await ask(started.url, 'SELECT 1 AS n')).toEqual([{ n: 1 }])
    process.kill(owner.pid!, 'SIGKILL')
    await expectGone(server, started.folder)
  })
})

describe('leftovers', () => {
  it.runIf(isLinux)('of a run that was killed with its guard are removed, and its server stopped', async () => {
    const { owner, started, server } = await startOwner('stay')
    process.kill(parentOf(server), 'SIGKILL')
    process.kill(owner.pid!, 'SIGKILL')
    await once(owner, 'exit')
    expect(isAlive(server)).toBe(true)
    expect(await sweepLeftovers()).toContain(started.folder)
    await expectGone(server, started.folder)
  })

  it.runIf(isLinux)('of a run whose server is gone too are removed', async () => {
    const { owner, started, server } = await startOwner('stay')
    for (const pid of [parentOf(server), server, owner.pid!]) process.kill(pid, 'SIGKILL')
    await once(owner, 'exit')
    await expect.poll(() => isAlive(server)).toBe(false)
    await start()
    expect(existsSync(started.folder)).toBe(false)
  })

  it('are not what runs beside us', async () => {
    const [mine, { started: theirs }] = await Promise.all([start(), startOwner('stay')])
    expect(await sweepLeftovers()).toEqual([])
    const second = await start()
    for (const { url } of [mine, theirs, second]) expect(await ask(url, 'SELECT 1 AS n')).toEqual([{ n: 1 }])
  })

  it('never cost a process its life that is not the server of that very folder', async () => {
    const database = await start()
    const bystander = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
    // Folders of an owner that is no more, whose pid files name somebody else by now.
    const dead = database.folder.replace(/-\d+-\d+-(\w+)$/, '-999999999-1-$1')
    const folders = [`${dead}a`, `${dead}b`, `${dead}c`]
    const named = [String(bystander.pid), String(serverOf(database)), 'nonsense']
    for (const [at, folder] of folders.entries()) {
      await mkdir(join(folder, 'data'), { recursive: true })
      await writeFile(join(folder, 'data', 'postmaster.pid.tmp'), `${named[at]!}\n`)
      await rename(join(folder, 'data', 'postmaster.pid.tmp'), join(folder, 'data', 'postmaster.pid'))
    }
    expect([...(await sweepLeftovers())].sort()).toEqual(folders)
    expect(isAlive(bystander.pid!)).toBe(true)
    expect(await ask(database.url, 'SELECT 1 AS n')).toEqual([{ n: 1 }])
    bystander.kill('SIGKILL')
  })
})

/** Folders that this very process owns. */
function ownFolders(): string[] {
  return readdirSync(process.env['TMPDIR'] ?? '/tmp').filter(
    (name) => name.startsWith('troupe-postgres-') && name.includes(`-${process.pid}-`),
  )
}
