/**
 * Types without parts, each strict: what it reads is what the bytes say or an error, and what it writes is read again as the
 * same value. They have no state, so one of each serves all schemas of a thread.
 */
import { isUtf8 } from 'node:buffer'
import {
  BooleanType,
  BytesType,
  DoubleType,
  FixedType,
  FloatType,
  IntType,
  LongType,
  NullType,
  StringType,
  type AvroType,
  type CopyOptions,
  type InvalidHook,
  type Resolver,
  type ResolverOptions,
  type Tap,
  type TypeClass,
} from './avsc-inside.ts'
import { readLength } from './limits.ts'
import { isSameName, resolved } from './resolving.ts'

/** A type of avsc that resolves as ours do. */
export function ours<T extends AvroType>(Base: TypeClass<T>): TypeClass<T> {
  const Plain: TypeClass = Base
  class Ours extends Plain {
    override createResolver(writer: AvroType, options: ResolverOptions): Resolver {
      return resolved(this, writer, options, (one) => super.createResolver(one, options))
    }

    /** It is for unions as avsc has them, and dear: compiled code. */
    override _createBranchConstructor(): null {
      return null
    }
  }
  return Ours as unknown as TypeClass<T>
}

/** What is wrong with a value, for people: it completes "price: …". */
export class Unwritable extends Error {
  override readonly name = 'Unwritable'
}

/** A type that says itself why it does not take a value. */
export interface Reasoning extends AvroType {
  /** undefined: it takes it. */
  reasonAgainst(value: unknown): string | undefined
}

export function isReasoning(type: AvroType): type is Reasoning {
  return 'reasonAgainst' in type
}

/** `_check` and the refusal of `_write`, by `reasonAgainst`. */
function strict(
  Base: TypeClass,
  reasonAgainst: (value: unknown, type: AvroType) => string | undefined,
): TypeClass<Reasoning> {
  return class extends ours(Base) implements Reasoning {
    override _check(value: unknown, _flags?: number, hook?: InvalidHook): boolean {
      const fits = reasonAgainst(value, this) === undefined
      if (!fits) hook?.(value, this)
      return fits
    }

    reasonAgainst(value: unknown): string | undefined {
      return reasonAgainst(value, this)
    }

    /** Of a default: here it is what JSON has it as. */
    override _copy(value: unknown): unknown {
      const reason = reasonAgainst(value, this)
      if (reason !== undefined) throw new Unwritable(reason)
      return value
    }

    override _write(tap: Tap, value: unknown): void {
      const reason = reasonAgainst(value, this)
      if (reason !== undefined) throw new Unwritable(reason)
      super._write(tap, value)
    }
  }
}

export class Int extends strict(IntType, (value) => {
  if (typeof value !== 'number') return `${kindOf(value)}, where a number is written`
  return value === (value | 0) ? undefined : `${value} is no integer of 32 bits`
}) {
  override _update(resolver: Resolver, writer: AvroType): void {
    if (writer.typeName === 'int') resolver._read = readInt
  }
}

function readInt(tap: Tap): number {
  const value = tap.readInt()
  if (value !== (value | 0)) throw new RangeError(`an int of more than 32 bits before byte ${tap.pos}`)
  return value
}

class Float extends strict(FloatType, (value) => {
  if (typeof value !== 'number') return `${kindOf(value)}, where a number is written`
  const isTooLarge = Number.isFinite(value) && !Number.isFinite(Math.fround(value))
  return isTooLarge ? `${value} is beyond a float` : undefined
}) {
  override _update(resolver: Resolver, writer: AvroType): void {
    const read = floatReads[writer.typeName]
    if (read !== undefined && writer.typeName !== 'double') resolver._read = read
  }
}

class Double extends strict(DoubleType, (value) =>
  typeof value === 'number' ? undefined : `${kindOf(value)}, where a number is written`,
) {
  override _update(resolver: Resolver, writer: AvroType): void {
    const read = floatReads[writer.typeName]
    if (read !== undefined) resolver._read = read
  }
}

/** By the writer's type. A long becomes the nearest double, as Avro has it. */
const floatReads: Readonly<Record<string, (tap: Tap) => number>> = {
  int: readInt,
  long: (tap) => Number(readBigInt(tap)),
  float: (tap) => tap.readFloat(),
  double: (tap) => tap.readDouble(),
}

const MAX_EXACT = 2n ** 52n
const TWO_28 = 2 ** 28

