/**
 * The promise of the PostgreSQL sink, on a real server: a repeat changes nothing, the last row of a
 * key wins, every output gets its own answer, and what is mere unavailability is never a refusal.
 */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/embedded/embedded.ts'
import { isTroupeError } from '../../src/errors.ts'
import { postgresSink, type PostgresSinkOptions } from '../../src/streams/postgres/sink.ts'
import type { Sink, SinkDestination, SinkWrite } from '../../src/streams/delivery/sink.ts'
import { sinkContract, type SinkUnderTest } from '../../src/testing/sink-contract.ts'
import { TcpProxy } from '../support/tcp-proxy.ts'

const clicks: SinkDestination = {
  sink: 'postgres',
  table: 'clicks',
  columns: [
    { name: 'user_id', type: 'bigint' },
    { name: 'timestamp', type: 'timestamptz' },
    { name: 'url', type: 'text' },
    { name: 'ip', type: 'inet' },
    { name: 'country', type: 'char(2)' },
  ],
  key: ['user_id', 'timestamp'],
}
const noon = '2026-03-01T12:00:00.000Z'
const context = { log: { info: () => undefined, warn: () => undefined } }

let database: EmbeddedPostgres
let sql: pg.Client
const opened: Sink[] = []

beforeAll(async () => {
  database = await startEmbeddedPostgres()
})
afterAll(async () => {
  await database.stop()
})
beforeEach(async () => {
  sql = new pg.Client(database.url)
  sql.on('error', () => undefined)
  await sql.connect()
  await sql.query('SET default_transaction_read_only = off')
  await sql.query(`ALTER DATABASE postgres RESET ALL; DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE TABLE clicks (
    user_id bigint, timestamp timestamptz, url text NOT NULL, ip inet, country char(2),
    PRIMARY KEY (user_id, timestamp), CONSTRAINT short_url CHECK (length(url) < 100))`)
})
afterEach(async () => {
  await Promise.all(opened.splice(0).map((sink) => sink.close()))
  await sql.end()
})

async function openSink(
  options: Partial<PostgresSinkOptions> = {},
  destinations: readonly SinkDestination[] = [clicks],
): Promise<Sink> {
  const sink = postgresSink({ url: database.url, ...options })
  opened.push(sink)
  await sink.open(context)
  await sink.prepare(destinations)
  return sink
}

function row(...values: (string | null)[]): SinkWrite<{ table: string; values: (string | null)[] }> {
  return { id: values.join('/'), output: { table: 'clicks', values } }
}

function click(user: number, url: string | null = '/', ip: string | null = '::1', country: string | null = 'CH') {
  return row(String(user), noon, url, ip, country)
}

async function readUrls(): Promise<Record<string, string>> {
  const { rows } = await sql.query<{ user_id: string; url: string }>('SELECT user_id, url FROM clicks ORDER BY 1')
  return Object.fromEntries(rows.map(({ user_id, url }) => [user_id, url]))
}

/** `null` for durable, the SQLSTATE and column or constraint for refused. */
function answers(results: readonly (Error | null)[]): (string | null)[] {
  return results.map((result) => {
    if (result === null) return null
    expect(isTroupeError(result) && result.code).toBe('SINK_REFUSED')
    const state = /SQLSTATE (\w{5})/.exec(result.message)?.[1]
    const where = /(?:column|constraint) "(\w+)"/.exec(result.message)?.[1]
    return `${state ?? '-'} ${where ?? '-'}`
  })
}

async function failureOf(promise: Promise<unknown>): Promise<{ code: string; message: string }> {
  const error = await promise.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  )
  if (!isTroupeError(error)) throw error
  return error
}

