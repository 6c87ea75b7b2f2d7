/**
 * Behind a pooler in transaction mode each statement may meet another server process, which serves
 * others too: nothing that a session keeps there is ours.
 */
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/embedded/embedded.ts'
import type { Sink, SinkDestination } from '../../src/streams/delivery/sink.ts'
import { PostgresConnection } from '../../src/streams/postgres/connection.ts'
import { postgresSink } from '../../src/streams/postgres/sink.ts'
import { inspectTable } from '../../src/streams/postgres/table.ts'
import { Random } from '../../src/testing/random.ts'
import { pgBouncerIsAvailable, startPgBouncer, type PgBouncer } from '../support/pgbouncer.ts'

const context = { log: { info: () => undefined, warn: () => undefined } }
const tables = ['apples', 'pears', 'plums']

let database: EmbeddedPostgres
let sql: pg.Client
beforeAll(async () => {
  database = await startEmbeddedPostgres()
  sql = new pg.Client(database.url)
  await sql.connect()
})
afterAll(async () => {
  await sql.end()
  await database.stop()
})
beforeEach(async () => {
  await sql.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public')
  for (const table of tables) await sql.query(`CREATE TABLE ${table} (id int PRIMARY KEY, value text)`)
})

function destination(table: string): SinkDestination {
  const columns = ['id', 'value'].map((name) => ({ name, type: name === 'id' ? 'int' : 'text' }))
  return { sink: 'postgres', table, columns, key: ['id'] }
}

async function openSink(url: string, table: string): Promise<Sink> {
  const sink = postgresSink({ url })
  await sink.open(context)
  await sink.prepare([destination(table)])
  return sink
}

const rowOf = (table: string, id: number, value = table) => ({
  id: String(id),
  output: { table, values: [String(id), value] },
})

async function readTables(): Promise<{ id: number; value: string }[][]> {
  const read: { id: number; value: string }[][] = []
  for (const table of tables) {
    const { rows } = await sql.query<{ id: number; value: string }>(`SELECT id, value FROM ${table} ORDER BY id`)
    read.push(rows)
  }
  return read
}

describe.skipIf(!pgBouncerIsAvailable)('behind PgBouncer in transaction mode (skipped: no pgbouncer here)', () => {
  let bouncer: PgBouncer
  beforeAll(async () => {
    bouncer = await startPgBouncer(database.url)
  })
  afterAll(() => bouncer.stop())

  it('writes each row of apps with tables of one shape to its own table', async () => {
    const random = new Random(7)
    const writes = tables.map(async (table, at) => {
      const sink = await openSink(bouncer.url, table)
      const expected: { id: number; value: string }[] = []
      for (let id = 0; id < 300;) {
        const size = random.integer(1, 4)
        const ids = Array.from({ length: size }, (_, n) => id + n)
        id += size
        expect(await sink.write(ids.map((each) => rowOf(table, each * 10 + at)))).toEqual(ids.map(() => null))
        expected.push(...ids.map((each) => ({ id: each * 10 + at, value: table })))
      }
      await sink.close()
      return expected
    })
    const expected = await Promise.all(writes)
    expect(await readTables()).toEqual(expected)
  })

  it('leaves nothing of its own in the sessions of others', async () => {
    const sink = await openSink(bouncer.url, 'apples')
    for (let id = 0; id < 10; id += 1) await sink.write([rowOf('apples', id)])
    await sink.close()
    const other = new pg.Client(bouncer.url)
    await other.connect()
    for (let n = 0; n < 4; n += 1) {
      const { rows } = await other.query(`SELECT current_setting('statement_timeout') AS timeout,
        current_setting('client_connection_check_interval') AS interval,
        (SELECT count(*)::int FROM pg_prepared_statements) AS statements`)
      expect(rows).toEqual([{ timeout: '0', interval: '0', statements: 0 }])
    }
    await other.end()
  })

  it('says what to do about a parameter of the URL that the pooler takes from nobody', async () => {
    const url = `${bouncer.url}?statement_timeout=5000`
    await expect(openSink(url, 'apples')).rejects.toThrow(/statement_timeout.*out of the URL.*ALTER ROLE/)
  })

  it('refuses a role whose commits are not durable, which it cannot mend there', async () => {
    await sql.query("CREATE ROLE hasty LOGIN SUPERUSER PASSWORD 'h'; ALTER ROLE hasty SET synchronous_commit = off")
    const url = new URL(database.url)
    url.username = 'hasty'
    url.password = 'h'
    const hasty = await startPgBouncer(url.href)
    try {
      await expect(openSink(hasty.url, 'apples')).rejects.toThrow(/synchronous_commit.*ALTER ROLE/)
    } finally {
      await hasty.stop()
      await sql.query('DROP ROLE hasty')
    }
  })
})

// A pooler that passes for the server itself: what it does to names is done by hand here.
describe('a prepared statement that the session does not keep for us', () => {
  it.each([
    ['is gone', ['SELECT 2 AS two'], 'DEALLOCATE ALL'],
    ['is there already, another one', [], 'PREPARE told AS SELECT 1 AS two'],
  ])('changes nothing when it %s', async (_, before, meanwhile) => {
    const connection = new PostgresConnection({ url: database.url, connectTimeoutMs: 10_000, statementTimeoutMs: 0 })
    for (const text of before) await connection.query({ name: 'told', text })
    await connection.query({ text: meanwhile })
    expect(await connection.query({ name: 'told', text: 'SELECT 2 AS two' })).toEqual([{ two: 2 }])
    expect(await connection.query({ name: 'told', text: 'SELECT 2 AS two' })).toEqual([{ two: 2 }])
    await connection.close()
  })

  it('has a name that always means the same text, in every process', async () => {
    const connection = new PostgresConnection({ url: database.url, connectTimeoutMs: 10_000, statementTimeoutMs: 0 })
    const nameOf = async (table: string): Promise<string | undefined> => {
      const found = await inspectTable(connection, destination(table), undefined)
      return 'statement' in found ? found.statement.name : undefined
    }
    const [apples, pears, again] = [await nameOf('apples'), await nameOf('pears'), await nameOf('apples')]
    await connection.close()
    expect(again).toBe(apples)
    expect(pears).not.toBe(apples)
  })
})
