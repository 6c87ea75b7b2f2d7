/** What `avro()` was given, looked at and parsed: all problems at once, or the types and schemas that a codec works with. */
import { refuseWrong, shown } from '../../options/declared.ts'
import { nearestName } from '../../options/near-miss.ts'
import type { OwnSchema } from '../flows/contract.ts'
import { isUnion, type AvroType } from './avsc-inside.ts'
import { Unwritable, type Longs } from './primitives.ts'
import { nameOf } from './resolving.ts'
import { selfContained } from './self-contained.ts'
import { ownType, projectedType, withoutDefaults } from './schema-types.ts'
import { readSource, type SchemaSource } from './schema-source.ts'
import { branchName, problemsOfOptions, surveyOf, unknownName, type Definition, type Survey } from './survey.ts'

/** By what a schema is registered: the topic, the record's full name, or both. */
export type SubjectStrategy = 'topic' | 'record' | 'topic-record'

export interface DeclarationOptions {
  readonly fields?: readonly string[]
  readonly longs?: Longs
  readonly subject?: SubjectStrategy
  readonly references?: readonly unknown[]
}

export interface Declaration {
  readonly type: AvroType
  readonly schema: OwnSchema
  readonly strategy: SubjectStrategy
  /** Of a union under a strategy by record names: each branch is registered by itself. Else the schema alone. */
  readonly written: readonly OwnSchema[]
  readonly isUnion: boolean
  /** undefined: it is no projection. */
  readonly fields: readonly string[] | undefined
}

interface Part {
  readonly source: SchemaSource
  readonly survey: Survey
  /** Of references, `references[0]: `. */
  readonly label: string
}

/** Throws OPTIONS_INVALID, with everything that is wrong. */
export function declared(given: unknown, options: unknown): Declaration {
  const problems = problemsOfOptions(options)
  const { fields, longs = 'bigint', references = [], subject = 'topic' } = (options ?? {}) as DeclarationOptions
  const listed: readonly unknown[] = Array.isArray(references) ? references : []
  const schema = partOf(given, '', problems)
  const others = listed.map((each, index) => partOf(each, `references[${index}]: `, problems))
  refuseWrong('avro()', problems)
  const parts = others.map((part) => part!)
  const family = new Family(schema!, parts)
  refuseWrong('avro()', family.problems())
  const type = parsed(schema!, family.inOrder(), longs)
  refuseWrong('avro()', [...problemsOfFields(fields, type), ...problemsOfSubject(subject, schema!, type)])
  const isUnion = Array.isArray(schema!.source.json)
  return {
    type: fields === undefined ? type : projection(type, schema!, fields, longs),
    schema: family.own(schema!),
    strategy: subject,
    written: isUnion && subject !== 'topic' ? family.branches() : [family.own(schema!)],
    isUnion,
    fields,
  }
}

function partOf(given: unknown, label: string, problems: string[]): Part | undefined {
  const source = readSource(given)
  if (typeof source === 'string') {
    problems.push(`${label}${source}`)
    return undefined
  }
  const survey = surveyOf(source.json)
  problems.push(...survey.problems.map((problem) => `${label}${problem}`))
  return { source, survey, label }
}

/** A schema and its references: who defines what, and who needs whom. */
class Family {
  readonly #schema: Part
  readonly #others: readonly Part[]
  readonly #definer = new Map<string, Part>()
  readonly #own = new Map<Part, OwnSchema>()

  constructor(schema: Part, others: readonly Part[]) {
    this.#schema = schema
    this.#others = others
    for (const part of others) for (const name of part.survey.defined.keys()) this.#definer.set(name, part)
  }

