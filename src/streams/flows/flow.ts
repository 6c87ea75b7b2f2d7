/**
 * Typed names for where records come from and where outputs go: topics and tables. Handlers build
 * effects with them; the effects are encoded where the handler ran.
 */
import { TroupeError } from '../../errors.ts'
import { isObject, refuseWrong, shown, unknownKeys } from '../../options/declared.ts'
import { json, type Codec } from './codec.ts'
import type { ColumnType } from './column-types.ts'
import { problemsOfTable, problemsOfTopic } from './flow-shapes.ts'
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
 * `null` is refused. On any other topic null is a value as others are, if its codec has one. `Name` is known where it can
 * be inferred: `topic('clicks', { codec: json(checkClick) })`, but not `topic<Click>('clicks')`.
 */
export interface Topic<Value, Name extends string = string> {
  readonly kind: 'topic'
  readonly name: Name
  /** Decodes and encodes values that are not null. */
  readonly codec: Codec<Exclude<Value, null>>
  /** Whether a null value is a tombstone for the handler (true) or a broken record (false). */
  readonly tombstones: boolean
  /** An output: this value to this topic. */
  record(value: Value, options?: RecordOptions): RecordEffect<Value, Name>
}

export interface TopicOptions<Value> {
  /** JSON unless given. */
  readonly codec?: Codec<Value>
}

/** One for all records without any, which so need no look. */
const noOptions: RecordOptions = {}

/** Names a topic and says how its values look. Throws OPTIONS_INVALID. */
export function topic<Value, const Name extends string = string>(
  name: Name,
  options: TopicOptions<Value> & { readonly tombstones: true },
): Topic<Value | null, Name>
export function topic<Value, const Name extends string = string>(
  name: Name,
  options?: TopicOptions<Value> & { readonly tombstones?: false },
): Topic<Value, Name>
export function topic<Value, const Name extends string>(
  name: Name,
  options: TopicOptions<Value> & { readonly tombstones?: boolean } = {},
): Topic<Value, Name> {
  refuseWrong(`topic(${shown(name)})`, problemsOfTopic(name, options))
  return {
    kind: 'topic',
    name,
    codec: (options.codec ?? json<Value>()) as unknown as Codec<Exclude<Value, null>>,
    tombstones: options.tombstones ?? false,
    record: (value, recordOptions = noOptions) => ({ type: 'record', topic: name, value, options: recordOptions }),
  }
}

/** What a column takes: text and numbers as they are, Date as ISO-8601, bytes as bytea, anything else as JSON. */
export type ColumnValue = string | number | bigint | boolean | Date | Uint8Array | object | null | undefined

/** A typed table of a database sink. */
export interface Table<Row extends object, Name extends string = string> {
  readonly kind: 'table'
  readonly name: Name
  readonly destination: SinkDestination
  /** An output: insert this row, or replace the one with the same key. */
  upsert(row: Row): RowEffect<Row, Name>
}

interface TableShape<Columns, Column> {
  /** Column name → the database's type name. The columns are fields of the row. */
  readonly columns: Columns
  /** The columns of the primary or unique key: what makes a repeat recognisable. */
  readonly key: readonly Column[]
}

/** In the sink `postgres`, the compiler looks at the types of columns, too. */
export type TableOptions<Row extends object = Record<string, unknown>> =
  | (TableShape<{ readonly [Column in keyof Row]?: ColumnType<Row[Column]> }, keyof Row & string> & {
      readonly sink?: never
    })
  | (TableShape<{ readonly [Column in keyof Row]?: string }, keyof Row & string> & {
      /** Name of the sink in the app; `postgres` unless given. */
      readonly sink: string
    })

