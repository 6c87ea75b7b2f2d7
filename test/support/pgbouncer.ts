/** A real PgBouncer before a PostgreSQL server: transaction pooling, nothing else changed. Gone with `stop`. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export const pgBouncerIsAvailable = spawnSync('pgbouncer', ['--version']).error === undefined

export interface PgBouncer {
  readonly url: string
  stop(): Promise<void>
}

/** Two connections at the server, taken in turn by whoever has a transaction: nobody gets the same one twice in a row. */
export async function startPgBouncer(serverUrl: string): Promise<PgBouncer> {
  const server = new URL(serverUrl)
  const directory = await mkdtemp(join(tmpdir(), 'troupe-pgbouncer-'))
  const port = await freePort()
  const file = join(directory, 'pgbouncer.ini')
  await writeFile(
    file,
    `[databases]
postgres = host=${server.hostname} port=${server.port} user=${server.username} password=${decodeURIComponent(server.password)}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
server_round_robin = 1
`,
  )
  await chmod(directory, 0o755)
  // It refuses to run as root.
  const asUser = process.getuid?.() === 0 ? ['-u', 'nobody'] : []
  const bouncer = spawn('pgbouncer', ['-q', ...asUser, file], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  bouncer.stderr.on('data', (chunk) => (said += String(chunk)))
  while (!(await listens(port))) {
    if (bouncer.exitCode !== null) throw new Error(`pgbouncer ended: ${said}`)
    await sleep(20)
  }
  server.port = String(port)
  return {
    url: server.href,
    async stop() {
      const ended = once(bouncer, 'exit')
      bouncer.kill('SIGTERM')
      await ended
      await rm(directory, { recursive: true })
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
