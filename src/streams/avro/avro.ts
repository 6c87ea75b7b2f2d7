/** Public: `troupe/avro`. Values of an Avro schema whose versions a schema registry keeps. */
import type { Codec } from '../flows/codec.ts'
import type { Contract, KnownSchemas, Place, SubjectSchema } from '../flows/contract.ts'
import { BoundAvro } from './bound-avro.ts'
import { declared, type Declaration, type SubjectStrategy } from './declaration.ts'
import type { AvroSchema, Infer } from './infer.ts'

export type { AvroSchema, Infer } from './infer.ts'
export type { SubjectStrategy } from './declaration.ts'
export type { AvroDuration } from './type-mapping.ts'

/** Schemas that the schema names without defining them, as it is given itself. Their order does not matter. */
type References = readonly unknown[]

export interface AvroOptions<
  Field extends string = string,
  Longs extends 'bigint' | 'number' = 'bigint' | 'number',
  Referenced extends References = References,
> {
  /** Reads only these fields of the record, which is faster. Such a codec cannot write. */
  readonly fields?: readonly Field[]
  /** `bigint` unless given. `number`: a long that a number would round is refused, read or written. */
  readonly longs?: Longs
  /** By what the schema is registered: `topic` (unless given) `TOPIC-value`, `record` its full name, `topic-record` both. */
  readonly subject?: SubjectStrategy
  readonly references?: Referenced
}

/** Of one that a schema registry keeps: where it works, it is bound to what is known of that. */
export interface AvroCodec<Value> extends Codec<Value> {
  readonly contract: Contract<Value>
}

type Long<Longs> = Longs extends 'number' ? number : bigint

/** Of the record at the top. */
type FieldOf<Schema> = Schema extends { readonly fields: readonly { readonly name: infer Name extends string }[] }
  ? Name
  : string

/** By way of a name for it, so that the compiler does not look into a schema that it does not know yet. */
type Projected<Value, All, Field> = [All] extends [Field]
  ? Value
  : Value extends infer Whole extends object
    ? { [Name in keyof Whole as Name extends Field ? Name : never]: Whole[Name] }
    : never

/**
 * Avro in Confluent's wire format. The schema is an object `as const`, whose values' type is inferred; or any object, its JSON,
 * or the URL of an `.avsc` file, and the type is given: `avro<Order>(new URL('./order.avsc', import.meta.url))`.
 * Throws OPTIONS_INVALID.
 */
export function avro<
  const Schema extends AvroSchema,
  const Field extends FieldOf<Schema> = FieldOf<Schema>,
  const Longs extends 'bigint' | 'number' = 'bigint',
  const Referenced extends References = readonly [],
>(
  schema: Schema,
  options?: AvroOptions<Field, Longs, Referenced>,
): AvroCodec<NoInfer<Projected<Infer<Schema, Referenced, Long<Longs>>, FieldOf<Schema>, Field>>>
export function avro<Value>(
  schema: object | string,
  options?: AvroOptions<string & keyof NoInfer<Value>>,
): AvroCodec<Value>
export function avro(schema: unknown, options: unknown = {}): AvroCodec<unknown> {
  return new Avro(declared(schema, options))
}

class Avro implements AvroCodec<unknown> {
  readonly name = 'avro'
  readonly contract: Contract<unknown>

  constructor(declaration: Declaration) {
    this.contract = new AvroContract(declaration)
  }

  decode(): never {
    throw unbound()
  }

  encode(): never {
    throw unbound()
  }
}

class AvroContract implements Contract<unknown> {
  readonly cannotWrite?: string
  readonly #declaration: Declaration

  constructor(declaration: Declaration) {
    const { fields, schema } = declaration
    this.#declaration = declaration
    if (fields !== undefined) this.cannotWrite = `it reads the fields ${fields.join(', ')} of ${schema.name} only`
  }

  subjectsAt({ part, topic }: Place): readonly SubjectSchema[] {
    const { strategy, written } = this.#declaration
    return written.map((schema) => {
      if (strategy === 'topic') return { subject: `${topic}-${part}`, schema }
      return { subject: strategy === 'record' ? schema.name : `${topic}-${schema.name}`, schema }
    })
  }

  bind(place: Place, schemas: KnownSchemas): Codec<unknown> {
    const { isUnion, strategy, type } = this.#declaration
    const subjects = this.subjectsAt(place)
    return new BoundAvro({
      type,
      schemas,
      subjects: subjects.map(({ schema, subject }) => ({ name: schema.name, subject })),
      isByBranch: isUnion && strategy !== 'topic',
      cannotWrite: this.cannotWrite,
    })
  }
}

function unbound(): Error {
  return new Error(
    'an avro() codec works where Troupe has bound it to a schema registry: as the key or value of a topic',
  )
}