describe('upserts', () => {
  it('writes rows as they are, nulls and quotes and backslashes included', async () => {
    const sink = await openSink()
    const odd = String.raw`/{"a",b}\n\\'' NULL "` + ' \n\t é 🦊'
    expect(await sink.write([click(1, odd, null, null), click(2, 'NULL'), click(3, '')])).toEqual([null, null, null])
    expect(await readUrls()).toEqual({ 1: odd, 2: 'NULL', 3: '' })
    const { rows } = await sql.query('SELECT ip, country, timestamp FROM clicks WHERE user_id = 1')
    expect(rows).toEqual([{ ip: null, country: null, timestamp: new Date(noon) }])
  })

  it('changes nothing when a batch is written again, and replaces the row of a key', async () => {
    const sink = await openSink()
    const batch = [click(1, '/a'), click(2, '/b')]
    await sink.write(batch)
    await sink.write(batch)
    expect(await readUrls()).toEqual({ 1: '/a', 2: '/b' })
    await sink.write([click(2, '/c')])
    expect(await readUrls()).toEqual({ 1: '/a', 2: '/c' })
  })

  it('lets the last row of a key win within a batch', async () => {
    const sink = await openSink()
    const results = await sink.write([click(1, '/1'), click(2, '/2'), click(1, '/3'), click(1, '/4'), click(2, '/5')])
    expect(results).toEqual([null, null, null, null, null])
    expect(await readUrls()).toEqual({ 1: '/4', 2: '/5' })
  })

  it('knows one key in several spellings', async () => {
    const sink = await openSink()
    const same = [
      row('7', '2026-03-01T12:00:00Z', '/first', null, null),
      row('07', '2026-03-01T13:00:00+01:00', '/second', null, null),
      row(' 7 ', '2026-03-01 12:00:00.000+00', '/third', null, null),
    ]
    expect(await sink.write(same)).toEqual([null, null, null])
    expect(await readUrls()).toEqual({ 7: '/third' })
  })

  it('copes with a key whose equality only the index knows', async () => {
    await sql.query(`CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
      CREATE TABLE names (name text COLLATE nocase PRIMARY KEY, n int)`)
    const names = {
      sink: 'postgres',
      table: 'names',
      columns: [
        { name: 'name', type: 'text' },
        { name: 'n', type: 'int' },
      ],
      key: ['name'],
    }
    const sink = await openSink({}, [names])
    const batch = ['Ada', 'bob', 'ada', 'ADA'].map((name, n) => ({
      id: name,
      output: { table: 'names', values: [name, String(n)] },
    }))
    expect(await sink.write(batch)).toEqual([null, null, null, null])
    expect((await sql.query('SELECT n FROM names ORDER BY name')).rows).toEqual([{ n: 3 }, { n: 1 }])
  })

  it('does nothing on a repeat when all columns are the key', async () => {
    await sql.query('CREATE TABLE seen (id text PRIMARY KEY)')
    const seen = { sink: 'postgres', table: 'seen', columns: [{ name: 'id', type: 'text' }], key: ['id'] }
    const sink = await openSink({}, [seen])
    const batch = ['a', 'b', 'a'].map((id) => ({ id, output: { table: 'seen', values: [id] } }))
    await sink.write(batch)
    expect(await sink.write(batch)).toEqual([null, null, null])
    expect((await sql.query('SELECT id FROM seen ORDER BY id')).rows).toEqual([{ id: 'a' }, { id: 'b' }])
  })

  it('writes 1,000 rows, several tables and names that need quoting', async () => {
    await sql.query(
      'CREATE SCHEMA "Odd ""one"; CREATE TABLE "Odd ""one"."select" ("from" int PRIMARY KEY, "a""b" text[])',
    )
    const odd: SinkDestination = {
      sink: 'postgres',
      table: 'Odd "one.select',
      columns: [
        { name: 'from', type: 'int' },
        { name: 'a"b', type: 'text[]' },
      ],
      key: ['from'],
    }
    const sink = await openSink({}, [clicks, odd])
    const batch = Array.from({ length: 1000 }, (_, n) =>
      n % 2 === 0
        ? click(n, `/${n}`)
        : { id: String(n), output: { table: odd.table, values: [String(n), `{x,"y ${n}"}`] } },
    )
    expect(new Set(await sink.write(batch))).toEqual(new Set([null]))
    expect((await sql.query('SELECT count(*)::int AS n FROM clicks')).rows).toEqual([{ n: 500 }])
    const { rows } = await sql.query('SELECT "a""b" AS list FROM "Odd ""one"."select" WHERE "from" = 333')
    expect(rows).toEqual([{ list: ['x', 'y 333'] }])
  })
})

