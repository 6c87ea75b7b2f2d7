/**
 * The type of the values that an `as const` schema describes. It follows type-mapping.ts, and names as Avro does:
 * a name without a namespace is of the namespace it stands in.
 */
import type { logicalTypes, LogicalName, primitiveTypes, PrimitiveName, TypeOfWord } from './type-mapping.ts'

/** What a schema looks like, as far as `Infer` reads it. */
export type AvroSchema = SchemaName | SchemaObject | readonly AvroSchema[]

/** Primitive types, or the full name of another schema. */
type SchemaName = string

export interface SchemaObject {
  // Words, not any text: of a schema whose `type` is known as text only, nothing can be inferred.
  readonly type:
    PrimitiveName | 'record' | 'error' | 'enum' | 'fixed' | 'array' | 'map' | SchemaObject | readonly AvroSchema[]
  readonly name?: string
  readonly namespace?: string
  readonly doc?: string
  readonly aliases?: readonly string[]
  readonly fields?: readonly SchemaField[]
  readonly symbols?: readonly string[]
  readonly items?: AvroSchema
  readonly values?: AvroSchema
  readonly size?: number
  readonly logicalType?: string
  readonly precision?: number
  readonly scale?: number
  readonly default?: unknown
}

export interface SchemaField {
  readonly name: string
  readonly type: AvroSchema
  readonly doc?: string
  readonly aliases?: readonly string[]
  readonly default?: unknown
  readonly order?: string
}

/** Of a schema whose parts are known to the compiler. `References`: schemas that it names without defining them. */
export type Infer<Schema, References extends readonly unknown[] = readonly [], Long = bigint> =
  IsAny<Schema> extends true ? unknown : ValueOf<Schema, '', Named<Schema, ''> | Named<References[number], ''>, Long>

type IsAny<Type> = 0 extends 1 & Type ? true : false

/** A definition, under its full name. */
interface Definition {
  readonly full: string
  readonly schema: unknown
  readonly namespace: string
}

// Own names first: those of arrays are readonly, so that schemas `as const` match.
type ValueOf<Schema, Namespace extends string, Known extends Definition, Long> = Schema extends readonly unknown[]
  ? UnionValue<Schema, Namespace, Known, Long>
  : Schema extends string
    ? NamedValue<Schema, Namespace, Known, Long>
    : Schema extends { readonly type: infer Type }
      ? ObjectValue<Schema, Type, Namespace, Known, Long>
      : never

type NamedValue<
  Name extends string,
  Namespace extends string,
  Known extends Definition,
  Long,
> = Name extends PrimitiveName
  ? TypeOfWord<Long>[(typeof primitiveTypes)[Name]]
  : DefinedValue<Extract<Known, { readonly full: FullName<Name, Namespace> }>, Known, Long>

type DefinedValue<Found extends Definition, Known extends Definition, Long> = [Found] extends [never]
  ? unknown
  : ComplexValue<Found['schema'], Found['namespace'], Known, Long>

type ObjectValue<Schema, Type, Namespace extends string, Known extends Definition, Long> = Type extends
  PrimitiveName | 'fixed'
  ? LogicalValue<Schema, Type, Long>
  : Type extends 'record' | 'error' | 'enum' | 'array' | 'map'
    ? ComplexValue<Schema, NamespaceWithin<Schema, Namespace>, Known, Long>
    : ValueOf<Type, Namespace, Known, Long>

type LogicalValue<Schema, Type extends PrimitiveName | 'fixed', Long> = Schema extends {
  readonly logicalType: infer Logical extends LogicalName
}
  ? Type extends (typeof logicalTypes)[Logical]['on'][number]
    ? [Type, Logical, Schema] extends
        | ['fixed', 'uuid', { readonly size: 16 }]
        | ['fixed', 'duration', { readonly size: 12 }]
        | ['fixed', 'decimal', unknown]
        | [PrimitiveName, LogicalName, unknown]
      ? TypeOfWord<Long>[(typeof logicalTypes)[Logical]['is']]
      : BelowValue<Type, Long>
    : BelowValue<Type, Long>
  : BelowValue<Type, Long>

