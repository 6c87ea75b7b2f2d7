/**
 * The schema files of a team, read together: a file may name types that another one defines, as it may in a registry by
 * references.
 */
import { InvalidSchema, parseAvro } from './avro-schema.ts'
import { isNamed, isPrimitive, type AvroType, type NamedType } from './avro-type.ts'

export interface SchemaFile {
  /** As people know it. */
  readonly path: string
  readonly text: string
}

export interface ReadSchema {
  readonly path: string
  readonly text: string
  readonly type: AvroType
  /** All that it needs, however deep, each before those that name it. */
  readonly references: readonly NamedSchema[]
}

export interface NamedSchema {
  /** The full name of what the text defines. */
  readonly name: string
  readonly path: string
  readonly text: string
}

export interface SchemaProblem {
  readonly path: string
  readonly reason: string
}

export interface SchemaSet {
  /** In the order of the files. */
  readonly schemas: readonly ReadSchema[]
  readonly problems: readonly SchemaProblem[]
}

/** Never throws: what is wrong with a file is a problem of that file alone, and of those that need it. */
export function readSchemas(files: readonly SchemaFile[]): SchemaSet {
  const reader = new SetReader(files)
  const schemas: ReadSchema[] = []
  const problems: SchemaProblem[] = []
  for (const file of files) {
    try {
      schemas.push(reader.read(file))
    } catch (error) {
      if (!(error instanceof InvalidSchema)) throw error
      problems.push({ path: file.path, reason: error.message })
    }
  }
  return { schemas, problems }
}

class SetReader {
  readonly #names = new Map<SchemaFile, Names>()
  /** Which files define a type. */
  readonly #definedIn = new Map<string, SchemaFile[]>()

  constructor(files: readonly SchemaFile[]) {
    for (const file of files) {
      const names = namesIn(file.text)
      this.#names.set(file, names)
      for (const name of names.defined) this.#definedIn.set(name, [...(this.#definedIn.get(name) ?? []), file])
    }
  }

  /** Throws InvalidSchema. */
  read(file: SchemaFile): ReadSchema {
    const needed: SchemaFile[] = []
    this.#collect(file, needed, [])
    const references = needed.map((each) => ({ name: this.#names.get(each)!.own ?? each.path, ...each }))
    return { ...file, type: parseAvro({ text: file.text, references }), references }
  }

  /** Adds what a file needs, each after what it needs itself. */
  #collect(file: SchemaFile, needed: SchemaFile[], way: readonly SchemaFile[]): void {
    const { defined, used } = this.#names.get(file)!
    for (const candidates of used) {
      if (candidates.some((name) => defined.has(name))) continue
      const name = candidates.find((each) => this.#definedIn.has(each))
      // Nobody defines it: the parser says so, with its place.
      if (name === undefined) continue
      const [definer, another] = this.#definedIn.get(name)!
      if (another !== undefined) {
        throw new InvalidSchema(`it names ${name}, which both ${definer!.path} and ${another.path} define`)
      }
      if (definer === undefined || needed.includes(definer)) continue
      if (definer === file || way.includes(definer)) {
        throw new InvalidSchema(`it needs itself: ${[...way, file, definer].map(({ path }) => path).join(' → ')}`)
      }
      this.#collect(definer, needed, [...way, file])
      needed.push(definer)
    }
  }
}

interface Names {
  /** Of the schema itself. */
  readonly own: string | undefined
  readonly defined: ReadonlySet<string>
  /** Of each type that is named, the full names it may be of. */
  readonly used: readonly (readonly string[])[]
}

/** As far as the text is a schema; what is none of it the parser refuses. */
function namesIn(text: string): Names {
  const defined = new Set<string>()
  const used: string[][] = []
  const visit = (json: unknown, namespace: string): string | undefined => {
    if (typeof json === 'string') {
      const isFull = json.includes('.') || namespace === ''
      if (!isPrimitive(json)) used.push(isFull ? [json] : [`${namespace}.${json}`, json])
      return undefined
    }
    if (Array.isArray(json)) {
      for (const branch of json) visit(branch, namespace)
      return undefined
    }
    if (typeof json !== 'object' || json === null) return undefined
    const { type, name, namespace: own = namespace, fields, items, values } = json as Readonly<Record<string, unknown>>
    const isNamedType = type === 'record' || type === 'error' || type === 'enum' || type === 'fixed'
    if (isNamedType && typeof name === 'string' && typeof own === 'string') {
      const full = name.includes('.') || own === '' ? name : `${own}.${name}`
      defined.add(full)
      const within = full.slice(0, Math.max(0, full.lastIndexOf('.')))
      if (Array.isArray(fields)) {
        for (const field of fields as unknown[]) visit((field as { readonly type?: unknown } | null)?.type, within)
      }
      return full
    }
    if (type === 'array') visit(items, namespace)
    else if (type === 'map') visit(values, namespace)
    else visit(type, namespace)
    return undefined
  }
  let own: string | undefined
  try {
    own = visit(JSON.parse(text), '')
  } catch {
    // No JSON, or deeper than the stack: no schema either.
  }
  return { own, defined, used }
}

/** All named types of a schema, also those that others define, each once and in the order in which it names them. */
export function namedTypes(type: AvroType): readonly NamedType[] {
  const found = new Set<NamedType>()
  const visit = (each: AvroType): void => {
    if (isNamed(each)) {
      if (found.has(each)) return
      found.add(each)
      if (each.kind === 'record') for (const field of each.fields) visit(field.type)
    } else if (each.kind === 'union') for (const branch of each.branches) visit(branch)
    else if (each.kind === 'array') visit(each.items)
    else if (each.kind === 'map') visit(each.values)
  }
  visit(type)
  return [...found]
}