describe('refused rows', () => {
  it.each<[string, SinkWrite<{ table: string; values: (string | null)[] }>, string]>([
    ['a NUL in a text', click(3, 'a\0b'), '22021 url'],
    ['an address that is none', click(3, '/', '300.1.1.1'), '22P02 ip'],
    ['a time that is none', row('3', '2026-02-30', '/', null, null), '22008 timestamp'],
    ['a text that is no time', row('3', 'not a time', '/', null, null), '22007 timestamp'],
    ['a time in no zone', row('3', '2026-03-01 12:00 Mars/Olympus', '/', null, null), '22023 timestamp'],
    ['a text too long', click(3, '/', null, 'CHE'), '22001 country'],
    ['a number out of range', row('99999999999999999999', noon, '/', null, null), '22003 user_id'],
    ['null where none may be', click(3, null), '23502 url'],
    ['a check not met', click(3, 'x'.repeat(100)), '23514 short_url'],
    ['a key with null in it', row('3', null, '/', null, null), '- timestamp'],
    ['values missing', row('3', noon), '- -'],
  ])('refuses %s alone', async (_, bad, answer) => {
    const sink = await openSink()
    const results = await sink.write([click(1), click(2), bad, click(4), click(5)])
    expect(answers(results)).toEqual([null, null, answer, null, null])
    expect(Object.keys(await readUrls())).toEqual(['1', '2', '4', '5'])
  })

  it('writes the row before, when the last row of a key is refused', async () => {
    const sink = await openSink()
    const results = await sink.write([
      click(1, '/a'),
      click(2),
      click(1, '/b', 'nowhere'),
      click(3),
      click(1, '/c', null, 'CHE'),
    ])
    expect(answers(results)).toEqual([null, null, '22P02 ip', null, '22001 country'])
    expect(await readUrls()).toEqual({ 1: '/a', 2: '/', 3: '/' })
  })

  it('lets the last good row of a key win, whatever is refused between', async () => {
    const sink = await openSink()
    const batch = ['/a', '/b', '/c', '/d', '/e'].flatMap((url, n) => [click(1, url), click(10 + n, '/', 'nowhere')])
    expect(answers(await sink.write(batch))).toEqual(batch.map((_, at) => (at % 2 === 0 ? null : '22P02 ip')))
    expect(await readUrls()).toEqual({ 1: '/e' })
  })

  it('refuses a row for its types though a later row of its key replaces it', async () => {
    const sink = await openSink()
    expect(answers(await sink.write([click(1, '/a', 'nowhere'), click(1, '/b')]))).toEqual(['22P02 ip', null])
    expect(await readUrls()).toEqual({ 1: '/b' })
  })

  it('finds many bad rows in a large batch', async () => {
    const sink = await openSink()
    const isBad = (n: number): boolean => n % 97 === 0 || (n > 400 && n < 420)
    const batch = Array.from({ length: 1000 }, (_, n) => click(n, '/', isBad(n) ? 'nowhere' : '10.0.0.1'))
    const results = await sink.write(batch)
    expect(results.map((result) => result !== null)).toEqual(batch.map((_, n) => isBad(n)))
    expect(Object.keys(await readUrls())).toEqual(batch.flatMap((_, n) => (isBad(n) ? [] : [String(n)])))
  })

  it('takes a trigger, a foreign key and row-level security at their word', async () => {
    await sql.query(`CREATE TABLE users (id bigint PRIMARY KEY); INSERT INTO users VALUES (1), (2), (3), (4);
      ALTER TABLE clicks ADD FOREIGN KEY (user_id) REFERENCES users;
      CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF NEW.url = '/secret' THEN RAISE EXCEPTION 'not that one'; END IF; RETURN NEW; END $$;
      CREATE TRIGGER guard BEFORE INSERT ON clicks FOR EACH ROW EXECUTE FUNCTION guard();
      CREATE ROLE writer LOGIN PASSWORD 'w'; GRANT ALL ON clicks TO writer; GRANT USAGE ON SCHEMA public TO writer;
      ALTER TABLE clicks ENABLE ROW LEVEL SECURITY;
      CREATE POLICY p ON clicks USING (true) WITH CHECK (url <> '/hidden')`)
    const url = new URL(database.url)
    url.username = 'writer'
    url.password = 'w'
    const sink = await openSink({ url: url.href })
    const results = await sink.write([click(1), click(2, '/secret'), click(3, '/hidden'), click(9), click(4)])
    expect(answers(results)).toEqual([null, 'P0001 -', '42501 -', '23503 clicks_user_id_fkey', null])
    await sql.query('DROP OWNED BY writer; DROP ROLE writer')
  })
})