function readBigInt(tap: Tap): bigint {
  const { buf } = tap
  let low = 0
  let shift = 0
  let byte: number
  do {
    byte = buf[tap.pos++]!
    low |= (byte & 0x7f) << shift
    shift += 7
  } while ((byte & 0x80) !== 0 && shift < 28)
  if ((byte & 0x80) === 0) return BigInt((low >>> 1) ^ -(low & 1))
  let high = 0
  let factor = 1
  do {
    byte = buf[tap.pos++]!
    high += (byte & 0x7f) * factor
    factor *= 128
  } while ((byte & 0x80) !== 0 && factor < 2 ** 42)
  // Ten bytes at most, of which the last has one bit.
  if ((byte & 0x80) !== 0 || high >= 2 ** 36) throw new RangeError(`a long of more than 64 bits before byte ${tap.pos}`)
  if (high < 2 ** 24) {
    const value = high * TWO_28 + low
    return BigInt(low % 2 === 0 ? value / 2 : -(value + 1) / 2)
  }
  const zigzag = (BigInt(high) << 28n) | BigInt(low)
  return (zigzag & 1n) === 0n ? zigzag >> 1n : -((zigzag + 1n) >> 1n)
}

/** Of 64 bits at most. The tap's own way goes by doubled numbers. */
function writeBigInt(tap: Tap, value: bigint): void {
  if (value < MAX_EXACT && value > -MAX_EXACT) {
    tap.writeLong(Number(value))
    return
  }
  let rest = value >= 0n ? value << 1n : (-value << 1n) - 1n
  while (rest > 0x7fn) {
    tap.buf[tap.pos++] = Number(rest & 0x7fn) | 0x80
    rest >>= 7n
  }
  tap.buf[tap.pos++] = Number(rest)
}

/** A 64-bit integer as bigint. */
export class BigLong extends strict(LongType, (value) => {
  if (typeof value === 'number') return `the number ${value}, where a bigint is written: ${suggestedBigInt(value)}`
  if (typeof value !== 'bigint') return `${kindOf(value)}, where a bigint is written`
  return BigInt.asIntN(64, value) === value ? undefined : `${value} is more than 64 bits`
}) {
  override _write(tap: Tap, value: unknown): void {
    if (typeof value !== 'bigint' || BigInt.asIntN(64, value) !== value) {
      throw new Unwritable(this.reasonAgainst(value))
    }
    writeBigInt(tap, value)
  }

  /** Of a default: a JSON number, or a bigint where it is beyond one. */
  override _copy(value: unknown, options?: CopyOptions): unknown {
    if (options?.coerce !== 2) return value
    if (typeof value === 'bigint' || Number.isSafeInteger(value)) return BigInt(value as bigint | number)
    throw new Unwritable(`${String(value)} is no integer that is exact`)
  }

  override _update(resolver: Resolver, writer: AvroType): void {
    if (writer.typeName === 'int') resolver._read = (tap) => BigInt(readInt(tap))
    else if (writer.typeName === 'long') resolver._read = readBigInt
  }
}

function suggestedBigInt(value: number): string {
  return Number.isSafeInteger(value)
    ? `${value}n, or declare longs: 'number'`
    : "avro(…, { longs: 'number' }) takes numbers"
}

/** A 64-bit integer as number, refused where it would be rounded. */
export class NumberLong extends strict(LongType, (value) => {
  if (typeof value !== 'number') return `${kindOf(value)}, where a number is written`
  return Number.isSafeInteger(value) ? undefined : `${value} is no integer that a number holds exactly`
}) {
  override _write(tap: Tap, value: unknown): void {
    if (!Number.isSafeInteger(value)) throw new Unwritable(this.reasonAgainst(value))
    // The tap's own way doubles it, and is exact below half of the safe range.
    const number = value as number
    if (number < 2 ** 52 && number > -(2 ** 52)) tap.writeLong(number)
    else writeBigInt(tap, BigInt(number))
  }

  override _copy(value: unknown, options?: CopyOptions): unknown {
    if (options?.coerce === 2 && !Number.isSafeInteger(value)) {
      throw new Unwritable(`${String(value)} is no integer that a number holds exactly`)
    }
    return value
  }

  override _update(resolver: Resolver, writer: AvroType): void {
    if (writer.typeName === 'int') resolver._read = readInt
    else if (writer.typeName === 'long') resolver._read = readExact
  }
}

function readExact(tap: Tap): number {
  const from = tap.pos
  const value = tap.readLong()
  if (value < 2 ** 52 && value > -(2 ** 52)) return value
  tap.pos = from
  const exact = readBigInt(tap)
  const number = Number(exact)
  if (Number.isSafeInteger(number)) return number
  throw new RangeError(`the long ${exact} is beyond 2^53, where a number is rounded: longs: 'bigint' reads it exactly`)
}

export class Text extends strict(StringType, (value) => {
  if (typeof value !== 'string') return `${kindOf(value)}, where text is written`
  return value.isWellFormed() ? undefined : 'text that is no valid Unicode (half of a surrogate pair)'
}) {
  override _skip(tap: Tap): void {
    skipBytes(tap)
  }

  override _update(resolver: Resolver, writer: AvroType): void {
    // Avro reads bytes as text; those of a decimal are a number.
    const isText = writer.typeName === 'string' || (writer.typeName === 'bytes' && !('logical' in writer))
    if (isText) resolver._read = readText
  }
}

