/**
 * Logical types: how the values of the type below are shown. A schema that is read as another is resolved by the types below;
 * two logical types that differ are refused, since one count would be read in the unit of the other.
 */
import type {
  AvroType,
  CopyOptions,
  InvalidHook,
  Resolver,
  ResolverOptions,
  Tap,
  TypeClass,
  ParseOptions,
} from './avsc-inside.ts'
import { dayText, daysOf, localCount, localText } from './calendar.ts'
import { bytesOf, decimalText, smallUnscaledOf, unscaledOfText } from './decimals.ts'
import {
  BigLong,
  Bytes,
  Fixed,
  Int,
  kindOf,
  NumberLong,
  readBytes,
  longTypes,
  Text,
  Unwritable,
  type Longs,
  type Reasoning,
} from './primitives.ts'
import type { AvroDuration, LogicalAttributes, LogicalName } from './type-mapping.ts'

/** Raw: as the type below has it. */
interface View<Raw = unknown, Shown = unknown> {
  readonly name: LogicalName
  /** Throws for what cannot be shown. */
  show(raw: Raw): Shown
  /** Throws Unwritable, which says why. `shown` may be anything. */
  raw(shown: unknown): Raw
  /** In place of `show`, of bytes: without a copy of them. */
  take?(tap: Tap, length: number): Shown
  /** In place of `raw`, where it is faster. Returns false where it is not. */
  put?(tap: Tap, shown: unknown): boolean
  /** Of a default, which is handed out many times. */
  clone?(shown: Shown): Shown
  /** Whether values of this writer's type of the same name mean the same. */
  reads?(writer: LogicalAttributes): boolean
}

/** A type with a logical type that counts. */
interface Viewed extends AvroType {
  readonly logical: LogicalAttributes
}

function isViewed(type: AvroType): type is Viewed {
  return 'logical' in type
}

function viewed(Base: TypeClass, logical: LogicalAttributes, view: View): TypeClass {
  return class extends Base implements Viewed, Reasoning {
    get logical(): LogicalAttributes {
      return logical
    }

    override _write(tap: Tap, value: unknown): void {
      if (view.put?.(tap, value) !== true) super._write(tap, view.raw(value))
    }

    /** Bytes ask for it. */
    take(tap: Tap, length: number): unknown {
      return view.take!(tap, length)
    }

    override _check(value: unknown, _flags?: number, hook?: InvalidHook): boolean {
      const fits = this.reasonAgainst(value) === undefined
      if (!fits) hook?.(value, this)
      return fits
    }

    reasonAgainst(value: unknown): string | undefined {
      try {
        view.raw(value)
        return undefined
      } catch (error) {
        return (error as Error).message
      }
    }

    override _copy(value: unknown, options?: CopyOptions): unknown {
      if (options?.coerce === 2) return view.show(super._copy(value, options))
      return view.clone === undefined ? value : view.clone(value)
    }

    override _update(resolver: Resolver, writer: AvroType, options: ResolverOptions): void {
      if (isViewed(writer) && !readsView(view, writer.logical)) {
        throw new Error('the two count in other units, or have other digits')
      }
      // Avro reads text as bytes; these are a number.
      if (view.name === 'decimal' && writer.typeName === 'string') throw new Error('text is none of its bytes')
      super._update(resolver, writer, options)
      const read = resolver._read
      if (read !== null && view.take === undefined) resolver._read = (tap) => view.show(read(tap))
    }
  }
}

function readsView(view: View, writer: LogicalAttributes): boolean {
  return writer.logicalType === view.name && (view.reads?.(writer) ?? true)
}

const MAX_DATE_MS = 8.64e15
const MAX_INT = 2 ** 31

const date: View<number, string> = {
  name: 'date',
  show: dayText,
  raw(shown) {
    const days = typeof shown === 'string' ? daysOf(shown) : undefined
    if (days !== undefined && days >= -MAX_INT && days < MAX_INT) return days
    throw new Unwritable(`${what(shown)}, where a day such as "2026-11-30" is written`)
  },
}