describe('unavailability', () => {
  it('rejects while the server is away and goes on by itself afterwards', async () => {
    const sink = await openSink({ connectTimeoutMs: 30_000 })
    await sink.write([click(1, '/a')])
    await database.interrupt()
    for (let tries = 0; tries < 3; tries += 1) {
      const failure = await failureOf(sink.write([click(1, '/b'), click(2, '/b')]))
      expect(failure.code).toBe('SINK_UNAVAILABLE')
      expect(failure.message).toMatch(/127\.0\.0\.1:\d+/)
    }
    await database.resume()
    expect(await sink.write([click(1, '/b'), click(2, '/b')])).toEqual([null, null])
    await reconnect()
    expect(await readUrls()).toEqual({ 1: '/b', 2: '/b' })
  })

  it('rejects when the server goes away under a statement, and nothing is half written', async () => {
    const sink = await openSink({ connectTimeoutMs: 30_000 })
    await sql.query('BEGIN; LOCK TABLE clicks')
    const write = failureOf(sink.write([click(1), click(2, '/', 'nowhere')]))
    await waitUntilBlocked()
    await database.interrupt()
    expect((await write).code).toBe('SINK_UNAVAILABLE')
    await database.resume()
    await reconnect()
    expect(await readUrls()).toEqual({})
    expect(answers(await sink.write([click(1), click(2, '/', 'nowhere')]))).toEqual([null, '22P02 ip'])
  })

  it('bounds a statement that waits for a lock, and leaves no connection behind', async () => {
    const sink = await openSink({ statementTimeoutMs: 2_000 })
    await sql.query('BEGIN; LOCK TABLE clicks')
    const failure = await failureOf(sink.write([click(1)]))
    expect(failure.code).toBe('SINK_UNAVAILABLE')
    expect(failure.message).toContain('57014')
    await sql.query('COMMIT')
    expect(await sink.write([click(1)])).toEqual([null])
    await sink.close()
    await expect
      .poll(async () => (await sql.query("SELECT FROM pg_stat_activity WHERE application_name = 'troupe'")).rowCount)
      .toBe(0)
  })

  it('gets a batch through that takes longer than one statement may', async () => {
    await sql.query(`CREATE FUNCTION doze() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_sleep(0.01); RETURN NEW; END $$;
      CREATE TRIGGER doze BEFORE INSERT ON clicks FOR EACH ROW EXECUTE FUNCTION doze()`)
    const sink = await openSink({ statementTimeoutMs: 400 })
    const batch = Array.from({ length: 100 }, (_, n) => click(n))
    await expect.poll(() => sink.write(batch).catch(() => null)).toEqual(batch.map(() => null))
    expect(Object.keys(await readUrls())).toHaveLength(100)
  })

  it('bounds a statement on a connection that hangs, and what hung never arrives', async () => {
    const proxy = await startProxy(database.url)
    const sink = await openSink({ url: proxy.url, statementTimeoutMs: 5_000, connectTimeoutMs: 5_000 })
    await sink.write([click(1, '/before')])
    proxy.freeze()
    const failure = await failureOf(sink.write([click(1, '/hung')]))
    expect(failure.code).toBe('SINK_UNAVAILABLE')
    expect(failure.message).toContain('no answer within 10 s')
    // The next one finds a fresh connection that hangs as well, and is bounded by the time for connecting.
    expect((await failureOf(sink.write([click(1, '/hung')]))).message).toContain('no answer within 5 s')
    proxy.thaw()
    expect(await sink.write([click(1, '/after')])).toEqual([null])
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(await readUrls()).toEqual({ 1: '/after' })
    await sink.close()
    await proxy.stop()
  })

  it('lets no statement of a frozen server process come true after newer ones', async () => {
    const sink = await openSink({ statementTimeoutMs: 5_000 })
    await sink.write([click(1, '/before')])
    const frozen = await findBackend()
    process.kill(frozen, 'SIGSTOP')
    expect((await failureOf(sink.write([click(1, '/frozen')]))).message).toContain('no answer within 10 s')
    expect(await sink.write([click(1, '/frozen')])).toEqual([null])
    expect(await sink.write([click(1, '/after')])).toEqual([null])
    process.kill(frozen, 'SIGCONT')
    await expect
      .poll(async () => (await sql.query(`SELECT FROM pg_stat_activity WHERE pid = ${frozen}`)).rowCount)
      .toBe(0)
    expect(await readUrls()).toEqual({ 1: '/after' })
  })

  it('leaves no statement behind that waits, when the way to the server is cut', async () => {
    const proxy = await startProxy(database.url)
    const sink = await openSink({ url: proxy.url })
    await sql.query('BEGIN; LOCK TABLE clicks')
    const write = failureOf(sink.write([click(1)]))
    await waitUntilBlocked()
    await proxy.stop()
    expect((await write).code).toBe('SINK_UNAVAILABLE')
    await expect.poll(() => findBackend().catch(() => null)).toBe(null)
    await sql.query('COMMIT')
    expect(await readUrls()).toEqual({})
  })

  it('waits for a table that was dropped, and for a right that was revoked, until somebody repairs it', async () => {
    const sink = await openSink()
    await sink.write([click(1)])
    const { rows } = await sql.query<{ ddl: string }>(
      "SELECT 'CREATE TABLE clicks2 (LIKE clicks INCLUDING ALL)' AS ddl",
    )
    await sql.query(`${rows[0]!.ddl}; DROP TABLE clicks`)
    const failure = await failureOf(sink.write([click(2)]))
    expect(failure.code).toBe('SINK_UNAVAILABLE')
    expect(failure.message).toContain('"clicks"')
    expect((await failureOf(sink.write([click(2)]))).message).toContain('does not exist')
    await sql.query('ALTER TABLE clicks2 RENAME TO clicks')
    expect(await sink.write([click(2)])).toEqual([null])
  })

  it('follows a column whose type is changed under way', async () => {
    const sink = await openSink()
    await sink.write([click(1)])
    await sql.query('ALTER TABLE clicks ALTER COLUMN user_id TYPE numeric, ALTER COLUMN country TYPE varchar(8)')
    expect(await sink.write([click(2, '/', null, 'UNKNOWN')])).toEqual([null])
    await sql.query(`DELETE FROM clicks WHERE user_id = 2; CREATE TYPE land AS ENUM ('CH', 'DE');
      ALTER TABLE clicks ALTER COLUMN country TYPE land USING country::text::land`)
    await expect.poll(() => sink.write([click(3)]).catch(() => null)).toEqual([null])
  })

  it('treats a database that takes no writes as away', async () => {
    const sink = await openSink()
    await sql.query('ALTER DATABASE postgres SET default_transaction_read_only = on')
    await sql.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'troupe'")
    await expect.poll(async () => (await failureOf(sink.write([click(1)]))).message).toContain('25006')
    await sql.query(
      'SET default_transaction_read_only = off; ALTER DATABASE postgres RESET default_transaction_read_only',
    )
    expect(await sink.write([click(1)])).toEqual([null])
  })

  it('writes overlapping keys from two members without losing any', async () => {
    const sinks = await Promise.all([openSink(), openSink()])
    const write = async (sink: Sink, seed: number): Promise<void> => {
      for (let round = 0; round < 30; round += 1) {
        const users = Array.from({ length: 200 }, (_, n) => (n * (seed === 0 ? 1 : 199) + round) % 200)
        const results = await sink.write(users.map((user) => click(user, `/${seed}`)))
        expect(new Set(results)).toEqual(new Set([null]))
      }
    }
    await Promise.all(sinks.map(write))
    expect(Object.keys(await readUrls())).toHaveLength(200)
    const { rows } = await sql.query<{ deadlocks: string }>(
      'SELECT pg_stat_force_next_flush(), deadlocks FROM pg_stat_database WHERE datname = current_database()',
    )
    expect(rows[0]!.deadlocks).toBe('0')
  })

  it('lets a write that is under way end when it is closed', async () => {
    const sink = await openSink()
    await sql.query('BEGIN; LOCK TABLE clicks')
    const write = sink.write([click(1)])
    await waitUntilBlocked()
    const closed = sink.close()
    await sql.query('COMMIT')
    expect(await write).toEqual([null])
    await closed
    expect(await readUrls()).toEqual({ 1: '/' })
  })

  it('closes while a write is under way, twice if asked', async () => {
    const sink = await openSink()
    await sql.query('BEGIN; LOCK TABLE clicks')
    const write = failureOf(sink.write([click(1)]))
    await waitUntilBlocked()
    await Promise.all([sink.close(), sink.close()])
    expect((await write).code).toBe('SINK_UNAVAILABLE')
    expect((await failureOf(sink.write([click(1)]))).code).toBe('SINK_UNAVAILABLE')
    await sql.query('ROLLBACK')
  })

  it('makes rows durable even where the server is set to acknowledge before it writes', async () => {
    await sql.query('ALTER DATABASE postgres SET synchronous_commit = off')
    await sql.query(`CREATE TABLE modes (mode text PRIMARY KEY, n int);
      CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN NEW.url := current_setting('synchronous_commit'); RETURN NEW; END $$;
      CREATE TRIGGER note BEFORE INSERT ON clicks FOR EACH ROW EXECUTE FUNCTION note()`)
    const sink = await openSink()
    await sink.write([click(1)])
    await sql.query('ALTER DATABASE postgres RESET synchronous_commit')
    expect(await readUrls()).toEqual({ 1: 'local' })
  })
})