/** Throws where the bytes are not UTF-8: the decoder would put U+FFFD for them and say nothing. */
export function readText(tap: Tap): string {
  const length = readLength(tap)
  const from = tap.pos
  tap.pos = from + length
  const text = tap.buf.toString('utf8', from, tap.pos)
  if (text.includes('\uFFFD') && !isUtf8(tap.buf.subarray(from, tap.pos))) {
    throw new Error(`the text at byte ${from} is not UTF-8`)
  }
  return text
}

export function skipBytes(tap: Tap): void {
  const length = readLength(tap)
  tap.pos += length
}

/** A copy: what is decoded may outlive its record. */
export function readBytes(tap: Tap, length: number): Uint8Array {
  const from = tap.pos
  tap.pos = from + length
  return new Uint8Array(tap.buf.subarray(from, tap.pos))
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

export class Bytes extends strict(BytesType, (value) =>
  value instanceof Uint8Array ? undefined : `${kindOf(value)}, where a Uint8Array is written`,
) {
  override _update(resolver: Resolver, { typeName }: AvroType): void {
    if (typeName === 'string' || typeName === 'bytes') resolver._read = (tap) => this.take(tap, readLength(tap))
  }

  override _skip(tap: Tap): void {
    skipBytes(tap)
  }

  override _copy(value: unknown): Uint8Array {
    return copiedBytes(value)
  }

  take(tap: Tap, length: number): unknown {
    return readBytes(tap, length)
  }

  override _write(tap: Tap, value: unknown): void {
    super._write(tap, value instanceof Uint8Array ? asBuffer(value) : value)
  }
}

/** Of a default: bytes, or text with a character for each byte. */
function copiedBytes(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return new Uint8Array(value)
  if (typeof value === 'string' && /^[\u0000-\u00ff]*$/.test(value)) return new Uint8Array(Buffer.from(value, 'latin1'))
  throw new Unwritable('it has to be text of the characters U+0000 to U+00FF, one for each byte')
}

export class Fixed extends strict(FixedType, (value, type) => {
  if (!(value instanceof Uint8Array)) return `${kindOf(value)}, where a Uint8Array is written`
  return value.length === type.size ? undefined : `${value.length} bytes, where ${type.size} are written`
}) {
  override _update(resolver: Resolver, writer: AvroType, options: ResolverOptions): void {
    const { size } = this
    if (writer.typeName !== 'fixed' || !isSameName(this, writer, options)) return
    if (writer.size !== size) throw new Error(`it has ${writer.size} bytes, and ours ${size}`)
    resolver._read = (tap) => {
      const left = tap.buf.length - tap.pos
      if (size > left) throw new RangeError(`${size} bytes at byte ${tap.pos}, where ${Math.max(left, 0)} are left`)
      return this.take(tap, size)
    }
  }

  override _copy(value: unknown): Uint8Array {
    const bytes = copiedBytes(value)
    if (bytes.length !== this.size) throw new Unwritable(`${bytes.length} bytes, where there are ${this.size}`)
    return bytes
  }

  take(tap: Tap, length: number): unknown {
    return readBytes(tap, length)
  }

  override _write(tap: Tap, value: unknown): void {
    super._write(tap, value instanceof Uint8Array ? asBuffer(value) : value)
  }
}

/** `a bigint`, `null`, `an array`: it completes "price: …". */
export function kindOf(value: unknown): string {
  if (value === undefined) return 'missing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (value instanceof Date) return 'a Date'
  if (typeof value === 'object') return 'an object'
  return typeof value === 'string' ? 'text' : `a ${typeof value}`
}

class Null extends strict(NullType, (value) =>
  value === null ? undefined : `${kindOf(value)}, where null is written`,
) {}
class Bool extends strict(BooleanType, (value) =>
  typeof value === 'boolean' ? undefined : `${kindOf(value)}, where true or false is written`,
) {
  override _update(resolver: Resolver, writer: AvroType): void {
    if (writer.typeName === 'boolean') resolver._read = readBoolean
  }
}

function readBoolean(tap: Tap): boolean {
  const byte = tap.buf[tap.pos++]
  // Nothing is left: whoever asked for the whole value says so.
  if (byte === undefined || byte <= 1) return byte === 1
  throw new RangeError(`${byte} is neither true nor false (before byte ${tap.pos})`)
}

export type Longs = 'bigint' | 'number'

export const longTypes: Readonly<Record<Longs, Reasoning>> = { bigint: new BigLong(), number: new NumberLong() }

const others: Readonly<Record<string, AvroType>> = {
  null: new Null(),
  boolean: new Bool(),
  int: new Int(),
  float: new Float(),
  double: new Double(),
  bytes: new Bytes(),
  string: new Text(),
}

/** By its name. undefined: it is no primitive type. */
export function primitive(name: string, longs: Longs): AvroType | undefined {
  if (name === 'long') return longTypes[longs]
  return Object.hasOwn(others, name) ? others[name] : undefined
}
