/**
 * Typed names for where records come from and where outputs go: topics and tables. Handlers build
 * effects with them; the effects are encoded where the handler ran.
 */
import { TroupeError } from '../../errors.ts'
import { json, type Codec } from './codec.ts'
import { JsonWriter, jsonText } from './json-writer.ts'
import { utf8Bytes, wellFormed } from './unicode.ts'
import type { OutputRecord, RecordHeader } from '../record.ts'
import type { EncodedRow, SinkDestination } from '../delivery/sink.ts'

/** A record key as a handler gives it: text and numbers are written as UTF-8 text, bytes as they are. */
export type Key = string | number | bigint | Uint8Array | null

export interface RecordOptions {
  readonly key?: Key
  readonly headers?: readonly RecordHeader[] | Readonly<Record<string, string | Uint8Array | null>>
  /** Chosen by the key (murmur2, as Java does) unless given. */
  readonly partition?: number
  /**
   * Milliseconds since the Unix epoch; the time of writing unless given, and for −1, which a record has that came without
   * one. 0 is refused: the client would write its own time.
   */
  readonly timestamp?: number
}

/**
 * A typed topic. `Value` includes null when the topic carries tombstones: there null is the tombstone, and a document
 * `null` is refused. On any other topic null is a value as others are, if its codec has one.
 */
export interface Topic<Value> {
  readonly kind: 'topic'
  readonly name: string
  /** Decodes and encodes values that are not null. */
  readonly codec: Codec<Exclude<Value, null>>
  /** Whether a null value is a tombstone for the handler (true) or a broken record (false). */
  readonly tombstones: boolean
  /** An output: this value to this topic. */
  record(value: Value, options?: RecordOptions): RecordEffect
}

export interface TopicOptions<Value> {
  /** JSON unless given. */
  readonly codec?: Codec<Value>
}

/** Names a topic and says how its values look. */
export function topic<Value>(
  name: string,
  options: TopicOptions<Value> & { readonly tombstones: true },
): Topic<Value | null>
export function topic<Value>(
  name: string,
  options?: TopicOptions<Value> & { readonly tombstones?: false },
): Topic<Value>
export function topic<Value>(
  name: string,
  options: TopicOptions<Value> & { readonly tombstones?: boolean } = {},
): Topic<Value> {
  const self: Topic<Value> = {
    kind: 'topic',
    name,
    codec: (options.codec ?? json<Value>()) as unknown as Codec<Exclude<Value, null>>,
    tombstones: options.tombstones ?? false,
    record: (value, recordOptions = {}) => ({ type: 'record', topic: name, value, options: recordOptions }),
  }
  return self
}

/** What a column takes: text and numbers as they are, Date as ISO-8601, bytes as bytea, anything else as JSON. */
export type ColumnValue = string | number | bigint | boolean | Date | Uint8Array | object | null | undefined

/** A typed table of a database sink. */
export interface Table<Row extends object> {
  readonly kind: 'table'
  readonly name: string
  readonly destination: SinkDestination
  /** An output: insert this row, or replace the one with the same key. */
  upsert(row: Row): RowEffect
}

export interface TableOptions {
  /** Name of the sink in the app; `postgres` unless given. */
  readonly sink?: string
  /** Column name → the database's type name. */
  readonly columns: Readonly<Record<string, string>>
  /** The columns of the primary or unique key: what makes a repeat recognisable. */
  readonly key: readonly string[]
}

/** Names a table and its columns. Rows may carry more fields than the table has columns. */
export function table<Row extends object>(name: string, options: TableOptions): Table<Row> {
  const columns = Object.entries(options.columns).map(([column, type]) => ({ name: column, type }))
  const unknown = options.key.filter((column) => !Object.hasOwn(options.columns, column))
  if (unknown.length > 0) throw new TypeError(`table ${name}: the key names no column: ${unknown.join(', ')}`)
  return {
    kind: 'table',
    name,
    destination: { sink: options.sink ?? 'postgres', table: name, columns, key: options.key },
    upsert: (row) => ({ type: 'row', table: name, row: row as Readonly<Record<string, unknown>> }),
  }
}

/** A topic as far as writing to it goes, whatever its values are. */
export interface TopicDestination {
  readonly kind: 'topic'
  readonly name: string
  readonly codec: { readonly name: string; encode(value: never): Uint8Array }
  /** A null value is a tombstone. */
  readonly tombstones: boolean
}

/** A table as far as writing to it goes, whatever its rows are. */
export interface TableDestination {
  readonly kind: 'table'
  readonly name: string
  readonly destination: SinkDestination
}

/** What a handler may list in its `outputs`. */
export type Destination = TopicDestination | TableDestination

/** An output record, not yet encoded. Plain data, so tests compare it with `toEqual`. */
export interface RecordEffect {
  readonly type: 'record'
  readonly topic: string
  readonly value: unknown
  readonly options: RecordOptions
}

/** A row to insert or replace, not yet encoded. */
export interface RowEffect {
  readonly type: 'row'
  readonly table: string
  readonly row: Readonly<Record<string, unknown>>
}

/** What an outcome asks the engine to do. A tagged list: state and timers will be further tags. */
export type Effect = RecordEffect | RowEffect

export type EncodedEffect =
  | { readonly type: 'record'; readonly record: OutputRecord }
  | { readonly type: 'row'; readonly sink: string; readonly row: EncodedRow }