describe('start', () => {
  it.each<[string, (url: URL) => void, RegExp]>([
    ['a wrong password', (url) => (url.password = 'Secr3t!'), /password authentication failed for user "troupe"/],
    ['no password', (url) => (url.password = ''), /asks for a password/],
    ['an unknown database', (url) => (url.pathname = '/nowhere'), /database "nowhere" does not exist/],
    ['a closed port', (url) => (url.port = '1'), /127\.0\.0\.1:1 .*nobody listens there/],
    ['an unknown host', (url) => (url.hostname = 'db.invalid'), /db\.invalid:\d+ .*host name/],
    ['TLS where there is none', (url) => (url.search = '?sslmode=verify-full'), /does not support SSL/],
  ])('names the cause: %s', async (_, change, message) => {
    const url = new URL(database.url)
    const { password } = url
    change(url)
    const failure = await failureOf(openSink({ url: url.href }))
    expect(failure.code).toBe('DATABASE_UNREACHABLE')
    expect(failure.message).toMatch(message)
    expect(failure.message).toMatch(/PostgreSQL at .*:\d+ \(database ".+", user "troupe"\)/)
    expect(JSON.stringify([failure, failure.message, String((failure as unknown as Error).cause)])).not.toMatch(
      new RegExp(`Secr3t|${password}`),
    )
  })

  it('names the cause: a host that does not answer', async () => {
    const silent = createServer(() => undefined).listen(0, '127.0.0.1')
    await new Promise((resolve) => silent.once('listening', resolve))
    const { port } = silent.address() as { port: number }
    const url = `postgres://u:Secr3t@127.0.0.1:${port}/d`
    const failure = await failureOf(openSink({ url, connectTimeoutMs: 300 }))
    expect(failure.code).toBe('DATABASE_UNREACHABLE')
    expect(failure.message).toMatch(/no answer within 0\.3 s/)
    silent.close()
  })

  it.each([
    'postgres://u:Secr3t@host:port/d',
    'postgres://u:55/cr3t@h/d',
    'postgres://u:55?cr3t@h/d',
    'u:Secr3t@h/d',
    '',
  ])('refuses a URL it cannot read, without repeating it: %s', async (url) => {
    const failure = await failureOf(openSink({ url }))
    expect(failure.code).toBe('OPTIONS_INVALID')
    expect(`${failure.message}${String((failure as unknown as Error).cause)}`).not.toMatch(/cr3t|55/)
  })

  it('reports everything wrong with the tables at once', async () => {
    await sql.query(`CREATE TABLE loose (id bigint, at timestamp, n text, must int NOT NULL,
        twice int GENERATED ALWAYS AS (must * 2) STORED, UNIQUE (id, at) DEFERRABLE);
      CREATE UNIQUE INDEX ON loose (id) WHERE n IS NOT NULL; CREATE VIEW seen AS SELECT * FROM clicks`)
    const loose: SinkDestination = {
      sink: 'postgres',
      table: 'loose',
      columns: [
        { name: 'id', type: 'bigint' },
        { name: 'at', type: 'timestamptz' },
        { name: 'n', type: 'bigint' },
        { name: 'nope', type: 'text' },
        { name: 'twice', type: 'int' },
        { name: 'ID', type: 'bigintt' },
      ],
      key: ['id'],
    }
    const failure = await failureOf(
      openSink({}, [loose, { ...clicks, table: 'missing' }, { ...clicks, table: 'seen' }]),
    )
    expect(failure.code).toBe('TABLE_MISSING')
    for (const problem of [
      'column "at" of table "loose" is timestamp without time zone, declared timestamptz',
      'column "n" of table "loose" is text, declared bigint',
      'table "loose" has no column "nope" (declared text)',
      'column "twice" of table "loose" is generated',
      'table "loose" has no column "ID" (declared bigintt)',
      'column "must" of table "loose" must not be null, has no default and is not declared',
      'table "loose" has no primary key or unique index on exactly ("id")',
      'table "missing" does not exist',
      '"seen" is not a table',
    ]) {
      expect(failure.message).toContain(problem)
    }
  })

  it('reports rights the user does not have', async () => {
    await sql.query(`CREATE ROLE reader LOGIN PASSWORD 'r'; GRANT USAGE ON SCHEMA public TO reader;
      GRANT SELECT, INSERT (user_id) ON clicks TO reader`)
    const url = new URL(database.url)
    url.username = 'reader'
    url.password = 'r'
    const failure = await failureOf(openSink({ url: url.href }))
    expect(failure.message).toContain('no right to INSERT, UPDATE column "url"')
    expect(failure.message).not.toContain('column "user_id"')
    await sql.query('DROP OWNED BY reader; DROP ROLE reader')
  })

  it('accepts types that hold what was declared', async () => {
    await sql.query(`CREATE DOMAIN address AS inet; CREATE TYPE land AS ENUM ('CH', 'DE'); CREATE TABLE wide (
      user_id numeric, timestamp timestamptz, url varchar(20), ip address, country land, n serial,
      UNIQUE (timestamp, user_id) INCLUDE (url))`)
    const sink = await openSink({}, [{ ...clicks, table: 'wide' }])
    const to = (write: ReturnType<typeof click>) => ({ ...write, output: { ...write.output, table: 'wide' } })
    const results = await sink.write([to(click(1)), to(click(2, 'x'.repeat(21))), to(click(3, '/', '::1', 'FR'))])
    expect(answers(results)).toEqual([null, '22001 url', '22P02 country'])
  })

  it('writes partitioned tables, and refuses what has no partition', async () => {
    await sql.query(`DROP TABLE clicks; CREATE TABLE clicks (user_id bigint, timestamp timestamptz, url text, ip inet,
      country char(2), PRIMARY KEY (user_id, timestamp)) PARTITION BY RANGE (timestamp);
      CREATE TABLE march PARTITION OF clicks FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')`)
    const sink = await openSink()
    const results = await sink.write([click(1), row('2', '2026-05-01', '/', null, null), click(3)])
    expect(answers(results)).toEqual([null, '23514 -', null])
    expect(await readUrls()).toEqual({ 1: '/', 3: '/' })
  })

  it('finds tables in the schema it is given', async () => {
    await sql.query('CREATE SCHEMA sales; CREATE TABLE sales.clicks (LIKE clicks INCLUDING ALL)')
    const sink = await openSink({ schema: 'sales' })
    await sink.write([click(1)])
    expect((await sql.query('SELECT user_id FROM sales.clicks')).rows).toEqual([{ user_id: '1' }])
    expect(await readUrls()).toEqual({})
  })
})

