/** Turns what a handler sends into bytes, where the handler runs. */
import { TroupeError } from '../../errors.ts'
import { isObject, shown, unknownKeys } from '../../options/declared.ts'
import { boundCodec, type KnownSchemas } from './contract.ts'
import {
  noRecordOptions,
  type ColumnValue,
  type Destination,
  type RecordEffect,
  type RecordOptions,
  type RowEffect,
  type TopicDestination,
  type WritingCodec,
} from './flow.ts'
import { JsonWriter, jsonText } from './json-writer.ts'
import { utf8Bytes, wellFormed } from './unicode.ts'
import type { OutputRecord, RecordHeader } from '../record.ts'
import type { EncodedRow, SinkDestination } from '../delivery/sink.ts'

export type EncodedEffect =
  | { readonly type: 'record'; readonly record: OutputRecord; readonly lastOf?: string }
  | { readonly type: 'row'; readonly sink: string; readonly row: EncodedRow }

/** Turns effects into bytes, for the destinations a handler declares. Throws ENCODE_FAILED naming the destination. */
export class EffectEncoder {
  readonly #topics = new Map<string, BoundTopic>()
  readonly #tables = new Map<string, SinkDestination>()

  /** Throws SCHEMA_REGISTRY_MISSING where a destination needs `schemas` and there are none. */
  constructor(destinations: readonly Destination[], schemas?: KnownSchemas) {
    for (const destination of destinations) {
      if (destination.kind === 'topic') this.#topics.set(destination.name, boundTopic(destination, schemas))
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
      value = effect.value === null && target.tombstones ? null : bytesFrom(target.value.encode(effect.value as never))
    } catch (error) {
      throw new TroupeError(
        'ENCODE_FAILED',
        `the value for topic ${effect.topic} could not be encoded as ${target.value.name}`,
        { cause: error },
      )
    }
    try {
      return { type: 'record', record: recordOf(effect.topic, value, effect.options, target.key) }
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

interface BoundTopic {
  readonly key: WritingCodec | undefined
  readonly value: WritingCodec
  readonly tombstones: boolean
}

function boundTopic({ key, name, tombstones, value }: TopicDestination, schemas: KnownSchemas | undefined): BoundTopic {
  return {
    key: key === undefined ? undefined : boundCodec(key, { topic: name, part: 'key' }, schemas),
    value: boundCodec(value, { topic: name, part: 'value' }, schemas),
    tombstones,
  }
}

function recordOf(
  topic: string,
  value: Uint8Array | null,
  options: RecordOptions<unknown>,
  keyCodec: WritingCodec | undefined,
): OutputRecord {
  if (!isObject(options)) {
    throw new TypeError(`the options of a record are an object, such as { key }, and got ${shown(options)}`)
  }
  const { key, headers, partition, timestamp } = options
  const record: { -readonly [Name in keyof OutputRecord]: OutputRecord[Name] } = {
    topic,
    key: keyBytes(keyCodec, key),
    value,
  }
  if (headers !== undefined) record.headers = encodeHeaders(headers)
  if (partition !== undefined) record.partition = natural('partition', partition)
  if (timestamp !== undefined && timestamp !== NO_TIME) record.timestamp = timeFrom(timestamp)
  // A look at the names costs as much as all the rest, so only where nothing was understood: `{ keys: 'a' }`.
  const isEmpty = key === undefined && headers === undefined && partition === undefined && timestamp === undefined
  if (isEmpty && options !== noRecordOptions) refuseMisspelt(options)
  return record
}

const recordOptionNames = ['key', 'headers', 'partition', 'timestamp']

function refuseMisspelt(options: object): void {
  const problems = unknownKeys(options, recordOptionNames, 'there are key, headers, partition and timestamp')
  if (problems.length > 0) throw new TypeError(problems.join('; '))
}

/** As a record's key is written, with the topic's codec for keys where it has one. Throws a TypeError for what is no key. */
export function keyBytes(codec: WritingCodec | undefined, key: unknown): Uint8Array | null {
  return codec === undefined ? encodeKey(key) : encodeKeyAs(codec, key)
}

function encodeKeyAs(codec: WritingCodec, key: unknown): Uint8Array | null {
  if (key === undefined || key === null) return null
  try {
    return bytesFrom(codec.encode(key as never))
  } catch (error) {
    throw new TypeError(`the key could not be encoded as ${codec.name}`, { cause: error })
  }
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
