/**
 * Whether what was written with one schema can be read with another: Avro's schema resolution, and the levels of
 * compatibility that registries make of it. Finds all that stands in the way, with its place.
 */
import { parseAvro, type SchemaText } from './avro-schema.ts'
import {
  isNamed,
  simpleName,
  type AvroType,
  type EnumType,
  type FixedType,
  type NamedType,
  type RecordField,
  type RecordType,
} from './avro-type.ts'

/** The first six as registries call them. The others are ours: a registry lets them pass, and readers fail or read wrong values. */
export type IncompatibilityKind =
  | 'READER_FIELD_MISSING_DEFAULT_VALUE'
  | 'TYPE_MISMATCH'
  | 'NAME_MISMATCH'
  | 'FIXED_SIZE_MISMATCH'
  | 'MISSING_ENUM_SYMBOLS'
  | 'MISSING_UNION_BRANCH'
  | 'AMBIGUOUS_ALIAS'
  | 'LOGICAL_TYPE_MISMATCH'

export interface Incompatibility {
  readonly kind: IncompatibilityKind
  /** Of the place in the reader's schema, as a JSON pointer; a number behind a type is the writer's branch. `/`: all of it. */
  readonly path: string
  /** What is meant there: the field, the symbols, the types. */
  readonly detail: string
}

export const compatibilityLevels = [
  'NONE',
  'BACKWARD',
  'BACKWARD_TRANSITIVE',
  'FORWARD',
  'FORWARD_TRANSITIVE',
  'FULL',
  'FULL_TRANSITIVE',
] as const

export type CompatibilityLevel = (typeof compatibilityLevels)[number]

export interface OldVersion {
  readonly version: number
  readonly schema: SchemaText
}

/** What stands in the way of a new schema, by the level of its subject. */
export interface Breach extends Incompatibility {
  /** The old version that it does not go with. */
  readonly version: number
  /** Who could not read the other. */
  readonly reader: 'new' | 'old'
}

/** Empty: all that was written with `writer` can be read with `reader`. Throws InvalidSchema. */
export function incompatibilities(reader: SchemaText, writer: SchemaText): readonly Incompatibility[] {
  return new Resolution().compare(parseAvro(reader), parseAvro(writer), [])
}

/** `oldVersions` in their order, the latest last. The breaches of the latest come first. Throws InvalidSchema. */
export function checkLevel(
  level: CompatibilityLevel,
  schema: SchemaText,
  oldVersions: readonly OldVersion[],
): readonly Breach[] {
  if (level === 'NONE') return []
  const checked = level.endsWith('_TRANSITIVE') ? oldVersions.toReversed() : oldVersions.slice(-1)
  const readers = level.startsWith('FULL')
    ? (['new', 'old'] as const)
    : level.startsWith('BACKWARD')
      ? (['new'] as const)
      : (['old'] as const)
  return checked.flatMap((old) =>
    readers.flatMap((reader) => {
      const found = reader === 'new' ? incompatibilities(schema, old.schema) : incompatibilities(old.schema, schema)
      return found.map((each) => ({ ...each, version: old.version, reader }))
    }),
  )
}

/** A sentence for people. */
export function describeBreach({ kind, path, detail, reader }: Omit<Breach, 'version'>): string {
  const writer = reader === 'new' ? 'old' : 'new'
  switch (kind) {
    case 'READER_FIELD_MISSING_DEFAULT_VALUE':
      return `The field '${detail}' at path '${path}' in the ${reader} schema has no default value and is missing in the ${writer} schema`
    case 'TYPE_MISMATCH':
      return `The type at path '${path}' in the ${reader} schema does not match the ${writer} schema: ${detail}`
    case 'NAME_MISMATCH':
      return `The name at path '${path}' has changed, and no alias in the ${reader} schema says so: ${detail}`
    case 'FIXED_SIZE_MISMATCH':
      return `The size at path '${path}' in the ${reader} schema is not that of the ${writer} schema: ${detail}`
    case 'MISSING_ENUM_SYMBOLS':
      return `The ${reader} schema is missing the symbols '${detail}' of the ${writer} schema at path '${path}', and has no default for them`
    case 'MISSING_UNION_BRANCH':
      return `The ${reader} schema is missing a branch of the ${writer} schema at path '${path}': ${detail}`
    case 'AMBIGUOUS_ALIAS':
      return `The field at path '${path}' in the ${reader} schema stands for several of the ${writer} schema: ${detail}`
    case 'LOGICAL_TYPE_MISMATCH':
      return `The same bytes mean something else at path '${path}' in the ${reader} schema than in the ${writer} schema: ${detail}`
  }
}

