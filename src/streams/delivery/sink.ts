/**
 * A durable destination. The engine owns order, batching and waiting (`sink-queue.ts`); a sink
 * only writes one batch and says what became of each output.
 */
import type { WriteResult } from '../broker-port.ts'

/** One encoded output on its way to a sink. */
export interface SinkWrite<Output> {
  /** Stable: `topic/partition/offset/outputIndex` of the record that caused it. A repeat has the same id. */
  readonly id: string
  readonly output: Output
}

export interface SinkContext {
  readonly log: SinkLog
}

export interface SinkLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

export interface Sink<Output = EncodedRow> {
  /** What can be told without a connection, for `troupe check`: a package that is not installed, an address that cannot be read. */
  verify?(): Promise<void>
  /** Prepares the destination and verifies what can be verified (connection, tables). Rejects with a TroupeError that names the cause. */
  open(context: SinkContext): Promise<void>
  /** The names (tables) this sink can write to, out of the given ones, are checked here. Rejects naming every one that is missing or does not fit. */
  prepare(destinations: readonly SinkDestination[]): Promise<void>
  /**
   * Writes a batch, in order. Resolves when every output is durable (null) or refused for good
   * (an Error, that output alone). Rejects with a SINK_UNAVAILABLE TroupeError when nothing can be
   * said: the whole batch is given again later, so a write has to be idempotent.
   */
  write(batch: readonly SinkWrite<Output>[]): Promise<readonly WriteResult[]>
  /** At most this many outputs are given to one `write`: more only where a single record has more, because its outputs come together. */
  readonly maxBatch: number
  /** May come while `open` is under way, when a start is stopped. */
  close(): Promise<void>
}

/** What a handler module declares about a destination outside Kafka. Plain data: it crosses threads. */
export interface SinkDestination {
  /** The sink's name in the app (`postgres`). */
  readonly sink: string
  /** The table. */
  readonly table: string
  readonly columns: readonly ColumnDefinition[]
  /** The columns of the primary or unique key on which a repeat is recognised. */
  readonly key: readonly string[]
}

export interface ColumnDefinition {
  readonly name: string
  /** The database's type name, e.g. `bigint`, `timestamptz`, `inet`, `text`. */
  readonly type: string
}

/** One row, encoded where the handler ran: `values[i]` is the text form of column i, or null. */
export interface EncodedRow {
  readonly table: string
  readonly values: readonly (string | null)[]
}

/** Opens a sink for these tables. Rejects with what it cannot reach, or does not find. */
export async function openSink(
  sink: Sink,
  context: SinkContext,
  destinations: readonly SinkDestination[],
): Promise<void> {
  await sink.open(context)
  await sink.prepare(destinations)
}
