/** A declared table against the one in the database, and the statement that writes a batch into it. */
import { createHash } from 'node:crypto'
import { describeError } from '../../errors.ts'
import type { PostgresConnection } from './connection.ts'
import { isServerError } from './errors.ts'
import type { SinkDestination } from '../delivery/sink.ts'

export interface TableColumn {
  readonly name: string
  /** The column's type without length, domains resolved to what they stand on: what texts are cast to. */
  readonly castType: string
  /** The type as the table has it, with its length. */
  readonly type: string
  readonly isKey: boolean
}

export interface TableStatement {
  /** As declared. */
  readonly table: string
  /** Of the prepared statement: its text's hash, so that no other process means another text by it. */
  readonly name: string
  readonly text: string
  readonly columns: readonly TableColumn[]
}

interface CatalogColumn {
  readonly name: string
  readonly cast_type: string
  readonly type: string
  readonly base: number
  readonly category: string
  readonly required: boolean
  readonly generated: boolean
  readonly may_insert: boolean
  readonly may_update: boolean
  readonly may_select: boolean
}

/** Returns the statement, or what is wrong with the table: every problem, not the first. */
export async function inspectTable(
  connection: PostgresConnection,
  destination: SinkDestination,
  schema: string | undefined,
): Promise<{ readonly statement: TableStatement } | { readonly problems: readonly string[] }> {
  const table = quoteTable(destination.table, schema)
  const relation = await findRelation(connection, table)
  if (typeof relation === 'string') return { problems: [relation] }
  const catalog = new Map((await readColumns(connection, relation.oid)).map((column) => [column.name, column]))
  const problems: string[] = []
  const columns: TableColumn[] = []
  for (const { name, type } of destination.columns) {
    const found = catalog.get(name)
    const isKey = destination.key.includes(name)
    if (found === undefined) {
      problems.push(`table ${table} has no column ${quote(name)} (declared ${type})`)
      continue
    }
    const mismatch = await compareTypes(connection, type, found)
    if (mismatch !== null) problems.push(`column ${quote(name)} of table ${table} ${mismatch}`)
    if (found.generated) problems.push(`column ${quote(name)} of table ${table} is generated and takes no values`)
    const missing = [
      found.may_insert ? '' : 'INSERT',
      found.may_update || isKey ? '' : 'UPDATE',
      found.may_select ? '' : 'SELECT',
    ].filter((right) => right !== '')
    if (missing.length > 0) {
      problems.push(`the user has no right to ${missing.join(', ')} column ${quote(name)} of table ${table}`)
    }
    columns.push({ name, castType: found.cast_type, type: found.type, isKey })
  }
  for (const column of catalog.values()) {
    if (!column.required || destination.columns.some(({ name }) => name === column.name)) continue
    problems.push(`column ${quote(column.name)} of table ${table} must not be null, has no default and is not declared`)
  }
  if (destination.key.length === 0) problems.push(`table ${table} is declared without a key`)
  else if (!(await hasUniqueIndex(connection, relation.oid, destination.key))) {
    const key = destination.key.map(quote).join(', ')
    problems.push(`table ${table} has no primary key or unique index on exactly (${key})`)
  }
  if (problems.length > 0) return { problems }
  const text = composeUpsert(table, columns)
  const name = `troupe_${createHash('sha256').update(text).digest('hex').slice(0, 32)}`
  return { statement: { table: destination.table, name, text, columns } }
}

/**
 * One array of texts a column, so one statement text serves every batch size.
 *
 * - Texts are cast row by row to the column's type *without* its length: an explicit cast to
 *   `char(2)` would cut silently, the assignment to the column refuses.
 * - `DISTINCT ON … ord DESC`: the last row of a key wins (a key twice in one statement is an
 *   error), compared as the database does: two spellings of one address are one key.
 * - Rows replaced in this way are cast all the same, so whether a row is refused for its types
 *   does not depend on its company.
 * - Ordered by key, so that two members who write the same rows cannot deadlock.
 */
function composeUpsert(table: string, columns: readonly TableColumn[]): string {
  const names = columns.map(({ name }) => quote(name))
  const keys = columns.flatMap(({ isKey }, at) => (isKey ? [at] : []))
  const updates = columns.filter(({ isKey }) => !isKey).map(({ name }) => `${quote(name)} = EXCLUDED.${quote(name)}`)
  const casts = columns.map(({ castType }, at) => `v${at}::${castType} AS c${at}`)
  const arrays = columns.map((_, at) => `$${at + 1}::text[]`)
  const values = columns.map((_, at) => `v${at}`)
  const order = keys.map((at) => `c${at}`).join(', ')
  return (
    `INSERT INTO ${table} (${names.join(', ')}) ` +
    `SELECT DISTINCT ON (${order}) ${columns.map((_, at) => `c${at}`).join(', ')} ` +
    `FROM (SELECT ${casts.join(', ')}, ord ` +
    `FROM unnest(${arrays.join(', ')}) WITH ORDINALITY AS u(${values.join(', ')}, ord)) AS r ` +
    `ORDER BY ${order}, ord DESC ` +
    `ON CONFLICT (${keys.map((at) => names[at]).join(', ')}) ` +
    (updates.length === 0 ? 'DO NOTHING' : `DO UPDATE SET ${updates.join(', ')}`)
  )
}

