/**
 * Schemas of zod, valibot, arktype and their like, by the interface that they share (https://standardschema.dev). It is
 * repeated here, as its authors offer, so that our types need no package of theirs.
 */

export interface StandardSchema<Output> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined
  }
}

type SchemaResult<Output> =
  { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] }

interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** A value may have a million things wrong with it; a dead letter has room for some words. */
const SHOWN_ISSUES = 5
const SHOWN_STEPS = 20
const SHOWN_CHARACTERS = 200

/** Whether it says of itself that it is one. Its interface is looked at by `schemaProblem`. */
export function isStandardSchema(value: unknown): value is StandardSchema<unknown> {
  return ((typeof value === 'object' && value !== null) || typeof value === 'function') && '~standard' in value
}

/** Why it cannot check what a codec decodes, as far as it shows before the first value. */
export function schemaProblem(schema: StandardSchema<unknown>): string | undefined {
  const standard: Partial<Record<string, unknown>> = schema['~standard']
  const { validate, version } = standard
  if (version !== 1) return `it is a schema of Standard Schema version ${String(version)}, and version 1 is understood`
  if (typeof validate !== 'function') return 'it is a schema that has no validate() by Standard Schema'
  // The standard has no word for it; valibot's schemas do.
  if ('async' in schema && schema.async === true) return `it is an asynchronous schema, and ${SYNCHRONOUS}`
  return undefined
}

const SYNCHRONOUS = 'a codec decodes synchronously: take a synchronous schema, and ask what takes time in the handler'

/** What the schema makes of a value; throws for one that it refuses, with what is wrong and where. */
export function checkBy<Value>(schema: StandardSchema<Value>): (parsed: unknown) => Value {
  const { validate } = schema['~standard']
  return (parsed) => {
    const result = validate(parsed)
    if (isPromise(result)) {
      // Nobody waits for it, so what becomes of it may not end the process.
      result.then(undefined, () => undefined)
      throw new TypeError(
        'the schema answered with a promise (it has an asynchronous check or transform; one of zod answers so, too, where a ' +
          `check throws), and ${SYNCHRONOUS}`,
      )
    }
    if (result.issues !== undefined) throw new TypeError(toldIssues(result.issues))
    return result.value
  }
}

function isPromise<Result extends object>(result: Result | Promise<Result>): result is Promise<Result> {
  return 'then' in result
}

function toldIssues(issues: readonly SchemaIssue[]): string {
  const told = issues.slice(0, SHOWN_ISSUES).map(({ message, path = [] }) => {
    const place = shortened(placeOf(path))
    return place === '' ? shortened(message) : `${place}: ${shortened(message)}`
  })
  const left = issues.length - told.length
  return told.join('; ') + (left > 0 ? `; and ${left} more` : '')
}

/** `items[1].price` */
function placeOf(path: NonNullable<SchemaIssue['path']>): string {
  const steps = path.slice(0, SHOWN_STEPS).map((step) => {
    const key = typeof step === 'object' ? step.key : step
    if (typeof key !== 'string') return `[${String(key)}]`
    return /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`
  })
  return steps.join('').replace(/^\./, '') + (path.length > SHOWN_STEPS ? '…' : '')
}

function shortened(text: string): string {
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text
}