describe('the contract of sinks', () => {
  interface TableUnderTest extends SinkUnderTest {
    readonly proxy: TcpProxy
  }
  const columns = ['key', 'value'].map((name) => ({ name, type: 'text' }))
  const notes: SinkDestination = { sink: 'postgres', table: 'notes', columns, key: ['key'] }
  const cases = sinkContract({
    open: async (): Promise<TableUnderTest> => {
      await sql.query("CREATE TABLE notes (key text PRIMARY KEY, value text CHECK (value <> 'refused'))")
      const url = new URL(database.url)
      const proxy = await TcpProxy.start(Number(url.port))
      url.port = String(proxy.port)
      return {
        proxy,
        sink: () => postgresSink({ url: url.href }),
        destinations: [notes],
        output: (key, value) => ({ table: 'notes', values: [key, value] }),
        read: async () => {
          const { rows } = await sql.query<{ key: string; value: string }>('SELECT key, value FROM notes')
          return Object.fromEntries(rows.map(({ key, value }) => [key, value]))
        },
        end: () => proxy.stop(),
      }
    },
    refused: ({ output }) => output('r', 'refused'),
    missing: { ...notes, table: 'nowhere' },
    breakIt: (under) => {
      const { proxy } = under as TableUnderTest
      proxy.cut()
      return Promise.resolve(() => {
        proxy.restore()
        return Promise.resolve()
      })
    },
  })
  for (const { name, run } of cases) it(name, run)
})