/** Turns effects into bytes, for the destinations a handler declares. Throws ENCODE_FAILED naming the destination. */
export class EffectEncoder {
  readonly #topics = new Map<string, TopicDestination>()
  readonly #tables = new Map<string, SinkDestination>()

  constructor(destinations: readonly Destination[]) {
    for (const destination of destinations) {
      if (destination.kind === 'topic') this.#topics.set(destination.name, destination)
      else this.#tables.set(destination.name, destination.destination)
    }
  }

  encode(effect: Effect): EncodedEffect {
    return effect.type === 'record' ? this.#encodeRecord(effect) : this.#encodeRow(effect)
  }

  #encodeRecord(effect: RecordEffect): EncodedEffect {
    const target = this.#topics.get(effect.topic)
    if (target === undefined) throw undeclared(`topic ${effect.topic}`)
    const { key, headers, partition, timestamp } = effect.options
    let value: Uint8Array | null
    try {
      value = effect.value === null && target.tombstones ? null : bytesFrom(target.codec.encode(effect.value as never))
    } catch (error) {
      throw new TroupeError(
        'ENCODE_FAILED',
        `the value for topic ${effect.topic} could not be encoded as ${target.codec.name}`,
        {
          cause: error,
        },
      )
    }
    const record: { -readonly [Name in keyof OutputRecord]: OutputRecord[Name] } = {
      topic: effect.topic,
      key: null,
      value,
    }
    try {
      record.key = encodeKey(key)
      if (headers !== undefined) record.headers = encodeHeaders(headers)
      if (partition !== undefined) record.partition = natural('partition', partition)
      if (timestamp !== undefined && timestamp !== NO_TIME) record.timestamp = timeFrom(timestamp)
    } catch (error) {
      throw new TroupeError('ENCODE_FAILED', `the options of a record for topic ${effect.topic} are not valid`, {
        cause: error,
      })
    }
    return { type: 'record', record }
  }

  #encodeRow(effect: RowEffect): EncodedEffect {
    const destination = this.#tables.get(effect.table)
    if (destination === undefined) throw undeclared(`table ${effect.table}`)
    const values = destination.columns.map(({ name, type }) => {
      try {
        return encodeColumn(fieldOf(effect.row, name) as ColumnValue)
      } catch (error) {
        throw new TroupeError(
          'ENCODE_FAILED',
          `column ${name} (${type}) of table ${effect.table} could not be encoded`,
          {
            cause: error,
          },
        )
      }
    })
    return { type: 'row', sink: destination.sink, row: { table: effect.table, values } }
  }
}

function undeclared(destination: string): TroupeError {
  return new TroupeError(
    'ENCODE_FAILED',
    `an output goes to ${destination}, which the handler does not declare; list it in \`outputs\` of defineHandler`,
  )
}

function encodeKey(key: Key | undefined): Uint8Array | null {
  if (key === undefined || key === null) return null
  if (typeof key === 'number' && !isExact(key)) {
    throw new TypeError(`the key ${key} is no number, or one that was rounded: give a bigint or a text`)
  }
  return key instanceof Uint8Array ? key : utf8Bytes(String(key), 'key')
}

/** False for NaN and infinity, and for integers that stand for their neighbours as well. */
function isExact(value: number): boolean {
  return Number.isInteger(value) ? Number.isSafeInteger(value) : Number.isFinite(value)
}

function encodeHeaders(headers: NonNullable<RecordOptions['headers']>): readonly RecordHeader[] {
  const entries = Array.isArray(headers) ? (headers as readonly RecordHeader[]) : Object.entries(headers)
  return entries.map(([name, value]) => {
    try {
      return [headerName(name), typeof value === 'string' ? utf8Bytes(value) : bytesOrNull(value)]
    } catch (error) {
      throw new TypeError(`header ${JSON.stringify(name)}`, { cause: error })
    }
  })
}

/** The client's names end at a NUL. */
function headerName(name: string): string {
  if (wellFormed(name, 'name').includes('\0')) throw new TypeError('the name has a NUL')
  return name
}

// A handler in JavaScript has no compiler that checks it. What is no bytes here would cross to main
// as garbage, or not at all, and the blame would fall on the engine.
function bytesFrom(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value
  throw new TypeError(`bytes are needed, and got ${typeof value}`)
}

function bytesOrNull(value: unknown): Uint8Array | null {
  return value === null ? null : bytesFrom(value)
}

function natural(name: string, value: unknown): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number
  throw new TypeError(`a ${name} is a whole number, and got ${String(value)}`)
}

/** A record's time where none is given, and what the client takes for none. */
const NO_TIME = -1

function timeFrom(value: unknown): number {
  const time = natural('timestamp', value)
  if (time > 0) return time
  throw new TypeError(
    'a timestamp of 0 (1970) cannot be written: the client takes it for none, and writes its own time',
  )
}

/** What the row has under that name; not what every object has (`constructor`, `__proto__`). */
function fieldOf(row: Readonly<Record<string, unknown>>, name: string): unknown {
  return name in Object.prototype && !Object.hasOwn(row, name) ? undefined : row[name]
}

/** The text form PostgreSQL and its peers parse for any column type. */
function encodeColumn(value: ColumnValue): string | null {
  if (value === undefined || value === null) return null
  switch (typeof value) {
    case 'string':
      return wellFormed(value)
    case 'number':
    case 'bigint':
    case 'boolean':
      return String(value)
    default:
      if (value instanceof Date) return value.toISOString()
      if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`
      return jsonText(value, columnWriter)
  }
}

/** A database's JSON takes integers of any size. */
const columnWriter = new JsonWriter(true)