  problems(): string[] {
    const problems: string[] = []
    const seen = new Map<string, Part>()
    for (const part of [this.#schema, ...this.#others]) {
      for (const name of part.survey.defined.keys()) {
        const before = seen.get(name)
        if (before !== undefined)
          problems.push(`${part.label}${name} is defined ${before.label === '' ? 'by the schema' : 'before'}, too`)
        seen.set(name, part)
      }
      const unknown = part.survey.uses.filter(({ name }) => !this.#definer.has(name))
      problems.push(...unknown.map((use) => `${part.label}${unknownName(use, this.#definer.keys())}`))
      if (part !== this.#schema && this.#reaches(part, part, new Set())) {
        problems.push(`${part.label}it needs a schema that needs it`)
      }
    }
    if (problems.length > 0) return problems
    const needed = this.inOrder()
    return this.#others.filter((part) => !needed.includes(part)).map(({ label }) => `${label}nobody names it`)
  }

  /** Those that the schema needs, each behind those that it needs itself. */
  inOrder(): Part[] {
    const found = new Set<Part>()
    const visit = (part: Part): void => {
      for (const needed of this.#neededBy(part)) {
        if (found.has(needed)) continue
        visit(needed)
        found.add(needed)
      }
    }
    visit(this.#schema)
    return [...found]
  }

  own(part: Part): OwnSchema {
    const known = this.#own.get(part)
    if (known !== undefined) return known
    const { source } = part
    const references = this.#neededBy(part).map((needed) => this.own(needed))
    const own: OwnSchema = { type: 'AVRO', name: nameOfJson(source.json), text: source.text, references }
    this.#own.set(part, own)
    return own
  }

  /** Of a union, each with what it takes from its sisters. */
  branches(): OwnSchema[] {
    const { source, survey } = this.#schema
    return (source.json as unknown[]).map((branch): OwnSchema => {
      const name = branchName(branch, '')!
      const definer = this.#definer.get(name)
      if (definer !== undefined && nameOfJson(definer.source.json) === name) return this.own(definer)
      const whole = selfContained(branch, survey.defined)
      const text = JSON.stringify(whole)
      const needed = new Set(surveyOf(whole).uses.map((use) => this.#definer.get(use.name)!))
      return { type: 'AVRO', name, text, references: [...needed].map((part) => this.own(part)) }
    })
  }

  #neededBy({ survey }: Part): Part[] {
    return [...new Set(survey.uses.map(({ name }) => this.#definer.get(name)!))]
  }

  #reaches(from: Part, to: Part, seen: Set<Part>): boolean {
    if (seen.has(from)) return false
    seen.add(from)
    const needed = [...new Set(from.survey.uses.map(({ name }) => this.#definer.get(name)))]
    return needed.some((part) => part !== undefined && (part === to || this.#reaches(part, to, seen)))
  }
}

function nameOfJson(json: unknown): string {
  return Array.isArray(json) ? 'union' : (branchName(json, '') ?? 'schema')
}

/** The survey has shown that all is well but for defaults: what is wrong with those, their types say. */
function parsed(schema: Part, references: readonly Part[], longs: Longs): AvroType {
  const known: Record<string, AvroType> = {}
  try {
    for (const { source } of references) ownType(source.json, known, longs)
    return ownType(schema.source.json, known, longs)
  } catch (error) {
    const types: Record<string, AvroType> = {}
    for (const { source } of [...references, schema]) ownType(withoutDefaults(source.json), types, longs)
    const problems = [...references, schema].flatMap(({ label, survey }) =>
      [...survey.defined].flatMap(([name, definition]) => {
        return problemsOfDefaults(name, definition, types).map((problem) => `${label}${problem}`)
      }),
    )
    refuseWrong('avro()', problems)
    throw error
  }
}

function problemsOfDefaults(name: string, { schema }: Definition, types: Readonly<Record<string, AvroType>>): string[] {
  const fields = Array.isArray(schema['fields']) ? (schema['fields'] as { name: string; default?: unknown }[]) : []
  return fields.flatMap((field, at) => {
    const value = field.default
    if (value === undefined) return []
    const { type } = types[name]!.fields[at]!
    try {
      type._copy(value, { coerce: 2, wrap: 2 })
      return []
    } catch (error) {
      const first = isUnion(type) ? `; it has to be of the first type of the union, ${nameOf(type.types[0]!)}` : ''
      const reason = error instanceof Unwritable ? error.message : `it has to be ${nameOf(type)}`
      return [`${name}.${field.name}: default ${shown(value)}: ${reason}${first}`]
    }
  })
}

function problemsOfFields(fields: readonly string[] | undefined, type: AvroType): string[] {
  if (fields === undefined) return []
  if (type.typeName !== 'record') return [`fields: the schema is a ${type.typeName.replace(/:.*/, '')}, and has none`]
  const names = type.fields.map(({ name }) => name)
  return fields.flatMap((field, index) => {
    if (fields.indexOf(field) < index) return [`fields: ${field} stands there twice`]
    if (names.includes(field)) return []
    const near = nearestName(field, names)
    return [`fields: ${type.name!} has no field ${field}${near === null ? '' : `, did you mean ${near}?`}`]
  })
}

function problemsOfSubject(subject: SubjectStrategy, { source }: Part, type: AvroType): string[] {
  if (subject === 'topic') return []
  const types = Array.isArray(source.json) ? type.types : [type]
  return types
    .filter(({ name }) => name === undefined)
    .map(({ typeName }) => `subject: by '${subject}' each schema goes by its name, and ${typeName} has none`)
}

function projection(type: AvroType, { source }: Part, fields: readonly string[], longs: Longs): AvroType {
  const raw = recordOf(source.json)
  const kept = type.fields.filter(({ name }) => fields.includes(name))
  return projectedType(
    type,
    kept.map(({ aliases, name, type: fieldType }) => {
      const fallback = raw.find((field) => field['name'] === name)?.['default']
      return { name, aliases, type: fieldType, ...(fallback === undefined ? {} : { default: fallback }) }
    }),
    longs,
  )
}

/** The fields of the record at the top, as they are written. */
function recordOf(json: unknown): readonly Readonly<Record<string, unknown>>[] {
  const { fields, type } = json as { fields?: readonly Readonly<Record<string, unknown>>[]; type?: unknown }
  return fields ?? recordOf(type)
}
