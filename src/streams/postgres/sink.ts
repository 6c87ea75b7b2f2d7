/**
 * `troupe/postgres`: rows into PostgreSQL tables, by upsert: writing a row twice changes nothing.
 * Needs the optional package `pg`.
 */
import { sleep, systemClock } from '../../clock.ts'
import { TroupeError, describeError, isTroupeError } from '../../errors.ts'
import type { WriteResult } from '../broker-port.ts'
import { PostgresConnection } from './connection.ts'
import { isServerError, judge } from './errors.ts'
import { explainRefusal } from './refusal.ts'
import { inspectTable, type TableStatement } from './table.ts'
import type { EncodedRow, Sink, SinkContext, SinkDestination, SinkWrite } from '../delivery/sink.ts'

export interface PostgresSinkOptions {
  /** `postgres://user:password@host:5432/database`, with any parameter the package `pg` knows (`sslmode`, …). */
  readonly url: string
  /** Rows in one write; 1,000 unless given. */
  readonly maxBatchRows?: number
  /** How long one statement may take, at the server and here; 30,000 unless given, 0: no limit. */
  readonly statementTimeoutMs?: number
  /** How long connecting may take; 10,000 unless given. */
  readonly connectTimeoutMs?: number
  /** Where tables declared without a schema are; the user's search path unless given. */
  readonly schema?: string
}

/**
 * A sink for tables declared with `table()`.
 *
 * - One statement a table and batch, each in a transaction of its own. Within a batch the last row
 *   of a key is the one that is written.
 * - Rows whose values the database refuses (SQLSTATE 21, 22, 23, 44, 54, a trigger's exception) are
 *   refused singly (SINK_REFUSED, with column or constraint); the others of the batch stand.
 * - Anything else is waited for: an outage, a full disk, a lock, but also a table dropped or a
 *   right revoked while running. Nothing is lost, and an operator can repair it.
 *
 * A wrong URL, password or table is told at start: DATABASE_UNREACHABLE, TABLE_MISSING.
 */
export function postgresSink(options: PostgresSinkOptions): Sink {
  return new PostgresSink(options)
}

interface Row {
  /** Where in the batch, and so where its answer goes. */
  readonly at: number
  readonly values: readonly (string | null)[]
}

/** Tries of one statement that lost against another one (deadlock, serialisation), before the engine is told to wait. */
const MAX_CONFLICTS = 5

class PostgresSink implements Sink {
  readonly maxBatch: number
  readonly #connection: PostgresConnection
  readonly #schema: string | undefined
  readonly #destinations = new Map<string, SinkDestination>()
  readonly #statements = new Map<string, TableStatement>()
  #maxStatementRows: number

