/** Schemas as types that read and write: ours, and those of others. Each is parsed with options of its own: names are kept in them. */
import { isObject } from '../../options/declared.ts'
import { forSchema, type AvroType, type ParseOptions, type TypeClass } from './avsc-inside.ts'
import { logicalType } from './logical.ts'
import { Dictionary, Enum, Keyed, List, Nullable, OwnRecord, ProjectedRecord, WriterRecord } from './parts.ts'
import { Fixed, primitive, type Longs } from './primitives.ts'
import { bareBranch, logicalTypeOf, type LogicalAttributes } from './type-mapping.ts'

/** A schema as parsed JSON. */
export type SchemaJson = unknown

interface Kind {
  readonly longs: Longs
  readonly Record: TypeClass
}

/** Types by their full names; what is parsed finds names there, and leaves its own. */
export type TypeRegistry = Record<string, AvroType>

/** The app's own. Throws avsc's error. */
export function ownType(schema: SchemaJson, known: TypeRegistry, longs: Longs): AvroType {
  return typeOf(schema, known, { longs, Record: OwnRecord })
}

/** Of others: to be read as ours. `references` come before who refers to them. */
export function writerType(schema: SchemaJson, references: readonly SchemaJson[]): AvroType {
  const kind: Kind = { longs: 'bigint', Record: WriterRecord }
  const known: TypeRegistry = {}
  for (const reference of references) typeOf(withoutExtras(reference), known, kind)
  return typeOf(withoutExtras(schema), known, kind)
}

/** A record of some fields of another, whose types are taken as they are. */
export function projectedType(type: AvroType, fields: readonly object[], longs: Longs): AvroType {
  const { aliases, name, typeName } = type
  return typeOf({ type: typeName, name, aliases, fields }, {}, { longs, Record: ProjectedRecord })
}

function typeOf(schema: SchemaJson, registry: TypeRegistry, kind: Kind): AvroType {
  const options: ParseOptions = { typeHook: (part, given) => typeOfPart(part, given, kind), registry }
  return forSchema(schema, options)
}

/** undefined: a name, which avsc looks up. */
function typeOfPart(schema: unknown, options: ParseOptions, kind: Kind): AvroType | undefined {
  if (typeof schema === 'string') return primitive(schema, kind.longs)
  if (Array.isArray(schema)) {
    return bareBranch(schema) === undefined ? new Keyed(schema, options) : new Nullable(schema, options)
  }
  if (typeof schema !== 'object' || schema === null) return undefined
  const { type } = schema as LogicalAttributes
  const logical = logicalTypeOf(schema)
  if (logical !== undefined) return logicalType(logical, schema, kind.longs, options)
  switch (type) {
    case 'record':
    case 'error':
      return new kind.Record(schema, options)
    case 'enum':
      return new Enum(schema, options)
    case 'fixed':
      return new Fixed(schema, options)
    case 'array':
      return new List(schema, options)
    case 'map':
      return new Dictionary(schema, options)
    default:
      // `{ type: { type: … } }`, or a name: other implementations write it, and avsc does not take it.
      return forSchema(type, options)
  }
}

/**
 * Without what does not matter for reading what a schema wrote, and may be wrong in it: registries hold schemas with defaults
 * that are none. Names of fields that every object has are changed, since avsc would find them in any: none of ours is called so.
 */
function withoutExtras(schema: SchemaJson): SchemaJson {
  return withFields(schema, ({ name, type }) => {
    return { name: isInEveryObject(name) ? `${String(name)}_of_the_writer` : name, type }
  })
}

export function withoutDefaults(schema: SchemaJson): SchemaJson {
  return withFields(schema, ({ default: _default, ...field }) => field)
}

type Field = Readonly<Record<string, unknown>>

/** A copy, each field as `change` has it. */
function withFields(schema: SchemaJson, change: (field: Field) => Field): SchemaJson {
  const copy = (part: SchemaJson): SchemaJson => {
    if (Array.isArray(part)) return part.map(copy)
    if (!isObject(part)) return part
    const { fields, items, type, values, ...rest } = part
    return {
      ...rest,
      type: copy(type),
      ...(items === undefined ? {} : { items: copy(items) }),
      ...(values === undefined ? {} : { values: copy(values) }),
      ...(Array.isArray(fields) ? { fields: fields.map((field) => copyField(field)) } : {}),
    }
  }
  const copyField = (field: unknown): unknown => {
    if (!isObject(field)) return field
    const changed = change(field)
    return { ...changed, type: copy(changed['type']) }
  }
  return copy(schema)
}

export function isInEveryObject(name: unknown): boolean {
  return typeof name === 'string' && name in Object.prototype
}
