/** PostgreSQL for everything around a pipeline: its table, and looking into it afterwards. */
import pg from 'pg'

/** Runs `create` where the table is missing. Returns whether it was. */
export async function createMissingTable(url: string, table: string, create: string): Promise<boolean> {
  return await withClient(url, async (client) => {
    // Asked first, because creating one takes a right that the user may not have.
    const { rows } = await client.query<{ exists: boolean }>(`select to_regclass($1) is not null as exists`, [table])
    if (rows[0]?.exists === true) return false
    await client.query(create)
    return true
  })
}

/** Rejects with the reason where nobody answers. */
export async function verifyDatabase(url: string): Promise<void> {
  await withClient(url, () => Promise.resolve())
}

export interface RowNumbers {
  /** How many of the expected rows are in the table. */
  readonly rows: number
  /** How many are missing or hold something else. */
  readonly wrongRows: number
}

const CHUNK = 5000

/**
 * Looks up each expected row, given as JSON, in the table. `compare` gets a JSON array of them and answers with `found` and
 * `wrong`: the database knows best when two times or two addresses are the same.
 */
export async function compareRows(url: string, compare: string, expected: Iterable<string>): Promise<RowNumbers> {
  return await withClient(url, async (client) => {
    let rows = 0
    let wrongRows = 0
    for (const chunk of chunksOf(expected, CHUNK)) {
      const answer = await client.query<{ found: number; wrong: number }>(compare, [`[${chunk.join(',')}]`])
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