  constructor(options: PostgresSinkOptions) {
    this.maxBatch = options.maxBatchRows ?? 1_000
    this.#maxStatementRows = this.maxBatch
    this.#schema = options.schema
    this.#connection = new PostgresConnection({
      url: options.url,
      connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
      statementTimeoutMs: options.statementTimeoutMs ?? 30_000,
    })
  }

  async verify(): Promise<void> {
    await this.#connection.verify()
  }

  async open(context: SinkContext): Promise<void> {
    await this.#connection.connect()
    context.log.info({}, `connected to ${this.#connection.name}`)
  }

  async prepare(destinations: readonly SinkDestination[]): Promise<void> {
    const problems: string[] = []
    for (const destination of destinations) {
      const earlier = this.#destinations.get(destination.table)
      if (earlier !== undefined && JSON.stringify(earlier) !== JSON.stringify(destination)) {
        problems.push(`table "${destination.table}" is declared twice, with different columns or keys`)
        continue
      }
      const found = await inspectTable(this.#connection, destination, this.#schema)
      if ('problems' in found) {
        problems.push(...found.problems)
        continue
      }
      this.#destinations.set(destination.table, destination)
      this.#statements.set(destination.table, found.statement)
    }
    if (problems.length > 0) {
      throw new TroupeError('TABLE_MISSING', `${this.#connection.name}: ${problems.join('; ')}`)
    }
  }

  async write(batch: readonly SinkWrite<EncodedRow>[]): Promise<readonly WriteResult[]> {
    const results = new Array<WriteResult>(batch.length).fill(null)
    const tables = new Map<string, Row[]>()
    for (const [at, { output }] of batch.entries()) {
      const rows = tables.get(output.table) ?? []
      tables.set(output.table, rows)
      rows.push({ at, values: output.values })
    }
    for (const [table, rows] of tables) {
      try {
        const statement = await this.#findStatement(table)
        await this.#writeRows(
          statement,
          rows.filter((row) => this.#isWritable(statement, table, row, results)),
          results,
        )
      } catch (error) {
        throw this.#describeOutage(table, error)
      }
    }
    this.#maxStatementRows = Math.min(this.maxBatch, this.#maxStatementRows + 1)
    return results
  }

  async close(): Promise<void> {
    await this.#connection.close()
  }

  /**
   * Writes `rows`, or finds out which of them cannot be written. Halves are written one after the
   * other, in order, with the rows in them that a later one replaces: when rows a and b have one
   * key and b is refused, then a is what the table must show.
   */
  async #writeRows(statement: TableStatement, rows: readonly Row[], results: WriteResult[]): Promise<void> {
    if (rows.length === 0) return
    if (rows.length > this.#maxStatementRows) {
      await this.#writeHalves(statement, rows, results)
      return
    }
    try {
      await this.#execute(statement, rows)
    } catch (error) {
      // Too much for the time allowed (a slow trigger, a slow disk): the same again would be as slow, so less.
      if (isServerError(error) && error.code === '57014') this.#maxStatementRows = Math.ceil(rows.length / 2)
      if (judge(error) !== 'data') throw error
      const [first] = rows
      if (rows.length === 1 && first !== undefined) {
        results[first.at] = explainRefusal(error, statement, first.values)
        return
      }
      await this.#writeHalves(statement, rows, results)
    }
  }

  async #writeHalves(statement: TableStatement, rows: readonly Row[], results: WriteResult[]): Promise<void> {
    const middle = rows.length >>> 1
    await this.#writeRows(statement, rows.slice(0, middle), results)
    await this.#writeRows(statement, rows.slice(middle), results)
  }

  async #execute(statement: TableStatement, rows: readonly Row[]): Promise<void> {
    const { name, text, columns } = statement
    const values = columns.map((_, column) => rows.map((row) => row.values[column] ?? null))
    for (let conflicts = 0; ; conflicts += 1) {
      try {
        await this.#connection.query({ name, text, values })
        return
      } catch (error) {
        if (judge(error) !== 'conflict' || conflicts === MAX_CONFLICTS) throw error
        await sleep(systemClock, Math.random() * 20 * 2 ** conflicts)
      }
    }
  }

  /** What no statement needs to find out. A row without a key would be there twice after a repeat. */
  #isWritable(statement: TableStatement, table: string, row: Row, results: WriteResult[]): boolean {
    if (row.values.length !== statement.columns.length) {
      const counts = `${row.values.length} values for ${statement.columns.length} columns`
      results[row.at] = new TroupeError('SINK_REFUSED', `table "${table}": ${counts}`)
      return false
    }
    const empty = statement.columns.find(({ isKey }, column) => isKey && row.values[column] === null)
    if (empty === undefined) return true
    results[row.at] = new TroupeError('SINK_REFUSED', `table "${table}": key column "${empty.name}" is null`)
    return false
  }

  /** After a change of the table under way the statement is composed anew from what the table is now. */
  async #findStatement(table: string): Promise<TableStatement> {
    const statement = this.#statements.get(table)
    if (statement !== undefined) return statement
    const destination = this.#destinations.get(table)
    if (destination === undefined)
      throw new TroupeError('INTERNAL', `table "${table}" was written before it was prepared`)
    const found = await inspectTable(this.#connection, destination, this.#schema)
    if ('problems' in found) throw new Error(found.problems.join('; '))
    this.#statements.set(table, found.statement)
    return found.statement
  }

  #describeOutage(table: string, error: unknown): Error {
    if (isTroupeError(error) && error.code === 'INTERNAL') return error
    if (isTroupeError(error)) return new TroupeError('SINK_UNAVAILABLE', error.message, { cause: error })
    const isStructural = judge(error) === 'structure'
    if (isStructural) this.#statements.delete(table)
    const what = isStructural ? `table "${table}" cannot be written until somebody repairs it` : 'cannot write for now'
    const state = isServerError(error) ? ` (SQLSTATE ${error.code ?? 'unknown'})` : ''
    const message = `${this.#connection.name}: ${what}${state}: ${describeError(error)}`
    return new TroupeError('SINK_UNAVAILABLE', message, { cause: error })
  }
}