function quote(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`
}

/** `name`, or `schema.name`. */
function quoteTable(name: string, schema: string | undefined): string {
  const dot = name.indexOf('.')
  if (dot > 0) return `${quote(name.slice(0, dot))}.${quote(name.slice(dot + 1))}`
  return schema === undefined ? quote(name) : `${quote(schema)}.${quote(name)}`
}

async function findRelation(connection: PostgresConnection, table: string): Promise<{ readonly oid: number } | string> {
  try {
    const [relation] = await connection.query<{ oid: number; kind: string }>({
      text: 'SELECT oid, relkind AS kind FROM pg_class WHERE oid = to_regclass($1)',
      values: [table],
    })
    if (relation === undefined) return `table ${table} does not exist in the schemas this user sees`
    if (relation.kind !== 'r' && relation.kind !== 'p') return `${table} is not a table but something else`
    return relation
  } catch (error) {
    // No right to look into the schema is an answer; a lost connection is none.
    if (isServerError(error)) return `table ${table}: ${describeError(error)}`
    throw error
  }
}

async function readColumns(connection: PostgresConnection, oid: number): Promise<readonly CatalogColumn[]> {
  return await connection.query<CatalogColumn>({
    text: `
      WITH RECURSIVE base (attnum, type, typmod) AS (
        SELECT attnum, atttypid, atttypmod FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped
        UNION ALL
        SELECT attnum, typbasetype, typtypmod FROM base JOIN pg_type ON oid = type WHERE typtype = 'd')
      SELECT a.attname AS name, format_type(t.oid, -1) AS cast_type, format_type(t.oid, base.typmod) AS type,
        t.oid::int AS base, t.typcategory AS category,
        a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AS required,
        a.attgenerated <> '' OR a.attidentity = 'a' AS generated,
        has_column_privilege(a.attrelid, a.attnum, 'INSERT') AS may_insert,
        has_column_privilege(a.attrelid, a.attnum, 'UPDATE') AS may_update,
        has_column_privilege(a.attrelid, a.attnum, 'SELECT') AS may_select
      FROM base JOIN pg_type t ON t.oid = base.type AND t.typtype <> 'd'
      JOIN pg_attribute a ON a.attrelid = $1 AND a.attnum = base.attnum ORDER BY a.attnum`,
    values: [oid],
  })
}

/** An index that `ON CONFLICT (key)` can use: unique, on these columns and no other, whole, checked at once. */
async function hasUniqueIndex(connection: PostgresConnection, oid: number, key: readonly string[]): Promise<boolean> {
  const indexes = await connection.query<{ columns: readonly string[] }>({
    text: `
      SELECT array_agg(a.attname::text) AS columns
      FROM pg_index i CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, at)
      JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
      WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid AND i.indimmediate
        AND i.indpred IS NULL AND i.indexprs IS NULL AND k.at <= i.indnkeyatts
      GROUP BY i.indexrelid`,
    values: [oid],
  })
  return indexes.some(({ columns }) => columns.length === key.length && key.every((name) => columns.includes(name)))
}

const groups: readonly (readonly string[])[] = [
  ['smallint', 'integer', 'bigint', 'numeric'],
  ['real', 'double precision'],
  ['json', 'jsonb'],
]

/** null: values of the declared type suit the column. Lengths are not compared: they are the database's to refuse. */
async function compareTypes(
  connection: PostgresConnection,
  declared: string,
  column: CatalogColumn,
): Promise<string | null> {
  let type: { base: number; name: string; category: string } | undefined
  try {
    ;[type] = await connection.query<{ base: number; name: string; category: string }>({
      text: 'SELECT oid::int AS base, format_type(oid, -1) AS name, typcategory AS category FROM pg_type WHERE oid = to_regtype($1)',
      values: [declared],
    })
  } catch (error) {
    if (!isServerError(error)) throw error
  }
  if (type === undefined) return `is declared ${declared}, which this database knows no type of`
  if (type.base === column.base) return null
  if (type.category === 'S' && (column.category === 'S' || column.category === 'E')) return null
  const group = groups.find((names) => names.includes(type.name))
  if (group?.includes(column.cast_type) === true && !(type.name === 'numeric')) return null
  return `is ${column.type}, declared ${declared}`
}