/** A way to the server on which packets can be held up. What a reset connection had sent is dropped. */
async function startProxy(url: string) {
  const pairs = new Set<readonly [Socket, Socket]>()
  let isFrozen = false
  const server = createServer((client) => {
    const upstream = connect(Number(new URL(url).port), '127.0.0.1')
    const pair = [client, upstream] as const
    pairs.add(pair)
    for (const [from, to] of [pair, [upstream, client] as const]) {
      from.on('data', (bytes) => (isFrozen ? held.push([from, to, bytes]) : to.write(bytes)))
      from.on('error', () => undefined).on('close', () => (pairs.delete(pair), to.destroy()))
    }
  })
  const held: (readonly [Socket, Socket, Buffer])[] = []
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const target = new URL(url)
  target.port = String((server.address() as AddressInfo).port)
  return {
    url: target.href,
    freeze: () => (isFrozen = true),
    thaw: () => {
      isFrozen = false
      for (const [from, to, bytes] of held.splice(0)) if (!from.destroyed) to.write(bytes)
    },
    stop: async () => {
      for (const pair of pairs) for (const socket of pair) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** The server process that serves the sink. */
async function findBackend(): Promise<number> {
  const observer = new pg.Client(database.url)
  await observer.connect()
  const { rows } = await observer.query<{ pid: number }>(
    "SELECT pid FROM pg_stat_activity WHERE application_name = 'troupe'",
  )
  await observer.end()
  return rows[0]!.pid
}

async function waitUntilBlocked(): Promise<void> {
  const observer = new pg.Client(database.url)
  await observer.connect()
  await expect
    .poll(async () => (await observer.query("SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'")).rowCount)
    .toBeGreaterThan(0)
  await observer.end()
}

async function reconnect(): Promise<void> {
  await sql.end().catch(() => undefined)
  sql = new pg.Client(database.url)
  sql.on('error', () => undefined)
  await sql.connect()
}
