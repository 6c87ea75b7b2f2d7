/**
 * Reads the text of an Avro schema, strictly: what is no valid schema is refused with its place and its reason. Without a
 * library, so that schemas can be checked where none is installed.
 */
import { wideIntegers, withBigInts } from '../streams/flows/wide-integers.ts'
import { canBeDefault } from './avro-default.ts'
import {
  isPrimitive,
  isNamed,
  namespaceOf,
  type Attributes,
  type AvroType,
  type NamedType,
  type RecordField,
} from './avro-type.ts'

/** A schema, and those that it names without defining them: each before those that refer to it. */
export interface SchemaText {
  readonly text: string
  readonly references: readonly { readonly name: string; readonly text: string }[]
}

export class InvalidSchema extends Error {
  override readonly name = 'InvalidSchema'
}

/** Of brackets in each other. More would only be there to use up the stack. */
const MAX_LEVELS = 500

export function parseAvro({ text, references }: SchemaText): AvroType {
  return parseWithReferences({ text, references }).type
}

/** Also says what the references define: those types are not the schema's own. */
export function parseWithReferences({ text, references }: SchemaText): {
  readonly type: AvroType
  readonly referenced: ReadonlySet<NamedType>
} {
  const names = new Map<string, NamedType>()
  const done = new Set<string>()
  for (const reference of references) {
    // Two that refer to the same third bring it twice.
    if (done.has(reference.text)) continue
    done.add(reference.text)
    parseText(reference.text, names, `in the reference ${reference.name}: `)
  }
  const referenced = new Set(names.values())
  return { type: parseText(text, names, ''), referenced }
}

function parseText(text: string, names: Map<string, NamedType>, where: string): AvroType {
  try {
    return new SchemaReader(names).read(parseJson(text), '', '')
  } catch (error) {
    if (error instanceof InvalidSchema) throw new InvalidSchema(`${where}${error.message}`)
    throw error
  }
}