const timestampMillis: View<number, Date> = {
  name: 'timestamp-millis',
  show(raw) {
    if (raw > MAX_DATE_MS || raw < -MAX_DATE_MS) throw new RangeError(`the time ${raw} is beyond what a Date holds`)
    return new Date(raw)
  },
  raw(shown) {
    if (!(shown instanceof Date)) throw new Unwritable(`${kindOf(shown)}, where a Date is written`)
    const time = shown.getTime()
    if (Number.isNaN(time)) throw new Unwritable('an invalid Date')
    return time
  },
  clone: (shown) => new Date(shown),
}

const timeMillis: View<number, number> = {
  name: 'time-millis',
  show: (raw) => raw,
  raw(shown) {
    if (typeof shown === 'number' && Number.isInteger(shown) && shown >= 0 && shown < 86_400_000) return shown
    throw new Unwritable(`${what(shown)}, where milliseconds since midnight are written, 0 to 86399999`)
  },
}

function timeMicros(longs: Longs): View<bigint | number> {
  return {
    name: 'time-micros',
    show: (raw) => raw,
    raw(shown) {
      const isLong = longs === 'bigint' ? typeof shown === 'bigint' : Number.isInteger(shown)
      if (isLong && (shown as bigint) >= 0n && (shown as bigint) < 86_400_000_000n) return shown as bigint
      throw new Unwritable(
        `${what(shown)}, where microseconds since midnight are written, as a ${longs}, 0 to 86399999999`,
      )
    },
  }
}

/** As the type below has it, but told from others. */
function plain(name: LogicalName, below: Reasoning): View {
  return {
    name,
    show: (raw) => raw,
    raw(shown) {
      const reason = below.reasonAgainst(shown)
      if (reason !== undefined) throw new Unwritable(reason)
      return shown
    },
  }
}

function local(name: LogicalName, places: 3 | 6 | 9): View<bigint, string> {
  const example = localText(1_796_040_000n * 10n ** BigInt(places), places)
  return {
    name,
    show: (raw) => localText(raw, places),
    raw(shown) {
      const count = typeof shown === 'string' ? localCount(shown, places) : undefined
      if (count !== undefined && BigInt.asIntN(64, count) === count) return count
      throw new Unwritable(`${what(shown)}, where a time such as "${example}" is written`)
    },
  }
}

function decimal({ precision, scale = 0, size }: LogicalAttributes): View<Uint8Array, string> {
  const [digits, behind] = [precision as number, scale as number]
  const textOf = (bytes: Buffer, from: number, to: number): string => {
    const text = decimalText(bytes, from, to, digits, behind)
    if (text !== undefined) return text
    throw new RangeError(`a decimal of ${to - from} bytes, where ${digits} digits are its precision`)
  }
  return {
    name: 'decimal',
    // Of a default.
    show: (raw) => textOf(Buffer.from(raw), 0, raw.length),
    take(tap, length) {
      const from = tap.pos
      tap.pos = from + length
      return textOf(tap.buf, from, tap.pos)
    },
    put(tap, shown) {
      if (size !== undefined || typeof shown !== 'string') return false
      const value = smallUnscaledOf(shown, digits, behind)
      if (value === undefined) return false
      writeSmall(tap, value)
      return true
    },
    raw(shown) {
      if (typeof shown !== 'string')
        throw new Unwritable(`${kindOf(shown)}, where a decimal as text is written, such as "12.30"`)
      const unscaled = unscaledOfText(shown, digits, behind)
      if (typeof unscaled === 'string') throw new Unwritable(unscaled)
      return bytesOf(unscaled.value, size as number | undefined)
    },
    // More digits in front are room; another scale moves the point.
    reads: (writer) => (writer.scale ?? 0) === behind && (writer.precision as number) <= digits,
  }
}

