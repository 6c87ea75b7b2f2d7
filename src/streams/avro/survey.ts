/** Looks through a schema before anything is made of it: every problem with its place, and the names it defines and uses. */
import { isObject, shown, unknownKeys } from '../../options/declared.ts'
import { nearestName } from '../../options/near-miss.ts'
import { fullName, fullNameOf, isName, isWord, namespaceOf } from './names.ts'
import { isInEveryObject } from './schema-types.ts'
import { decimalProblem, logicalTypes, primitiveTypes } from './type-mapping.ts'

export interface Definition {
  readonly schema: Readonly<Record<string, unknown>>
  /** Of names within it. */
  readonly namespace: string
}

export interface NameUse {
  readonly name: string
  /** Where it stands. */
  readonly at: string
}

export interface Survey {
  readonly problems: readonly string[]
  readonly defined: ReadonlyMap<string, Definition>
  /** Names that it does not define. */
  readonly uses: readonly NameUse[]
}

export function surveyOf(schema: unknown): Survey {
  const surveyor = new Surveyor()
  surveyor.look(schema, '', '')
  return surveyor.survey()
}

const complexTypes = ['record', 'error', 'enum', 'fixed', 'array', 'map']
const typeNames = [...Object.keys(primitiveTypes), ...complexTypes]

class Surveyor {
  readonly #problems: string[] = []
  readonly #defined = new Map<string, Definition>()
  readonly #uses: NameUse[] = []

  survey(): Survey {
    const late = this.#uses.filter(({ name }) => this.#defined.has(name))
    const problems = late.map(({ at, name }) => `${where(at)}${name} stands there before it is defined`)
    const uses = this.#uses.filter(({ name }) => !this.#defined.has(name))
    return { problems: [...this.#problems, ...problems], defined: this.#defined, uses }
  }

  /** `at`: the place, for people. */
  look(schema: unknown, at: string, namespace: string): void {
    if (typeof schema === 'string') this.#lookAtName(schema, at, namespace)
    else if (Array.isArray(schema)) this.#lookAtUnion(schema, at, namespace)
    else if (isObject(schema)) this.#lookAtObject(schema, at, namespace)
    else this.#say(at, `${shown(schema)} is no schema`)
  }

  #say(at: string, problem: string): void {
    this.#problems.push(`${where(at)}${problem}`)
  }

  #lookAtName(name: string, at: string, namespace: string): void {
    if (Object.hasOwn(primitiveTypes, name)) return
    if (complexTypes.includes(name)) this.#say(at, `${name} stands there alone: write { type: '${name}', … }`)
    else if (!isName(name)) this.#say(at, `${shown(name)} is no type`)
    else if (!this.#defined.has(fullName(name, namespace))) this.#uses.push({ name: fullName(name, namespace), at })
  }

  #lookAtUnion(branches: readonly unknown[], at: string, namespace: string): void {
    if (branches.length === 0) this.#say(at, 'a union of no types')
    const names = new Set<string>()
    for (const branch of branches) {
      if (Array.isArray(branch)) {
        this.#say(at, 'a union stands directly in a union')
        continue
      }
      this.look(branch, at, namespace)
      const name = branchName(branch, namespace)
      if (name !== undefined && names.has(name)) this.#say(at, `a union has two branches ${name}`)
      if (name !== undefined) names.add(name)
    }
  }