type Path = readonly (string | number)[]

/** Which types are read as which others besides themselves. */
const promotions = new Map<AvroType['kind'], readonly AvroType['kind'][]>([
  ['long', ['int']],
  ['float', ['int', 'long']],
  ['double', ['int', 'long', 'float']],
  ['string', ['bytes']],
  ['bytes', ['string']],
])

/** One comparison. Types may hold themselves, so pairs that are being compared count as compatible meanwhile. */
class Resolution {
  readonly #found = new Map<AvroType, Map<AvroType, readonly Incompatibility[]>>()

  compare(reader: AvroType, writer: AvroType, path: Path): readonly Incompatibility[] {
    const ofReader = this.#found.get(reader) ?? new Map<AvroType, readonly Incompatibility[]>()
    this.#found.set(reader, ofReader)
    const known = ofReader.get(writer)
    if (known !== undefined) return known
    ofReader.set(writer, [])
    const found = this.#compareNew(reader, writer, path)
    ofReader.set(writer, found)
    return found
  }

  #compareNew(reader: AvroType, writer: AvroType, path: Path): readonly Incompatibility[] {
    if (writer.kind === 'union') {
      return writer.branches.flatMap((branch, i) => this.compare(reader, branch, [...path, i]))
    }
    if (reader.kind === 'union') return this.#compareBranches(reader.branches, writer, path)
    if (reader.kind === 'array' && writer.kind === 'array') {
      return this.compare(reader.items, writer.items, [...path, 'items'])
    }
    if (reader.kind === 'map' && writer.kind === 'map') {
      return this.compare(reader.values, writer.values, [...path, 'values'])
    }
    if (reader.kind === 'record' && writer.kind === 'record') {
      return [...compareNames(reader, writer, path), ...this.#compareFields(reader, writer, path)]
    }
    if (reader.kind === 'enum' && writer.kind === 'enum') {
      return [...compareNames(reader, writer, path), ...compareSymbols(reader, writer, path)]
    }
    if (reader.kind === 'fixed' && writer.kind === 'fixed') {
      return [
        ...compareNames(reader, writer, path),
        ...compareSizes(reader, writer, path),
        ...compareMeanings(reader, writer, path),
      ]
    }
    if (reader.kind === writer.kind || promotions.get(reader.kind)?.includes(writer.kind) === true) {
      return compareMeanings(reader, writer, path)
    }
    const detail = `reader type: ${reader.kind.toUpperCase()} not compatible with writer type: ${writer.kind.toUpperCase()}`
    return [at(path, 'TYPE_MISMATCH', detail)]
  }

  #compareBranches(branches: readonly AvroType[], writer: AvroType, path: Path): readonly Incompatibility[] {
    const tries = branches.map((branch) => ({ branch, found: this.compare(branch, writer, path) }))
    if (tries.some(({ found }) => found.length === 0)) return []
    // Why the branch that was meant is none says more than that there is none.
    const meant = tries.find(
      ({ branch }) => branch.kind === writer.kind && (!isNamed(branch) || namesMatch(branch, writer as NamedType)),
    )
    const why =
      meant === undefined
        ? ''
        : ` (${meant.found.map(({ kind, path, detail }) => `${kind} at ${path}: ${detail}`).join('; ')})`
    return [at(path, 'MISSING_UNION_BRANCH', `reader union lacking writer type: ${writer.kind.toUpperCase()}${why}`)]
  }

  #compareFields(reader: RecordType, writer: RecordType, path: Path): readonly Incompatibility[] {
    return reader.fields.flatMap((field, i) => {
      const place = [...path, 'fields', i]
      const meant = writer.fields.filter(({ name }) => name === field.name || field.aliases.includes(name))
      if (meant.length > 1) return [at(place, 'AMBIGUOUS_ALIAS', `${field.name} stands for ${namesOf(meant)}`)]
      const [written] = meant
      if (written !== undefined) return this.compare(field.type, written.type, [...place, 'type'])
      return field.default === undefined ? [at(place, 'READER_FIELD_MISSING_DEFAULT_VALUE', field.name)] : []
    })
  }
}

