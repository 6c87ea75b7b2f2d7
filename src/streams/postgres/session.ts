/** Opens one session at a PostgreSQL server, fit to write: the right server, the right settings, nobody left from before. */
import { Socket } from 'node:net'
import type { Client } from 'pg'
import { TroupeError } from '../../errors.ts'
import { isServerError } from './errors.ts'

export interface Session {
  readonly client: Client
  readonly socket: Socket
  /** What the operator calls it: `PostgreSQL at host:port (database "…", user "…")`. */
  readonly name: string
  /** The URL says how long a statement may take. */
  readonly saysTimeout: boolean
}

/** A server process. Its number alone may come to mean another one. */
export interface Backend {
  readonly pid: number
  readonly startedAt: string
}

const NOT_DURABLE =
  'it has synchronous_commit off, so rows that it acknowledges may be lost, and behind a pooler that cannot be set ' +
  'for our statements alone: ALTER ROLE … SET synchronous_commit TO local'

/** How long a server process that is told to end is waited for. */
const END_TIMEOUT_MS = 1_000

/** Makes a client that is not connected yet. Rejects with OPTIONS_INVALID for a URL that cannot be read. */
export async function createSession(url: string): Promise<Session> {
  const { default: pg } = await import('pg').catch((error: unknown) => {
    throw new TroupeError('OPTIONS_INVALID', 'troupe/postgres needs the package pg: run `npm install pg`', {
      cause: error,
    })
  })
  if (!isReadable(url)) throw unreadableUrl()
  const socket = new Socket()
  try {
    const client = new pg.Client({
      application_name: 'troupe',
      keepAlive: true,
      connectionString: url,
      stream: () => socket,
    })
    const database = `database "${client.database ?? ''}", user "${client.user ?? ''}"`
    return {
      client,
      socket,
      name: `PostgreSQL at ${client.host}:${client.port} (${database})`,
      saysTimeout: /[?&]statement_timeout=/.test(url),
    }
  } catch {
    // The error itself is not passed on: it carries the URL, and with it the password.
    throw unreadableUrl()
  }
}

/**
 * Connects, and ends what earlier sessions of ours may have left running. Returns the server
 * process that serves us, null behind a pooler, where it changes.
 */
export async function logIn(
  { client, saysTimeout }: Session,
  statementTimeoutMs: number,
  orphans: readonly Backend[],
): Promise<Backend | null> {
  await client.connect()
  const { rows } = await client.query<Backend & { standby: boolean; commit: string }>(`
    SELECT pg_is_in_recovery() AS standby, current_setting('synchronous_commit') AS commit,
      pid, backend_start::text AS "startedAt" FROM pg_stat_activity WHERE pid = pg_backend_pid()`)
  const [server] = rows
  if (server === undefined) throw new Error('this server does not know its own session')
  // A failover in progress: the next attempt may reach the primary.
  if (server.standby) throw new Error('this server is a standby, which takes no writes')
  // A pooler gives out numbers of its own; the process behind it serves others as well.
  const isOurs = Reflect.get(client, 'processID') === server.pid
  if (isOurs) await set(client, saysTimeout ? 0 : statementTimeoutMs, server.commit)
  else if (server.commit === 'off') throw new Error(NOT_DURABLE)
  for (const { pid, startedAt } of orphans) {
    await unlessRefused(
      client.query({
        text: 'SELECT pg_terminate_backend(pid, $3) FROM pg_stat_activity WHERE pid = $1 AND backend_start = $2::timestamptz',
        values: [pid, startedAt, END_TIMEOUT_MS],
      }),
    )
  }
  return isOurs ? { pid: server.pid, startedAt: server.startedAt } : null
}

/** Settings of our session. Behind a pooler they would be somebody else's with the next statement, and missing from ours. */
async function set(client: Client, statementTimeoutMs: number, commit: string): Promise<void> {
  // Not as a parameter of the start: poolers refuse those.
  if (statementTimeoutMs > 0) await client.query(`SET statement_timeout TO ${statementTimeoutMs}`)
  // "Durable" is our promise: an acknowledged row must outlive a crash of the server.
  if (commit === 'off') await client.query('SET synchronous_commit TO local')
  // When this process dies, a statement of ours that waits for a lock must not wake up long after
  // and overwrite what our successor wrote. Servers before 14, and some systems, cannot see to that.
  await unlessRefused(client.query("SET client_connection_check_interval TO '1s'"))
}

/** Ends the session now. What was not sent yet is never sent. */
export function resetSession({ client, socket }: Session): void {
  client.end().catch(() => undefined)
  try {
    socket.resetAndDestroy()
  } catch {
    // A Unix socket knows no reset.
    socket.destroy()
  }
}

async function unlessRefused(answer: Promise<unknown>): Promise<void> {
  try {
    await answer
  } catch (error) {
    if (!isServerError(error)) throw error
  }
}

/** An `@` only behind the host means that a password with `/`, `?` or `#` was cut: parts of it would pass for host and database. */
function isReadable(url: string): boolean {
  const parts = /^postgres(?:ql)?:\/\/([^/?#]*)([^]*)$/.exec(url)
  return parts !== null && (parts[1]?.includes('@') === true || parts[2]?.includes('@') === false)
}

function unreadableUrl(): TroupeError {
  return new TroupeError(
    'OPTIONS_INVALID',
    'the database URL cannot be read; it looks like postgres://user:password@host:5432/database, ' +
      'with special characters of user and password percent-encoded',
  )
}