/** Two's complement in as few bytes as it takes, behind their count. */
function writeSmall(tap: Tap, value: number): void {
  let size = 1
  let half = 0x80
  while (value >= half || value < -half) {
    size += 1
    half *= 256
  }
  tap.writeInt(size)
  let rest = value < 0 ? value + 2 * half : value
  for (let at = tap.pos + size - 1; at >= tap.pos; at -= 1) {
    tap.buf[at] = rest % 256
    rest = Math.floor(rest / 256)
  }
  tap.pos += size
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

function uuidText(shown: unknown): string {
  if (typeof shown === 'string' && UUID.test(shown)) return shown
  throw new Unwritable(`${what(shown)}, where a UUID is written`)
}

const uuid: View<string, string> = { name: 'uuid', show: (raw) => raw, raw: uuidText }

const uuidOfBytes: View<Uint8Array, string> = {
  name: 'uuid',
  take(tap, length) {
    return this.show(readBytes(tap, length))
  },
  show(raw) {
    const hex = Buffer.from(raw).toString('hex')
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
  },
  raw: (shown) => Buffer.from(uuidText(shown).replaceAll('-', ''), 'hex'),
}

const duration: View<Uint8Array, AvroDuration> = {
  name: 'duration',
  take(tap, length) {
    return this.show(readBytes(tap, length))
  },
  show(raw) {
    const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength)
    const [months, days, milliseconds] = [view.getUint32(0, true), view.getUint32(4, true), view.getUint32(8, true)]
    return { months, days, milliseconds }
  },
  raw(shown) {
    const { days, milliseconds, months } = (shown ?? {}) as Partial<AvroDuration>
    const parts = [months, days, milliseconds]
    if (!parts.every(isUint32)) {
      throw new Unwritable(`${kindOf(shown)}, where { months, days, milliseconds } is written, each 0 to 4294967295`)
    }
    const bytes = new DataView(new ArrayBuffer(12))
    parts.forEach((part, index) => bytes.setUint32(4 * index, part, true))
    return new Uint8Array(bytes.buffer)
  },
  clone: (shown) => ({ ...shown }),
}

function isUint32(value: unknown): value is number {
  return typeof value === 'number' && value >>> 0 === value
}

/** A short value itself, else what it is. */
function what(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 40))
  return typeof value === 'number' || typeof value === 'bigint' ? String(value) : kindOf(value)
}

/** The view and the class below it. Timestamps go by numbers: those of a Date are all exact. */
function viewOf(name: LogicalName, schema: LogicalAttributes, longs: Longs): readonly [TypeClass, View] {
  const LongClass: TypeClass = longs === 'bigint' ? BigLong : NumberLong
  switch (name) {
    case 'date':
      return [Int, date]
    case 'time-millis':
      return [Int, timeMillis]
    case 'time-micros':
      return [LongClass, timeMicros(longs)]
    case 'timestamp-millis':
      return [NumberLong, timestampMillis]
    case 'timestamp-micros':
    case 'timestamp-nanos':
      return [LongClass, plain(name, longTypes[longs])]
    case 'local-timestamp-millis':
      return [BigLong, local(name, 3)]
    case 'local-timestamp-micros':
      return [BigLong, local(name, 6)]
    case 'local-timestamp-nanos':
      return [BigLong, local(name, 9)]
    case 'decimal':
      return [schema.type === 'fixed' ? Fixed : Bytes, decimal(schema)]
    case 'uuid':
      return schema.type === 'fixed' ? [Fixed, uuidOfBytes] : [Text, uuid]
    case 'duration':
      return [Fixed, duration]
  }
}

// Of types without names: compiling none twice. Decimals differ by two small numbers; beyond some hundreds it is made anew.
const MAX_SHARED = 500
const shared = new Map<string, AvroType>()

/** The type of a schema whose logical type counts. */
export function logicalType(
  name: LogicalName,
  schema: LogicalAttributes,
  longs: Longs,
  options: ParseOptions,
): AvroType {
  const attributes = pick(schema)
  const key = JSON.stringify([attributes, longs])
  const known = schema.type === 'fixed' ? undefined : shared.get(key)
  if (known !== undefined) return known
  const [Base, view] = viewOf(name, schema, longs)
  const type = new (viewed(Base, attributes, view))(schema, options)
  if (schema.type !== 'fixed' && shared.size < MAX_SHARED) shared.set(key, type)
  return type
}

function pick({ logicalType, precision, scale, size, type }: LogicalAttributes): LogicalAttributes {
  return { type, logicalType, precision, scale, size }
}
