/** The pipeline's table. An existing one is used as it is. */
import pg from 'pg'

const CREATE = `
  create table if not exists enriched_clicks (
    user_id bigint,
    session_id bigint,
    timestamp timestamptz,
    url text,
    ip inet,
    country text,
    primary key (user_id, timestamp)
  )`

// Compares in the database, which knows best when two times or two addresses are the same.
const COMPARE = `
  select
    count(*) filter (where row.user_id is not null)::int as found,
    count(*) filter (where (row.session_id, row.url, row.ip, row.country)
      is distinct from (expected.session_id, expected.url, expected.ip, expected.country))::int as wrong
  from jsonb_to_recordset($1) as expected
    (user_id bigint, session_id bigint, timestamp timestamptz, url text, ip inet, country text)
  left join enriched_clicks as row using (user_id, timestamp)`

const CHUNK = 5000

export interface RowAccounts {
  /** How many of the expected rows are in the table. */
  readonly rows: number
  /** How many are missing or hold something else. */
  readonly wrongRows: number
}

/** Returns whether it had to be created. */
export async function createMissingTable(url: string): Promise<boolean> {
  return await withClient(url, async (client) => {
    // Asked first, because creating one takes a right that the user may not have.
    const { rows } = await client.query<{ exists: boolean }>(
      `select to_regclass('enriched_clicks') is not null as exists`,
    )
    if (rows[0]?.exists === true) return false
    await client.query(CREATE)
    return true
  })
}

/** Looks up each row in the table. `expected`: the clicks as JSON. */
export async function countRows(url: string, expected: Iterable<string>): Promise<RowAccounts> {
  return await withClient(url, async (client) => {
    let rows = 0
    let wrongRows = 0
    for (const chunk of chunksOf(expected, CHUNK)) {
      const answer = await client.query<{ found: number; wrong: number }>(COMPARE, [`[${chunk.join(',')}]`])
      rows += answer.rows[0]?.found ?? 0
      wrongRows += answer.rows[0]?.wrong ?? 0
    }
    return { rows, wrongRows }
  })
}

async function withClient<Result>(url: string, use: (client: pg.Client) => Promise<Result>): Promise<Result> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 })
  // A connection that breaks while it is used fails the query as well; unheard it would end the process.
  client.on('error', () => undefined)
  try {
    await client.connect()
  } catch (error) {
    throw new Error(`no connection to PostgreSQL at ${describeUrl(url)} (PG_URL or --postgres): ${describe(error)}`)
  }
  try {
    return await use(client)
  } finally {
    await client.end()
  }
}

/** A host name with several addresses fails with one error for each and no text of its own. */
function describe(error: unknown): string {
  if (error instanceof AggregateError) return describe(error.errors[0])
  return error instanceof Error ? error.message : String(error)
}

/** Without the password. */
function describeUrl(url: string): string {
  if (!URL.canParse(url)) return 'an address that is no URL'
  const { hostname, port, pathname } = new URL(url)
  return `${hostname}:${port === '' ? '5432' : port}${pathname}`
}

function* chunksOf<Item>(items: Iterable<Item>, size: number): Generator<Item[]> {
  let chunk: Item[] = []
  for (const item of items) {
    chunk.push(item)
    if (chunk.length < size) continue
    yield chunk
    chunk = []
  }
  if (chunk.length > 0) yield chunk
}