type BelowValue<Type extends PrimitiveName | 'fixed', Long> = Type extends PrimitiveName
  ? TypeOfWord<Long>[(typeof primitiveTypes)[Type]]
  : Uint8Array

type ComplexValue<Schema, Namespace extends string, Known extends Definition, Long> = Schema extends {
  readonly fields: infer Fields extends readonly { readonly name: string; readonly type: unknown }[]
}
  ? { [Field in Fields[number] as Field['name']]: ValueOf<Field['type'], Namespace, Known, Long> }
  : Schema extends { readonly symbols: infer Symbols extends readonly string[] }
    ? Symbols[number]
    : Schema extends { readonly items: infer Items }
      ? ValueOf<Items, Namespace, Known, Long>[]
      : Schema extends { readonly values: infer Values }
        ? Record<string, ValueOf<Values, Namespace, Known, Long>>
        : Schema extends { readonly type: 'fixed' }
          ? LogicalValue<Schema, 'fixed', Long>
          : never

/** `[null, X]` in either order is `X | null`; of every other union each value is keyed by the name of its branch. */
type UnionValue<
  Branches extends readonly unknown[],
  Namespace extends string,
  Known extends Definition,
  Long,
> = Branches extends readonly [IsNull, infer Other]
  ? ValueOf<Other, Namespace, Known, Long> | null
  : Branches extends readonly [infer Other, IsNull]
    ? ValueOf<Other, Namespace, Known, Long> | null
    : KeyedValue<Branches[number], Namespace, Known, Long>

type IsNull = 'null' | { readonly type: 'null' }

type KeyedValue<Branch, Namespace extends string, Known extends Definition, Long> = Branch extends IsNull
  ? null
  : { [Name in BranchName<Branch, Namespace>]: ValueOf<Branch, Namespace, Known, Long> }

/** The full name of what has one, else the word of its type. */
type BranchName<Branch, Namespace extends string> = Branch extends string
  ? Branch extends PrimitiveName
    ? Branch
    : FullName<Branch, Namespace>
  : Branch extends { readonly name: string }
    ? FullNameOf<Branch, Namespace>
    : Branch extends { readonly type: infer Type }
      ? Type extends 'array' | 'map'
        ? Type
        : BranchName<Type, Namespace>
      : never

type FullName<Name extends string, Namespace extends string> = Name extends `.${infer Bare}`
  ? Bare
  : Name extends `${string}.${string}`
    ? Name
    : Namespace extends ''
      ? Name
      : `${Namespace}.${Name}`

type FullNameOf<Schema, Namespace extends string> = Schema extends { readonly name: infer Name extends string }
  ? FullName<Name, Schema extends { readonly namespace: infer Own extends string } ? Own : Namespace>
  : never

/** That which names within this schema are of. */
type NamespaceWithin<Schema, Namespace extends string> = Schema extends { readonly name: string }
  ? NamespaceOf<FullNameOf<Schema, Namespace>>
  : Namespace

type NamespaceOf<Full extends string> = Full extends `${infer Head}.${infer Tail}`
  ? Tail extends `${string}.${string}`
    ? `${Head}.${NamespaceOf<Tail>}`
    : Head
  : ''

/** All that a schema defines, with what is in it. */
type Named<Schema, Namespace extends string> = Schema extends readonly unknown[]
  ? Named<Schema[number], Namespace>
  : Schema extends { readonly type: unknown }
    ? | (Schema extends { readonly name: string } ? DefinitionOf<Schema, Namespace> : never)
      | NamedWithin<Schema, NamespaceWithin<Schema, Namespace>>
    : never

interface DefinitionOf<Schema, Namespace extends string> {
  readonly full: FullNameOf<Schema, Namespace>
  readonly schema: Schema
  readonly namespace: NamespaceWithin<Schema, Namespace>
}

type NamedWithin<Schema, Namespace extends string> =
  | (Schema extends { readonly fields: readonly (infer Field)[] }
      ? Field extends { readonly type: infer Type }
        ? Named<Type, Namespace>
        : never
      : never)
  | (Schema extends { readonly items: infer Items } ? Named<Items, Namespace> : never)
  | (Schema extends { readonly values: infer Values } ? Named<Values, Namespace> : never)
  | (Schema extends { readonly type: infer Type extends object } ? Named<Type, Namespace> : never)