  #lookAtObject(schema: Readonly<Record<string, unknown>>, at: string, namespace: string): void {
    const { type } = schema
    this.#lookAtLogicalType(schema, at)
    switch (type) {
      case 'record':
      case 'error':
        this.#lookAtRecord(schema, at, namespace)
        return
      case 'enum':
        this.#define(schema, at, namespace)
        this.#lookAtEnum(schema, at)
        return
      case 'fixed': {
        this.#define(schema, at, namespace)
        const { size } = schema
        if (typeof size === 'number' && Number.isInteger(size) && size >= 0) return
        this.#say(at, `size: ${shown(size)} is no number of bytes`)
        return
      }
      case 'array':
        if (schema['items'] === undefined) this.#say(at, 'an array without items')
        else this.look(schema['items'], `${at}[]`, namespace)
        return
      case 'map':
        if (schema['values'] === undefined) this.#say(at, 'a map without values')
        else this.look(schema['values'], `${at}{}`, namespace)
        return
      case undefined:
        this.#say(at, `an object without type: ${shown(schema)}`)
        return
      default:
        this.look(type, at, namespace)
    }
  }

  /** Registers the name, and returns it. */
  #define(schema: Readonly<Record<string, unknown>>, at: string, namespace: string): string {
    const { aliases, name, namespace: own } = schema
    if (own !== undefined && own !== '' && !isName(own)) this.#say(at, `namespace: ${shown(own)} is none`)
    if (aliases !== undefined && !(Array.isArray(aliases) && aliases.every(isName))) {
      this.#say(at, `aliases: ${shown(aliases)} is no list of names`)
    }
    if (!isName(name)) {
      this.#say(at, `name: ${shown(name)} is no name (letters, digits and _, not beginning with a digit)`)
      return at
    }
    const full = fullNameOf(schema, namespace)
    if (Object.hasOwn(primitiveTypes, full)) this.#say(at, `name: ${full} is the name of a type of Avro's`)
    else if (isInEveryObject(full)) this.#say(at, `name: ${full} is the name of something in every JavaScript object`)
    else if (this.#defined.has(full)) this.#say(at, `${full} is defined twice`)
    this.#defined.set(full, { schema, namespace: namespaceOf(full) })
    return full
  }

  #lookAtRecord(schema: Readonly<Record<string, unknown>>, at: string, namespace: string): void {
    const full = this.#define(schema, at, namespace)
    const { fields } = schema
    if (!Array.isArray(fields)) {
      this.#say(full, `fields: ${shown(fields)} is no list`)
      return
    }
    const names = new Set<string>()
    ;(fields as unknown[]).forEach((field, index) => {
      if (!isObject(field)) {
        this.#say(full, `fields[${index}]: ${shown(field)} is no field such as { name: 'id', type: 'long' }`)
        return
      }
      const { name, order, type } = field
      const place = `${full}.${isWord(name) ? name : `fields[${index}]`}`
      if (!isWord(name)) this.#say(place, `name: ${shown(name)} is no name (letters, digits and _)`)
      else if (isInEveryObject(name)) this.#say(place, 'every JavaScript object has something of this name')
      else if (names.has(name)) this.#say(place, 'the record has two fields of this name')
      names.add(String(name))
      if (order !== undefined && !['ascending', 'descending', 'ignore'].some((word) => word === order)) {
        this.#say(place, `order: ${shown(order)} is not ascending, descending or ignore`)
      }
      if (type === undefined) this.#say(place, 'it has no type')
      else this.look(type, place, isName(schema['name']) ? namespaceOf(full) : namespace)
    })
  }

  #lookAtEnum({ default: fallback, symbols }: Readonly<Record<string, unknown>>, at: string): void {
    if (!Array.isArray(symbols) || symbols.length === 0) {
      this.#say(at, `symbols: ${shown(symbols)} is no list of at least one`)
      return
    }
    const all = symbols as unknown[]
    for (const symbol of all.filter((each) => !isWord(each) || isInEveryObject(each))) {
      this.#say(
        at,
        `symbols: ${shown(symbol)} cannot be one (letters, digits and _, and no name that every object has)`,
      )
    }
    const twice = all.find((symbol, index) => all.indexOf(symbol) < index)
    if (twice !== undefined) this.#say(at, `symbols: ${shown(twice)} stands there twice`)
    if (fallback !== undefined && !all.includes(fallback)) this.#say(at, `default: ${shown(fallback)} is no symbol`)
  }

  /** One that Troupe knows, on the right type: what is wrong in it would be ignored in silence. */
  #lookAtLogicalType(schema: Readonly<Record<string, unknown>>, at: string): void {
    const { logicalType, size, type } = schema
    if (logicalType !== undefined && typeof logicalType !== 'string') {
      this.#say(at, `logicalType: ${shown(logicalType)} is no name`)
    }
    if (typeof logicalType !== 'string' || !Object.hasOwn(logicalTypes, logicalType)) return
    const { on } = logicalTypes[logicalType as keyof typeof logicalTypes]
    if (!on.some((below) => below === type)) {
      this.#say(at, `${logicalType} stands on ${shown(type)}, and belongs on ${on.join(' or ')}`)
      return
    }
    if (logicalType === 'uuid' && type === 'fixed' && size !== 16) this.#say(at, 'a uuid takes 16 bytes')
    if (logicalType === 'duration' && size !== 12) this.#say(at, 'a duration takes 12 bytes')
    const problem = logicalType === 'decimal' ? decimalProblem(schema) : undefined
    if (problem !== undefined) this.#say(at, `decimal: ${problem}`)
  }
}

function where(at: string): string {
  return at === '' ? '' : `${at}: `
}

/** undefined: it has none, which is said elsewhere. */
export function branchName(branch: unknown, namespace: string): string | undefined {
  if (typeof branch === 'string') return Object.hasOwn(primitiveTypes, branch) ? branch : fullName(branch, namespace)
  if (!isObject(branch)) return undefined
  if (['record', 'error', 'enum', 'fixed'].includes(String(branch['type']))) return fullNameOf(branch, namespace)
  return ['array', 'map'].includes(String(branch['type']))
    ? String(branch['type'])
    : branchName(branch['type'], namespace)
}

/** What to say of a name that nobody defines. */
export function unknownName({ at, name }: NameUse, known: Iterable<string>): string {
  const near = nearestName(name, [...typeNames, ...known])
  return `${where(at)}${name} is no type${near === null ? ', and none of references' : `, did you mean ${near}?`}`
}

const optionNames = ['fields', 'longs', 'subject', 'references']
const wordsOf = { longs: ['bigint', 'number'], subject: ['topic', 'record', 'topic-record'] }

/** Of what `avro()` is given besides the schema. Names of fields are looked at when the schema is known. */
export function problemsOfOptions(given: unknown): string[] {
  if (!isObject(given)) return [`the options are ${shown(given)}, which is no object`]
  const problems = Object.entries(wordsOf).flatMap(([name, words]) => {
    const value = given[name]
    return value === undefined || words.some((word) => word === value)
      ? []
      : [`${name}: ${shown(value)} is not one of ${words.join(', ')}`]
  })
  const { fields, references } = given
  if (fields !== undefined && !(Array.isArray(fields) && fields.length > 0 && fields.every(isWord))) {
    problems.push(`fields: ${shown(fields)} is not a list of at least one field`)
  }
  if (references !== undefined && !Array.isArray(references)) {
    problems.push(`references: ${shown(references)} is not a list of schemas`)
  }
  return [...problems, ...unknownKeys(given, optionNames, `there are ${optionNames.join(', ')}`)]
}