function parseJson(text: string): unknown {
  if (isDeep(text)) throw new InvalidSchema(`it has more than ${MAX_LEVELS} levels`)
  try {
    const value: unknown = JSON.parse(text)
    const bytes = Buffer.from(text)
    const wide = wideIntegers(bytes)
    return wide.length === 0 ? value : withBigInts(bytes, wide)
  } catch (error) {
    throw new InvalidSchema(`it is no JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function isDeep(text: string): boolean {
  let levels = 0
  let inText = false
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at]
    if (inText) {
      if (char === '\\') at += 1
      else if (char === '"') inText = false
    } else if (char === '"') inText = true
    else if (char === '{' || char === '[') levels += 1
    else if (char === '}' || char === ']') levels -= 1
    if (levels > MAX_LEVELS) return true
  }
  return false
}

type Json = Readonly<Record<string, unknown>>

const namePart = /^[A-Za-z_][A-Za-z0-9_]*$/

/** What Avro gives a meaning: all else is an attribute. */
const namedKeys = ['type', 'name', 'namespace', 'doc', 'aliases']
const ownKeys = {
  record: [...namedKeys, 'fields'],
  enum: [...namedKeys, 'symbols', 'default'],
  fixed: [...namedKeys, 'size'],
  array: ['type', 'items'],
  map: ['type', 'values'],
  field: ['type', 'name', 'doc', 'default', 'order', 'aliases'],
  primitive: ['type'],
}

class SchemaReader {
  readonly #names: Map<string, NamedType>

  constructor(names: Map<string, NamedType>) {
    this.#names = names
  }

  read(json: unknown, path: string, namespace: string): AvroType {
    if (typeof json === 'string') return this.#find(json, path, namespace)
    if (Array.isArray(json)) return this.#readUnion(json, path, namespace)
    if (!isObject(json)) throw invalid(path, 'a type is a name, an object or, for a union, an array')
    const kind = json['type']
    if (typeof kind !== 'string') throw invalid(path, 'an object has to name its type: {"type": "…"}')
    switch (kind) {
      case 'record':
      case 'error':
        return this.#readRecord(json, path, namespace, kind === 'error')
      case 'enum':
        return this.#readEnum(json, path, namespace)
      case 'fixed':
        return this.#readFixed(json, path, namespace)
      case 'array':
        if (json['items'] === undefined) throw invalid(path, 'an array has to say of what: "items"')
        return {
          kind,
          items: this.read(json['items'], `${path}/items`, namespace),
          attributes: attributesOf(json, ownKeys.array),
        }
      case 'map':
        if (json['values'] === undefined) throw invalid(path, 'a map has to say of what: "values"')
        return {
          kind,
          values: this.read(json['values'], `${path}/values`, namespace),
          attributes: attributesOf(json, ownKeys.map),
        }
      default:
        if (isPrimitive(kind)) return { kind, attributes: attributesOf(json, ownKeys.primitive) }
        return this.#find(kind, path, namespace)
    }
  }

  #find(name: string, path: string, namespace: string): AvroType {
    if (isPrimitive(name)) return { kind: name, attributes: new Map() }
    const found = this.#names.get(fullName(name, namespace)) ?? this.#names.get(name)
    if (found === undefined)
      throw invalid(path, `${JSON.stringify(name)} is no type that is defined before, or referred to`)
    return found
  }

  #readUnion(json: readonly unknown[], path: string, namespace: string): AvroType {
    const branches = json.map((branch, i) => this.read(branch, `${path}/${i}`, namespace))
    const seen = new Set<string>()
    branches.forEach((branch, i) => {
      if (branch.kind === 'union') throw invalid(`${path}/${i}`, 'a union may not hold another')
      const key = isNamed(branch) ? branch.name : branch.kind
      if (seen.has(key)) throw invalid(`${path}/${i}`, `a union may hold ${key} only once`)
      seen.add(key)
    })
    return { kind: 'union', branches }
  }

  #readRecord(json: Json, path: string, outer: string, isError: boolean): AvroType {
    const named = readNamed(json, path, outer, ownKeys.record)
    if (!Array.isArray(json['fields'])) throw invalid(path, 'a record has to have "fields", an array')
    const fields: RecordField[] = []
    const type: NamedType = { kind: 'record', ...named, isError, fields }
    // Before its fields are read: they may be of it.
    this.#define(type, path)
    const seen = new Set<string>()
    json['fields'].forEach((field: unknown, i) => {
      const read = this.#readField(field, `${path}/fields/${i}`, namespaceOf(named.name))
      if (seen.has(read.name)) throw invalid(`${path}/fields/${i}`, `there are two fields ${read.name}`)
      seen.add(read.name)
      fields.push(read)
    })
    return type
  }

  #readField(json: unknown, path: string, namespace: string): RecordField {
    if (!isObject(json)) throw invalid(path, 'a field is an object')
    const { name, order = 'ascending' } = json
    if (typeof name !== 'string' || !namePart.test(name))
      throw invalid(path, `${JSON.stringify(name)} is no name of a field`)
    if (json['type'] === undefined) throw invalid(path, `field ${name} has no type`)
    if (order !== 'ascending' && order !== 'descending' && order !== 'ignore')
      throw invalid(path, `${JSON.stringify(order)} is no order: it is ascending, descending or ignore`)
    const type = this.read(json['type'], `${path}/type`, namespace)
    const value = json['default']
    if (value !== undefined && !canBeDefault(type, value))
      throw invalid(path, `field ${name} cannot have the default ${showValue(value)}: that is none of its type`)
    return {
      name,
      type,
      aliases: readNames(json['aliases'], path),
      doc: readDoc(json),
      default: value === undefined ? undefined : { value },
      order,
      attributes: attributesOf(json, ownKeys.field),
    }
  }

  #readEnum(json: Json, path: string, outer: string): AvroType {
    const named = readNamed(json, path, outer, ownKeys.enum)
    const symbols = readNames(json['symbols'] ?? null, `${path}/symbols`)
    const twice = symbols.find((symbol, i) => symbols.indexOf(symbol) !== i)
    if (twice !== undefined) throw invalid(`${path}/symbols`, `there are two symbols ${twice}`)
    const wrong = symbols.find((symbol) => !namePart.test(symbol))
    if (wrong !== undefined) throw invalid(`${path}/symbols`, `${JSON.stringify(wrong)} is no name of a symbol`)
    const value = json['default']
    if (value !== undefined && (typeof value !== 'string' || !symbols.includes(value)))
      throw invalid(path, `the default ${showValue(value)} is none of the symbols`)
    return this.#define({ kind: 'enum', ...named, symbols, default: value }, path)
  }

  #readFixed(json: Json, path: string, outer: string): AvroType {
    const named = readNamed(json, path, outer, ownKeys.fixed)
    const size = json['size']
    if (typeof size !== 'number' || !Number.isInteger(size) || size < 0 || size > 0x7fff_ffff)
      throw invalid(path, 'a fixed has to have a "size", the number of its bytes')
    return this.#define({ kind: 'fixed', ...named, size }, path)
  }

  #define(type: NamedType, path: string): NamedType {
    if (this.#names.has(type.name)) throw invalid(path, `${type.name} is defined twice`)
    this.#names.set(type.name, type)
    return type
  }
}

interface NamedParts {
  readonly name: string
  readonly aliases: readonly string[]
  readonly doc: string | undefined
  readonly attributes: Attributes
}

function readNamed(json: Json, path: string, outer: string, known: readonly string[]): NamedParts {
  const { name, namespace = outer } = json
  if (typeof name !== 'string') throw invalid(path, `a ${String(json['type'])} has to have a name`)
  if (typeof namespace !== 'string') throw invalid(path, 'a namespace is a text')
  const full = fullName(name, namespace)
  if (!full.split('.').every((part) => namePart.test(part)))
    throw invalid(path, `${JSON.stringify(full)} is no name of a type`)
  if (isPrimitive(full)) throw invalid(path, `no type may be named ${full}, as Avro's own`)
  const aliases = readNames(json['aliases'], path).map((alias) => fullName(alias, namespaceOf(full)))
  return { name: full, aliases, doc: readDoc(json), attributes: attributesOf(json, known) }
}

function fullName(name: string, namespace: string): string {
  return name.includes('.') || namespace === '' ? name : `${namespace}.${name}`
}

function readDoc({ doc }: Json): string | undefined {
  return typeof doc === 'string' ? doc : undefined
}

function readNames(json: unknown, path: string): readonly string[] {
  if (json === undefined) return []
  if (!Array.isArray(json) || !json.every((name) => typeof name === 'string'))
    throw invalid(path, 'names have to be an array of texts')
  return json
}

function attributesOf(json: Json, known: readonly string[]): Attributes {
  return new Map(Object.entries(json).filter(([key]) => !known.includes(key)))
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function showValue(value: unknown): string {
  return typeof value === 'bigint'
    ? value.toString()
    : JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? each.toString() : each))
}

function invalid(path: string, reason: string): InvalidSchema {
  return new InvalidSchema(path === '' ? reason : `${path}: ${reason}`)
}
