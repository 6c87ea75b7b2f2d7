/** The two shapes that bulk HTTP APIs have: an answer for each item (Elasticsearch, OpenSearch), or one for all (ClickHouse). */
import { createHash } from 'node:crypto'
import type { ColumnDefinition, SinkDestination } from 'troupe'

export interface BulkRow {
  /** Of the record that caused it; a repeat has the same. */
  readonly id: string
  readonly values: readonly (string | null)[]
}

export interface BulkRequest {
  readonly method: 'GET' | 'HEAD' | 'POST'
  /** With its query. */
  readonly path: string
  readonly body?: string
  readonly contentType?: string
}

/** What an API says of one row. */
export interface ItemAnswer {
  readonly status: number
  readonly reason: string
}

export interface BulkApi {
  readonly name: string
  /** Answered by 2xx while the service is there. */
  readonly ping: BulkRequest
  /** Whether there is such a table (index). */
  exists(table: string): BulkRequest
  isThere(status: number, body: string): boolean
  insert(destination: SinkDestination, rows: readonly BulkRow[]): BulkRequest
  /** Of a 2xx: one answer for each row. null: all of them were taken. */
  answers(body: string): readonly ItemAnswer[] | null
}

/** `_bulk`: NDJSON, an action and a document each. A document's id is the key of its row, so a repeat replaces it. */
export const elasticsearch: BulkApi = {
  name: 'Elasticsearch',
  ping: { method: 'GET', path: '/' },
  exists: (table) => ({ method: 'HEAD', path: `/${encodeURIComponent(table)}` }),
  isThere: (status) => status !== 404,
  insert: (destination, rows) => ({
    method: 'POST',
    path: '/_bulk',
    contentType: 'application/x-ndjson',
    body: rows
      .map((row) => {
        const action = { index: { _index: destination.table, _id: documentId(destination, row) } }
        return `${JSON.stringify(action)}\n${jsonRow(destination.columns, row)}\n`
      })
      .join(''),
  }),
  answers: (body) => {
    const { errors, items } = JSON.parse(body) as BulkAnswer
    if (!errors) return null
    return items.map(({ index: { error, status } }) => ({
      status,
      reason: error === undefined ? '' : `${error.type}: ${error.reason}`,
    }))
  },
}

interface BulkAnswer {
  readonly errors: boolean
  readonly items: readonly {
    readonly index: { readonly status: number; readonly error?: { readonly type: string; readonly reason: string } }
  }[]
}

/**
 * `INSERT … FORMAT JSONEachRow`. One answer for all: a batch is taken or refused as a whole. The table should be a
 * ReplacingMergeTree ordered by the key, which keeps the newest row of each; the token makes that a batch given again is
 * not even inserted.
 */
export const clickhouse: BulkApi = {
  name: 'ClickHouse',
  ping: { method: 'GET', path: '/ping' },
  exists: (table) => ({ method: 'POST', path: query(`EXISTS TABLE ${quoted(table)}`) }),
  isThere: (_status, body) => body.trim() === '1',
  insert: (destination, rows) => {
    const columns = destination.columns.map(({ name }) => quoted(name)).join(', ')
    const token = sha256(rows.map(({ id }) => id).join('\n'))
    return {
      method: 'POST',
      path:
        query(`INSERT INTO ${quoted(destination.table)} (${columns}) FORMAT JSONEachRow`) +
        // Without it an error may come after a 200.
        `&wait_end_of_query=1&insert_deduplication_token=${token}`,
      contentType: 'application/x-ndjson',
      body: rows.map((row) => `${jsonRow(destination.columns, row)}\n`).join(''),
    }
  },
  answers: () => null,
}

function query(sql: string): string {
  return `/?query=${encodeURIComponent(sql)}`
}

function quoted(name: string): string {
  return `\`${name.replaceAll(/[\\`]/g, '\\$&')}\``
}

/** Elasticsearch takes 512 bytes. */
const LONGEST_ID = 512

function documentId({ columns, key }: SinkDestination, { values }: BulkRow): string {
  const parts = key.map((name) => values[columns.findIndex((column) => column.name === name)] ?? null)
  const id = parts.length === 1 ? String(parts[0]) : JSON.stringify(parts)
  return Buffer.byteLength(id) <= LONGEST_ID ? id : sha256(id)
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

const numbers =
  /^(u?int\d*|bigint|smallint|integer|long|short|byte|real|(half_)?float\d*|double( precision)?|numeric|decimal)\b/i
const plain = /^(bool(ean)?|jsonb?|object|nested)$/i
const jsonNumber = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/

/** Values are text, as the engine encodes them; the declared type says what they are. Integers stay exact, of any size. */
function jsonRow(columns: readonly ColumnDefinition[], { values }: BulkRow): string {
  const fields = columns.map(({ name, type }, at) => {
    const text = values[at] ?? null
    const isBare = text === null || plain.test(type) || (numbers.test(type) && jsonNumber.test(text))
    return `${JSON.stringify(name)}:${isBare ? String(text) : JSON.stringify(text)}`
  })
  return `{${fields.join(',')}}`
}
