/**
 * The parts of avsc that its typings leave out, typed: its types are made to be replaced one by one (`typeHook`), but what
 * a type of one's own has to implement is told by its sources only. Whoever moves to another version of avsc looks here.
 *
 * avsc parses schemas, compiles the readers and writers of records, and walks values that are refused. The leaves are ours:
 * its tap believes every length and count that the bytes name.
 */
import { createRequire } from 'node:module'
import type Avsc from 'avsc'
import { TroupeError } from '../../errors.ts'

const avsc = loadAvsc()

/** An optional package: whoever lacks it reads what to do, and not which file of ours asks for it. */
function loadAvsc(): typeof Avsc {
  try {
    return createRequire(import.meta.url)('avsc') as typeof Avsc
  } catch (cause) {
    throw new TroupeError('OPTIONS_INVALID', 'troupe/avro needs the package avsc: run `npm install avsc`', { cause })
  }
}

/** Where bytes are read and written. Reads and writes beyond its end do nothing; who made it looks at `pos` when all is done. */
export interface Tap {
  readonly buf: Buffer
  pos: number
  readBoolean(): boolean
  readInt(): number
  readLong(): number
  readFloat(): number
  readDouble(): number
  skipLong(): void
  writeInt(value: number): void
  writeLong(value: number): void
  writeFloat(value: number): void
  writeString(value: string): void
  writeFixed(value: Buffer, length: number): void
}

export type Read = (tap: Tap) => unknown
export type Write = (tap: Tap, value: unknown) => void

export interface Resolver {
  readonly _readerType: AvroType
  /** Of a recursive schema null until the whole is resolved. */
  _read: Read | null
  itemsType: Resolver | null
  valuesType: Resolver | null
  size: number
}

export interface ResolverOptions {
  /** Of records that are resolved or being resolved, so that recursion ends. */
  registry: Record<string, Resolver>
  /** As Avro has it: the names of two schemas have to be alike without their namespaces. */
  ignoreNamespaces: boolean
  /** Ours: what cannot be read, by reader and writer. It may be come to by many ways. */
  readonly failures: Map<AvroType, Map<AvroType, Error>>
}

/** What a default is copied from: JSON, or (nothing given) another value. */
export interface CopyOptions {
  readonly coerce?: number
  readonly wrap?: number
}

/** Told of each value that does not fit. */
export type InvalidHook = (value: unknown, type: AvroType) => void

export interface AvroField {
  readonly name: string
  readonly type: AvroType
  readonly aliases: readonly string[]
  defaultValue(): unknown
}

export interface AvroType {
  readonly typeName: string
  /** Its full name. undefined: a type that has none. */
  readonly name: string | undefined
  readonly aliases: readonly string[] | undefined
  /** By which a union knows it. */
  readonly branchName: string | undefined
  readonly fields: readonly AvroField[]
  readonly types: readonly AvroType[]
  readonly itemsType: AvroType
  readonly valuesType: AvroType
  readonly symbols: readonly string[]
  readonly size: number
  readonly default: string | undefined

  createResolver(writer: AvroType, options: ResolverOptions): Resolver
  /** `offset` -1: the bytes ended before the value did. */
  decode(bytes: Buffer, from: number, resolver: Resolver): { value: unknown; offset: number }
  /** The end of what was written; below 0: so many bytes are missing. */
  encode(value: unknown, into: Buffer, at: number): number
  isValid(value: unknown, options: { errorHook(path: string[], value: unknown, type: AvroType): void }): boolean

  _read(tap: Tap): unknown
  _peek(tap: Tap): unknown
  _skip(tap: Tap): void
  _write(tap: Tap, value: unknown): void
  _check(value: unknown, flags?: number, hook?: InvalidHook, path?: string[]): boolean
  _copy(value: unknown, options?: CopyOptions): unknown
  /** Sets `_read` of the resolver where this can read what `writer` wrote. */
  _update(resolver: Resolver, writer: AvroType, options: ResolverOptions): void
  _createBranchConstructor(): unknown
}

export interface AvroRecord extends AvroType {
  readonly recordConstructor: unknown
  _createConstructor(): unknown
  _createReader(): Read
  _createSkipper(): (tap: Tap) => void
  _createWriter(): Write
  _getConstructorName(): string
}

export interface AvroUnion extends AvroType {
  readonly _branchIndices: Readonly<Record<string, number>>
}

export interface AvroEnum extends AvroType {
  readonly _indices: Readonly<Record<string, number>>
}

/** Handed from type to type while a schema is parsed; they keep names and namespace in it. */
export interface ParseOptions {
  readonly typeHook: (schema: unknown, options: ParseOptions) => AvroType | undefined
  readonly registry: Record<string, AvroType>
  namespace?: string
}

export type TypeClass<T extends AvroType = AvroType> = new (schema?: object, options?: ParseOptions) => T

const builtins = avsc.types as unknown as {
  readonly [Name in 'NullType' | 'BooleanType' | 'IntType' | 'LongType' | 'FloatType' | 'DoubleType']: TypeClass
} & {
  readonly [Name in 'StringType' | 'BytesType' | 'FixedType' | 'ArrayType' | 'MapType']: TypeClass
} & {
  readonly EnumType: TypeClass<AvroEnum>
  readonly RecordType: TypeClass<AvroRecord>
  readonly UnwrappedUnionType: TypeClass<AvroUnion>
  readonly WrappedUnionType: TypeClass<AvroUnion>
}

export const {
  ArrayType,
  BooleanType,
  BytesType,
  DoubleType,
  EnumType,
  FixedType,
  FloatType,
  IntType,
  LongType,
  MapType,
  NullType,
  RecordType,
  StringType,
  UnwrappedUnionType,
  WrappedUnionType,
} = builtins

export function isUnion(type: AvroType): boolean {
  return type.typeName.startsWith('union:')
}

/** Throws avsc's own error at the first thing that is wrong. */
export function forSchema(schema: unknown, options: ParseOptions): AvroType {
  const { Type } = avsc as unknown as { Type: { forSchema(schema: unknown, options: ParseOptions): AvroType } }
  return Type.forSchema(schema, options)
}