function namesOf(fields: readonly RecordField[]): string {
  return fields.map(({ name }) => name).join(', ')
}

function compareNames(reader: NamedType, writer: NamedType, path: Path): readonly Incompatibility[] {
  return namesMatch(reader, writer) ? [] : [at([...path, 'name'], 'NAME_MISMATCH', `expected: ${writer.name}`)]
}

/** A type may move to another namespace: Avro compares the names without. An alias is a full name. */
function namesMatch(reader: NamedType, writer: NamedType): boolean {
  return simpleName(reader.name) === simpleName(writer.name) || reader.aliases.includes(writer.name)
}

function compareSymbols(reader: EnumType, writer: EnumType, path: Path): readonly Incompatibility[] {
  const missing = writer.symbols.filter((symbol) => !reader.symbols.includes(symbol))
  if (missing.length === 0 || reader.default !== undefined) return []
  return [at([...path, 'symbols'], 'MISSING_ENUM_SYMBOLS', `[${missing.toSorted().join(', ')}]`)]
}

function compareSizes(reader: FixedType, writer: FixedType, path: Path): readonly Incompatibility[] {
  if (reader.size === writer.size) return []
  return [at([...path, 'size'], 'FIXED_SIZE_MISMATCH', `expected: ${writer.size}, found: ${reader.size}`)]
}

/** Of these, two that differ make another value of the same bytes: a thousand times as late, a hundred times as much. */
const meanings = /^(?:decimal|date|(?:time|(?:local-)?timestamp)-(?:millis|micros|nanos))$/

/**
 * Avro asks it of decimals; registries ask nobody. A decimal may become longer, but its point has to stay. Text and bytes are
 * read as each other, but not as the bytes of a decimal.
 */
function compareMeanings(reader: AvroType, writer: AvroType, path: Path): readonly Incompatibility[] {
  const [read, written] = [meaningOf(reader), meaningOf(writer)]
  const [toText, ofText] = [reader.kind === 'string', writer.kind === 'string']
  if ((ofText && read?.name === 'decimal') || (toText && written?.name === 'decimal')) {
    const detail = `expected: ${written?.text ?? writer.kind}, found: ${read?.text ?? reader.kind}`
    return [at(path, 'LOGICAL_TYPE_MISMATCH', detail)]
  }
  if (read === null || written === null) return []
  const isSame = read.name === written.name && read.scale === written.scale && read.precision >= written.precision
  return isSame ? [] : [at(path, 'LOGICAL_TYPE_MISMATCH', `expected: ${written.text}, found: ${read.text}`)]
}

interface Meaning {
  readonly name: string
  readonly precision: number
  readonly scale: number
  readonly text: string
}

function meaningOf(type: AvroType): Meaning | null {
  if (type.kind === 'union') return null
  const name = type.attributes.get('logicalType')
  if (typeof name !== 'string' || !meanings.test(name)) return null
  if (name !== 'decimal') return { name, precision: 0, scale: 0, text: name }
  const precision = type.attributes.get('precision')
  const scale = type.attributes.get('scale') ?? 0
  // Not one by Avro's rules: then it is plain bytes.
  if (typeof precision !== 'number' || typeof scale !== 'number' || scale > precision) return null
  return { name, precision, scale, text: `decimal(${precision}, ${scale})` }
}

function at(path: Path, kind: IncompatibilityKind, detail: string): Incompatibility {
  return { kind, path: `/${path.join('/')}`, detail }
}
