/**
 * What a codec has whose bytes name a schema: schemas are kept by a registry, under ids and under subjects. The registry is
 * asked on main; a codec works where the handler does, and is given what is known there. All of it is plain data, so that
 * it crosses threads.
 */
import { TroupeError } from '../../errors.ts'

/** As registries call them. */
export type SchemaType = 'AVRO' | 'JSON' | 'PROTOBUF'

/** A schema of the app itself: what it writes, and what it wants to read. */
export interface OwnSchema {
  readonly type: SchemaType
  /** Its full name, `com.acme.Order`. As a reference of another it is registered under this name, too. */
  readonly name: string
  /** As it is registered. */
  readonly text: string
  /** Schemas that the text names without defining them. */
  readonly references: readonly OwnSchema[]
}

/** Where a codec is used. */
export interface Place {
  readonly topic: string
  readonly part: 'key' | 'value'
}

export interface SubjectSchema {
  readonly subject: string
  readonly schema: OwnSchema
}

/** A schema as the registry has it under an id. */
export interface WriterSchema {
  readonly type: SchemaType
  readonly text: string
  /** All that it refers to, however deep; each before those that refer to it. */
  readonly references: readonly ReferencedSchema[]
}

export interface ReferencedSchema {
  /** By which the text that refers to it knows it. */
  readonly name: string
  readonly text: string
}

/** What is known of a registry where a codec works. */
export interface KnownSchemas {
  /**
   * The schema that bytes were written with. Asked once for each id, then kept by the codec, within bounds. Throws
   * SchemaNeeded where the registry has to be asked first, and SCHEMA_UNKNOWN where it has no such id.
   */
  writerOf(id: number): WriterSchema
  /** The id of what the app itself registered, or found, under this subject. Throws SCHEMA_MISSING where nobody has looked. */
  idOf(subject: string): number
}

export interface Codec<Value> {
  /** Shown in the manifest and in errors: `json`, `text`, `bytes`, `avro`. */
  readonly name: string
  decode(bytes: Uint8Array): Value
  encode(value: Value): Uint8Array
  /** Its bytes name a schema of a registry: where it works, `bind` of this makes the codec. */
  readonly contract?: Contract<Value>
}

/** What makes a codec one of a registry's. */
export interface Contract<Value> {
  /** Which schemas it reads and writes with in this place; more than one where the subject depends on the record's type. */
  subjectsAt(place: Place): readonly SubjectSchema[]
  /** Why it cannot be written with, for people: a projection lacks fields. undefined: it can. */
  readonly cannotWrite?: string
  /** The codec at work in this place. */
  bind(place: Place, schemas: KnownSchemas): Codec<Value>
}

const schemaNeededBrand = Symbol.for('troupe.schemaNeeded')

/** No fault of the record: a schema has to be fetched before it can be read. Nobody's business but the engine's. */
export class SchemaNeeded extends Error {
  override readonly name = 'SchemaNeeded'
  readonly id: number

  constructor(id: number) {
    super(`schema ${id} is not known here yet`)
    this.id = id
  }

  get [schemaNeededBrand](): true {
    return true
  }
}

/** The id of the schema that has to be fetched; undefined: it is another error. */
export function neededSchema(error: unknown): number | undefined {
  return typeof error === 'object' && error !== null && schemaNeededBrand in error
    ? (error as SchemaNeeded).id
    : undefined
}

/** A codec as the places where it is used know it. */
interface Bindable {
  readonly name: string
  readonly contract?: { bind(place: Place, schemas: KnownSchemas): unknown }
}

/** The codec at work: itself, unless its bytes name schemas. Throws SCHEMA_REGISTRY_MISSING where it would need some and there are none. */
export function boundCodec<Bound extends Bindable>(
  codec: Bound,
  place: Place,
  schemas: KnownSchemas | undefined,
): Bound {
  if (codec.contract === undefined) return codec
  if (schemas !== undefined) return codec.contract.bind(place, schemas) as Bound
  const message = `the ${place.part}s of topic ${place.topic} are ${codec.name}, whose schemas a registry keeps, and none is named: set schemaRegistry.url`
  throw new TroupeError('SCHEMA_REGISTRY_MISSING', message)
}