/** Names a table and its columns. Rows may carry more fields than the table has columns. Throws OPTIONS_INVALID. */
export function table<Row extends object, const Name extends string = string>(
  name: Name,
  options: TableOptions<Row>,
): Table<Row, Name> {
  refuseWrong(`table(${shown(name)})`, problemsOfTable(name, options))
  const columns = Object.entries(options.columns as Readonly<Record<string, string>>).map(([column, type]) => ({
    name: column,
    type,
  }))
  return {
    kind: 'table',
    name,
    destination: { sink: options.sink ?? 'postgres', table: name, columns, key: options.key },
    upsert: (row) => ({ type: 'row', table: name, row }),
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

/**
 * An output record, not yet encoded. Plain data, so tests compare it with `toEqual`. It is of one topic: what goes to a
 * topic of other values is another type, also where one of the values would pass for the other.
 */
export interface RecordEffect<in out Value = unknown, out Name extends string = string> {
  readonly type: 'record'
  readonly topic: Name
  readonly value: Value
  readonly options: RecordOptions
}

/** A row to insert or replace, not yet encoded. */
export interface RowEffect<in out Row extends object = object, out Name extends string = string> {
  readonly type: 'row'
  readonly table: Name
  readonly row: Row
}

/** What an outcome asks the engine to do, whatever it goes to. A tagged list: state and timers will be further tags. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- effects of any topic; `unknown` would refuse all but those of unknown
export type Effect = RecordEffect<any> | RowEffect<any>

/** What a handler with these `outputs` may send. */
export type EffectsOf<Outputs extends readonly Destination[]> = Outputs extends readonly []
  ? NothingListed
  : EffectTo<Outputs[number]>

/** What the compiler shows where a handler sends something and lists nothing. */
type NothingListed = RecordEffect<never, 'list the destination in `outputs` of defineHandler'>

type EffectTo<To extends Destination> =
  To extends Topic<infer Value, infer Name>
    ? RecordEffect<Value, Name>
    : To extends Table<infer Row, infer Name>
      ? RowEffect<Row, Name>
      : Effect

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

  encode(effect: RecordEffect | RowEffect): EncodedEffect {
    return effect.type === 'record' ? this.#encodeRecord(effect) : this.#encodeRow(effect)
  }

  #encodeRecord(effect: RecordEffect): EncodedEffect {
    const target = this.#topics.get(effect.topic)
    if (target === undefined) throw undeclared(`topic ${effect.topic}`)
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
    try {
      return { type: 'record', record: recordOf(effect.topic, value, effect.options) }
    } catch (error) {
      throw new TroupeError('ENCODE_FAILED', `the options of a record for topic ${effect.topic} are not valid`, {
        cause: error,
      })
    }
  }

  #encodeRow(effect: RowEffect): EncodedEffect {
    if ((effect.type as string) !== 'row') {
      const message = `an output is ${shown(effect)}: make one with record() of a topic, or upsert() of a table`
      throw new TroupeError('ENCODE_FAILED', message)
    }
    const destination = this.#tables.get(effect.table)
    if (destination === undefined) throw undeclared(`table ${effect.table}`)
    if (!isObject(effect.row)) {
      throw new TroupeError(
        'ENCODE_FAILED',
        `a row of table ${effect.table} is an object, and got ${shown(effect.row)}`,
      )
    }
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

function recordOf(topic: string, value: Uint8Array | null, options: RecordOptions): OutputRecord {
  if (!isObject(options)) {
    throw new TypeError(`the options of a record are an object, such as { key }, and got ${shown(options)}`)
  }
  const { key, headers, partition, timestamp } = options
  const record: { -readonly [Name in keyof OutputRecord]: OutputRecord[Name] } = { topic, key: encodeKey(key), value }
  if (headers !== undefined) record.headers = encodeHeaders(headers)
  if (partition !== undefined) record.partition = natural('partition', partition)
  if (timestamp !== undefined && timestamp !== NO_TIME) record.timestamp = timeFrom(timestamp)
  // A look at the names costs as much as all the rest, so only where nothing was understood: `{ keys: 'a' }`.
  const isEmpty = key === undefined && headers === undefined && partition === undefined && timestamp === undefined
  if (isEmpty && options !== noOptions) refuseMisspelt(options)
  return record
}

const recordOptionNames = ['key', 'headers', 'partition', 'timestamp']

function refuseMisspelt(options: RecordOptions): void {
  const problems = unknownKeys(options, recordOptionNames, 'there are key, headers, partition and timestamp')
  if (problems.length > 0) throw new TypeError(problems.join('; '))
}

function encodeKey(key: unknown): Uint8Array | null {
  if (typeof key === 'string') return utf8Bytes(key, 'key')
  if (key === undefined || key === null) return null
  if (key instanceof Uint8Array) return key
  if (typeof key === 'bigint') return utf8Bytes(String(key), 'key')
  // Any other would be written as something like `[object Object]`: one key for all records.
  if (typeof key !== 'number')
    throw new TypeError(`a key is text, a number, bytes or null, and got ${shown(key)}; choose a field of it`)
  if (isExact(key)) return utf8Bytes(String(key), 'key')
  throw new TypeError(`a key is a number that was not rounded, and got ${key}: give a bigint or a text`)
}

/** False for NaN and infinity, and for integers that stand for their neighbours as well. */
function isExact(value: number): boolean {
  return Number.isInteger(value) ? Number.isSafeInteger(value) : Number.isFinite(value)
}

function encodeHeaders(headers: unknown): readonly RecordHeader[] {
  if (Array.isArray(headers)) return headers.map(encodeHeader)
  if (isObject(headers) && !(headers instanceof Map)) return Object.entries(headers).map(encodeHeader)
  throw new TypeError(`headers are an object, or a list of pairs, and got ${shown(headers)}`)
}

function encodeHeader(pair: unknown): RecordHeader {
  const [name, value] = Array.isArray(pair) ? (pair as unknown[]) : []
  if (typeof name !== 'string') throw new TypeError(`a header is a pair of name and value, and got ${shown(pair)}`)
  // The client's names end at a NUL.
  if (wellFormed(name, 'name of a header').includes('\0'))
    throw new TypeError(`header ${shown(name)} has a NUL in its name`)
  if (typeof value === 'string') {
    if (value.isWellFormed()) return [name, Buffer.from(value)]
    throw new TypeError(`header ${name} is no valid Unicode: ${JSON.stringify(value.slice(0, 200))}`)
  }
  if (value === null || value instanceof Uint8Array) return [name, value]
  throw new TypeError(`header ${name} is text, bytes or null, and got ${shown(value)}`)
}

// A handler in JavaScript has no compiler that checks it. What is no bytes here would cross to main
// as garbage, or not at all, and the blame would fall on the engine.
function bytesFrom(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value
  throw new TypeError(`bytes are needed, and got ${typeof value}`)
}

function natural(name: string, value: unknown): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number
  throw new TypeError(`a ${name} is a whole number, and got ${shown(value)}`)
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
function fieldOf(row: object, name: string): unknown {
  return name in Object.prototype && !Object.hasOwn(row, name) ? undefined : row[name as keyof typeof row]
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
