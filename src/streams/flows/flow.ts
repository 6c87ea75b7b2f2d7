/**
 * Typed names for where records come from and where outputs go: topics and tables. Handlers build
 * effects with them; the effects are encoded where the handler ran.
 */
import { refuseWrong, shown } from '../../options/declared.ts'
import { json, type Codec } from './codec.ts'
import type { ColumnType } from './column-types.ts'
import type { Contract } from './contract.ts'
import { problemsOfTable, problemsOfTopic } from './flow-shapes.ts'
import type { RecordHeader } from '../record.ts'
import type { SinkDestination } from '../delivery/sink.ts'

/** A record key as a handler gives it to a topic without a codec for keys: text and numbers are written as UTF-8 text, bytes as they are. */
export type Key = string | number | bigint | Uint8Array | null

export interface RecordOptions<GivenKey = Key> {
  /** No key unless given, and for null. */
  readonly key?: GivenKey
  readonly headers?: readonly RecordHeader[] | Readonly<Record<string, string | Uint8Array | null>>
  /** Chosen by the key (murmur2, as Java does) unless given. */
  readonly partition?: number
  /**
   * Milliseconds since the Unix epoch; the time of writing unless given, and for −1, which a record has that came without
   * one. 0 is refused: the client would write its own time.
   */
  readonly timestamp?: number
}

/** What a key may be where it is written: of the codec's type where the topic has one for keys. */
export type KeyGiven<KeyValue> = [KeyValue] extends [Uint8Array] ? Key : KeyValue | null

/**
 * A typed topic. `Value` includes null when the topic carries tombstones: there null is the tombstone, and a document
 * `null` is refused. On any other topic null is a value as others are, if its codec has one. `Name` is known where it can
 * be inferred: `topic('clicks', { value: json(checkClick) })`, but not `topic<Click>('clicks')`. `KeyValue` is what keys
 * are read as: bytes, unless the topic has a codec for them.
 */
export interface Topic<Value, Name extends string = string, KeyValue = Uint8Array> {
  readonly kind: 'topic'
  readonly name: Name
  /** Decodes and encodes keys that are not null. Absent: they are read as bytes, and written as `Key` says. */
  readonly key: Codec<KeyValue> | undefined
  /** Decodes and encodes values that are not null. */
  readonly value: Codec<Exclude<Value, null>>
  /** Whether a null value is a tombstone for the handler (true) or a broken record (false). */
  readonly tombstones: boolean
  /** What handlers send to it within one checkpoint is the last record of each key. */
  readonly latestPerCheckpoint: boolean
  /** How its values tell their time. Absent: they do not, and the record's timestamp counts. */
  readonly time: TimeOf<Exclude<Value, null>> | undefined
  /** An output: this value to this topic. */
  record(value: Value, options?: RecordOptions<KeyGiven<KeyValue>>): RecordEffect<Value, Name>
}

/** Milliseconds since the Unix epoch, of a decoded value. Written as a method, so that a topic of clicks is one of whatever. */
export type TimeOf<Value> = { of(value: Value): number }['of']

export interface TopicOptions<Value, KeyValue = Uint8Array> {
  /** Records are of one key where their bytes are the same. */
  readonly key?: Codec<KeyValue>
  /** JSON unless given. */
  readonly value?: Codec<Value>
  /**
   * For an output that tells how things stand, such as a total: of the records of one key that a handler sends to it within one
   * checkpoint only the last goes out, and the others never do. Only with exactly-once, and refused at the start otherwise.
   * Records without a key all go out, and so do dead letters.
   */
  readonly latestPerCheckpoint?: boolean
  /**
   * When what a value tells of has happened, in milliseconds since the Unix epoch: `(order) => order.placedAt`. It counts for
   * aggregations, joins and dedup, and for timers and `ttlMs` of handlers that keep state, with `order: 'partition'` and
   * `runOn: 'main'`; elsewhere, and for tombstones, the record's timestamp does, as it does without it. A record whose time
   * is no number of 0 or more fails with TIME_INVALID, and one that does not decode has none: neither moves stream time.
   */
  readonly time?: (value: Value) => number
}

/** One for all records without any, which so need no look. */
export const noRecordOptions: RecordOptions<never> = {}

/** Names a topic and says how its keys and values look. Throws OPTIONS_INVALID. */
export function topic<Value, const Name extends string = string, KeyValue = Uint8Array>(
  name: Name,
  options: TopicOptions<Value, KeyValue> & { readonly tombstones: true },
): Topic<Value | null, Name, KeyValue>
export function topic<Value, const Name extends string = string, KeyValue = Uint8Array>(
  name: Name,
  options?: TopicOptions<Value, KeyValue> & { readonly tombstones?: false },
): Topic<Value, Name, KeyValue>
export function topic<Value, const Name extends string, KeyValue>(
  name: Name,
  options: TopicOptions<Value, KeyValue> & { readonly tombstones?: boolean } = {},
): Topic<Value, Name, KeyValue> {
  refuseWrong(`topic(${shown(name)})`, problemsOfTopic(name, options))
  return {
    kind: 'topic',
    name,
    key: options.key,
    value: (options.value ?? json<Value>()) as unknown as Codec<Exclude<Value, null>>,
    tombstones: options.tombstones ?? false,
    latestPerCheckpoint: options.latestPerCheckpoint ?? false,
    time: options.time,
    record: (value, recordOptions = noRecordOptions) => ({
      type: 'record',
      topic: name,
      value,
      options: recordOptions,
    }),
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

/** A codec as far as writing goes, whatever its values are. */
export interface WritingCodec {
  readonly name: string
  encode(value: never): Uint8Array
  readonly contract?: Contract<unknown>
}

/** A topic as far as writing to it goes, whatever its values are. */
export interface TopicDestination {
  readonly kind: 'topic'
  readonly name: string
  readonly key: WritingCodec | undefined
  readonly value: WritingCodec
  /** A null value is a tombstone. */
  readonly tombstones: boolean
  /** Within one checkpoint the last record of each key is sent. */
  readonly latestPerCheckpoint: boolean
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
  readonly options: RecordOptions<unknown>
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
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- whatever its keys are
  To extends Topic<infer Value, infer Name, any>
    ? RecordEffect<Value, Name>
    : To extends Table<infer Row, infer Name>
      ? RowEffect<Row, Name>
      : Effect
