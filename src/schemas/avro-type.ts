/** An Avro schema as what it means: names are full, and a type that is named twice is one object. */

export const primitives = ['null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string'] as const
export type PrimitiveKind = (typeof primitives)[number]

/** Attributes that Avro itself gives no meaning, and `logicalType` with its own: in the order they were written. */
export type Attributes = ReadonlyMap<string, unknown>

export interface PrimitiveType {
  readonly kind: PrimitiveKind
  readonly attributes: Attributes
}

interface Named {
  /** With its namespace: `com.acme.Order`. */
  readonly name: string
  /** Full names, too. */
  readonly aliases: readonly string[]
  readonly doc: string | undefined
  readonly attributes: Attributes
}

export interface RecordField {
  readonly name: string
  readonly type: AvroType
  readonly aliases: readonly string[]
  readonly doc: string | undefined
  /** null is a default as well. */
  readonly default: { readonly value: unknown } | undefined
  readonly order: 'ascending' | 'descending' | 'ignore'
  readonly attributes: Attributes
}

export interface RecordType extends Named {
  readonly kind: 'record'
  readonly isError: boolean
  readonly fields: readonly RecordField[]
}

export interface EnumType extends Named {
  readonly kind: 'enum'
  readonly symbols: readonly string[]
  readonly default: string | undefined
}

export interface FixedType extends Named {
  readonly kind: 'fixed'
  readonly size: number
}

export interface ArrayType {
  readonly kind: 'array'
  readonly items: AvroType
  readonly attributes: Attributes
}

export interface MapType {
  readonly kind: 'map'
  readonly values: AvroType
  readonly attributes: Attributes
}

export interface UnionType {
  readonly kind: 'union'
  readonly branches: readonly AvroType[]
}

export type NamedType = RecordType | EnumType | FixedType
export type AvroType = PrimitiveType | NamedType | ArrayType | MapType | UnionType

export function isPrimitive(name: string): name is PrimitiveKind {
  return (primitives as readonly string[]).includes(name)
}

export function isNamed(type: AvroType): type is NamedType {
  return type.kind === 'record' || type.kind === 'enum' || type.kind === 'fixed'
}

/** Empty: it has none. */
export function namespaceOf(fullName: string): string {
  return fullName.slice(0, Math.max(0, fullName.lastIndexOf('.')))
}

export function simpleName(fullName: string): string {
  return fullName.slice(fullName.lastIndexOf('.') + 1)
}
