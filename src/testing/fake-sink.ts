/**
 * A database in memory: tables with upsert semantics, the writes in their order, and outages. Give
 * each process a sink of its own on one `FakeDatabase`, and what a dead process wrote stays.
 */
import type { Clock } from '../clock.ts'
import { TroupeError } from '../errors.ts'
import type { WriteResult } from '../streams/broker-port.ts'
import type { EncodedRow, Sink, SinkDestination, SinkWrite } from '../streams/delivery/sink.ts'
import { drawLatencyMs, type Latency } from './broker/fake-connection.ts'
import { Random } from './random.ts'

/** One row as a write brought it: column name → text form, or null. */
export type FakeRow = Readonly<Record<string, string | null>>

export interface FakeWrite {
  /** `topic/partition/offset/outputIndex` of the record that caused it. */
  readonly id: string
  readonly table: string
  readonly row: FakeRow
}

export class FakeDatabase {
  /** Writes reject with SINK_UNAVAILABLE; some rows of the batch may be written all the same. */
  isUnavailable = false
  /** Refuses single rows for good. Returns the reason, or null. */
  refuseRow: (table: string, row: FakeRow) => string | null = () => null
  /** Every write that took place, repeats included, in order. */
  readonly writes: FakeWrite[] = []
  readonly #tables = new Map<string, { readonly destination: SinkDestination; readonly rows: Map<string, FakeRow> }>()

  /** The rows of a table as they stand now. */
  rows(table: string): FakeRow[] {
    return [...(this.#tables.get(table)?.rows.values() ?? [])]
  }

  prepare(destination: SinkDestination): void {
    if (!this.#tables.has(destination.table)) this.#tables.set(destination.table, { destination, rows: new Map() })
  }

  /** Inserts the row, or replaces the one with the same key. */
  upsert({ id, output }: SinkWrite<EncodedRow>): WriteResult {
    const table = this.#tables.get(output.table)
    if (table === undefined) return new TroupeError('TABLE_MISSING', `there is no table ${output.table}`)
    const { columns, key } = table.destination
    const row: FakeRow = Object.fromEntries(columns.map(({ name }, at) => [name, output.values[at] ?? null]))
    const reason = this.refuseRow(output.table, row)
    if (reason !== null) return new TroupeError('SINK_REFUSED', reason)
    table.rows.set(JSON.stringify(key.map((name) => row[name])), row)
    this.writes.push({ id, table: output.table, row })
    return null
  }
}

export interface FakeSinkOptions {
  readonly clock: Clock
  /** Default: one of its own. */
  readonly database?: FakeDatabase
  /** From here to the database and back again, each. Default 0.5 to 2 ms. */
  readonly latencyMs?: Latency
  /** Default 100. */
  readonly maxBatch?: number
  readonly seed?: number
  /** Sees each row that this sink wrote. */
  readonly observe?: (write: FakeWrite) => void
}

export class FakeSink implements Sink {
  readonly maxBatch: number
  readonly database: FakeDatabase
  readonly #clock: Clock
  readonly #latencyMs: Latency
  readonly #random: Random
  readonly #observe: (write: FakeWrite) => void
  #isOpen = false

  constructor(options: FakeSinkOptions) {
    this.maxBatch = options.maxBatch ?? 100
    this.database = options.database ?? new FakeDatabase()
    this.#clock = options.clock
    this.#latencyMs = options.latencyMs ?? [0.5, 2]
    this.#random = new Random(options.seed ?? 1)
    this.#observe = options.observe ?? (() => undefined)
  }

  async open(): Promise<void> {
    await this.#wait()
    if (this.database.isUnavailable) {
      throw new TroupeError('DATABASE_UNREACHABLE', 'the fake database is unavailable (a fault of the test)')
    }
    this.#isOpen = true
  }

  prepare(destinations: readonly SinkDestination[]): Promise<void> {
    for (const destination of destinations) this.database.prepare(destination)
    return Promise.resolve()
  }

  async write(batch: readonly SinkWrite<EncodedRow>[]): Promise<readonly WriteResult[]> {
    if (!this.#isOpen) throw new TroupeError('SINK_UNAVAILABLE', 'the fake sink is not open')
    await this.#wait()
    if (this.database.isUnavailable) {
      // The connection broke somewhere in the batch: what was written by then stays.
      const written = this.#random.chance(0.5) ? this.#random.integer(0, batch.length) : 0
      for (const write of batch.slice(0, written)) this.#upsert(write)
      await this.#wait()
      throw new TroupeError('SINK_UNAVAILABLE', 'the fake database is unavailable (a fault of the test)')
    }
    const results = batch.map((write) => this.#upsert(write))
    await this.#wait()
    return results
  }

  async close(): Promise<void> {
    this.#isOpen = false
    await this.#wait()
  }

  #upsert(write: SinkWrite<EncodedRow>): WriteResult {
    const result = this.database.upsert(write)
    if (result === null) this.#observe(this.database.writes.at(-1)!)
    return result
  }

  #wait(): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.after(drawLatencyMs(this.#latencyMs, this.#random), resolve)
    })
  }
}
