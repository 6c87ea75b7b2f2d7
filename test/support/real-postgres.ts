/**
 * A real PostgreSQL for a suite, and its outages. About a second to start; gone with the process that started it,
 * however that ends.
 */
import pg from 'pg'
import { startEmbeddedPostgres } from '../../src/embedded/embedded-postgres.ts'

export interface RealPostgres {
  /** `postgres://user:password@127.0.0.1:port/postgres`; the user may do everything. */
  readonly url: string
  /** One statement on a connection of its own. */
  query<Row extends pg.QueryResultRow = pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<Row[]>
  /** Stops the server, keeps its data: connections break, new ones are refused, until `resume()`. */
  pause(): Promise<void>
  /** Starts it again on the same port with the same data. */
  resume(): Promise<void>
  /** An outage of this length. */
  restart(downForMs?: number): Promise<void>
  /** Ends it and removes everything. */
  stop(): Promise<void>
}

export async function startPostgres(): Promise<RealPostgres> {
  const server = await startEmbeddedPostgres()
  const pause = () => server.interrupt()
  const resume = () => server.resume()
  return {
    url: server.url,
    async query<Row extends pg.QueryResultRow>(sql: string, values: unknown[] = []) {
      const client = new pg.Client({ connectionString: server.url })
      await client.connect()
      try {
        return (await client.query<Row>(sql, values)).rows
      } finally {
        await client.end()
      }
    },
    pause,
    resume,
    async restart(downForMs = 0) {
      await pause()
      await new Promise((resolve) => setTimeout(resolve, downForMs))
      await resume()
    },
    stop: () => server.stop(),
  }
}
