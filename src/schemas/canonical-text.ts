/**
 * A schema's text without what says nothing: white space, the order of keys, names told in another way. It is as Avro's Java
 * library writes a schema, and so what registries compare and give back. Docs, aliases, defaults and attributes stay.
 */
import { parseWithReferences, type SchemaText } from './avro-schema.ts'
import { isNamed, namespaceOf, simpleName, type AvroType, type NamedType, type RecordField } from './avro-type.ts'

/** Throws InvalidSchema. */
export function canonicalText(schema: SchemaText): string {
  const { type, referenced } = parseWithReferences(schema)
  return textOfJson(new Writer(referenced).write(type, ''))
}

/** Written in the order of its entries. */
type Entries = ReadonlyMap<string, unknown>

class Writer {
  /** These are known by their names from here on. */
  readonly #written: Set<NamedType>

  constructor(referenced: ReadonlySet<NamedType>) {
    this.#written = new Set(referenced)
  }

  write(type: AvroType, namespace: string): unknown {
    if (type.kind === 'union') return type.branches.map((branch) => this.write(branch, namespace))
    if (isNamed(type)) return this.#writeNamed(type, namespace)
    if (type.kind === 'array') {
      return new Map([['type', 'array'], ['items', this.write(type.items, namespace)], ...type.attributes])
    }
    if (type.kind === 'map') {
      return new Map([['type', 'map'], ['values', this.write(type.values, namespace)], ...type.attributes])
    }
    return type.attributes.size === 0 ? type.kind : new Map<string, unknown>([['type', type.kind], ...type.attributes])
  }

  #writeNamed(type: NamedType, outer: string): unknown {
    if (this.#written.has(type)) return relativeName(type.name, outer)
    this.#written.add(type)
    const namespace = namespaceOf(type.name)
    const aliases = type.aliases.map((alias) => relativeName(alias, namespace))
    return new Map<string, unknown>([
      ['type', type.kind === 'record' && type.isError ? 'error' : type.kind],
      ['name', simpleName(type.name)],
      ...when(namespace !== outer, 'namespace', namespace),
      ...when(type.doc !== undefined, 'doc', type.doc),
      ...this.#ownEntries(type, namespace),
      ...type.attributes,
      ...when(aliases.length > 0, 'aliases', aliases),
    ])
  }

  #ownEntries(type: NamedType, namespace: string): Entries {
    switch (type.kind) {
      case 'record':
        return new Map([['fields', type.fields.map((field) => this.#writeField(field, namespace))]])
      case 'enum':
        return new Map([['symbols', type.symbols], ...when(type.default !== undefined, 'default', type.default)])
      case 'fixed':
        return new Map([['size', type.size]])
    }
  }

  #writeField(field: RecordField, namespace: string): Entries {
    return new Map<string, unknown>([
      ['name', field.name],
      ['type', this.write(field.type, namespace)],
      ...when(field.doc !== undefined, 'doc', field.doc),
      ...when(field.default !== undefined, 'default', field.default?.value),
      ...when(field.order !== 'ascending', 'order', field.order),
      ...when(field.aliases.length > 0, 'aliases', field.aliases),
      ...field.attributes,
    ])
  }
}

function when(isSo: boolean, key: string, value: unknown): [string, unknown][] {
  return isSo ? [[key, value]] : []
}

function relativeName(name: string, namespace: string): string {
  return namespaceOf(name) === namespace ? simpleName(name) : name
}

/** As JSON.stringify, and for maps and bigints as well. */
function textOfJson(value: unknown): string {
  if (typeof value === 'bigint') return value.toString()
  if (Array.isArray(value)) return `[${value.map(textOfJson).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const entries = value instanceof Map ? [...(value as Entries)] : Object.entries(value)
  return `{${entries.map(([key, each]) => `${JSON.stringify(key)}:${textOfJson(each)}`).join(',')}}`
}
