/** What `topic()` and `table()` must be given. Each returns what is wrong with it: every problem, not the first. */
import { forgottenCall, isObject, shown, unknownKeys } from '../../options/declared.ts'
import { nearestName } from '../../options/near-miss.ts'
import { isStandardSchema, schemaProblem } from './standard-schema.ts'

/** Kafka's rule. */
export function isTopicName(name: unknown): name is string {
  return typeof name === 'string' && /^(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}$/.test(name)
}

export const TOPIC_NAME_RULE = "a topic's name (letters, digits, '.', '_', '-'; at most 249)"

export function problemsOfTopic(name: unknown, options: unknown): string[] {
  const problems = isTopicName(name) ? [] : [`${shown(name)} is not ${TOPIC_NAME_RULE}`]
  if (!isObject(options)) return [...problems, notAnObject(options)]
  // `topic('x', json())`
  if (codecProblem(options) === undefined) return [...problems, 'the options are a codec: write { value: … }']
  const { codec, latestPerCheckpoint, time, tombstones } = options
  if (codec !== undefined) problems.push('codec: the codec of values is called value: write { value: … }')
  for (const part of ['key', 'value']) {
    const isWrong = options[part] === undefined ? undefined : codecProblem(options[part])
    if (isWrong !== undefined) problems.push(`${part}: ${isWrong}`)
  }
  if (tombstones !== undefined && typeof tombstones !== 'boolean') {
    problems.push(`tombstones: ${shown(tombstones)} is not true or false`)
  }
  if (latestPerCheckpoint !== undefined && typeof latestPerCheckpoint !== 'boolean') {
    problems.push(`latestPerCheckpoint: ${shown(latestPerCheckpoint)} is not true or false`)
  }
  if (time !== undefined && typeof time !== 'function') {
    problems.push(`time: ${shown(time)} is no function that takes a value and returns milliseconds`)
  }
  const known = ['codec', 'key', 'value', 'tombstones', 'latestPerCheckpoint', 'time']
  return [...problems, ...unknownKeys(options, known, 'there are key, value, tombstones, latestPerCheckpoint and time')]
}

export const unsafeIntegerWords = ['refuse', 'bigint', 'round'] as const

/** Of what `json()` is given: the check alone, or options. */
export function problemsOfJson(given: unknown): string[] {
  if (typeof given === 'function' || isSchema(given)) {
    const checkIsWrong = checkProblem(given)
    return checkIsWrong === undefined ? [] : [checkIsWrong]
  }
  if (!isObject(given)) return [notAnObject(given)]
  const { check, unsafeIntegers } = given
  const problems: string[] = []
  const optionIsWrong = check === undefined ? undefined : checkProblem(check)
  if (optionIsWrong !== undefined) problems.push(`check: ${optionIsWrong}`)
  if (unsafeIntegers !== undefined && !unsafeIntegerWords.some((word) => word === unsafeIntegers)) {
    problems.push(`unsafeIntegers: ${shown(unsafeIntegers)} is not one of ${unsafeIntegerWords.join(', ')}`)
  }
  const hint = 'there are check, which turns what was parsed into a value or throws, and unsafeIntegers'
  return [...problems, ...unknownKeys(given, ['check', 'unsafeIntegers'], hint)]
}

function checkProblem(check: unknown): string | undefined {
  if (isStandardSchema(check)) return schemaProblem(check)
  if (isSchema(check)) return 'it knows no Standard Schema: write (parsed) => schema.parse(parsed)'
  if (typeof check !== 'function')
    return `${shown(check)} is no schema, and no function that returns the value or throws`
  const isClass = Function.prototype.toString.call(check).startsWith('class')
  return isClass ? `${check.name} is a class: write (parsed) => new ${check.name}(parsed)` : undefined
}

/** What says so by the Standard Schema, or, as those of older libraries, is an object of a class that parses. */
function isSchema(value: unknown): boolean {
  if (isStandardSchema(value)) return true
  return isObject(value) && Object.getPrototypeOf(value) !== Object.prototype && typeof value['parse'] === 'function'
}

export function problemsOfTable(name: unknown, options: unknown): string[] {
  const problems = typeof name === 'string' && name !== '' ? [] : [`${shown(name)} is not a table's name`]
  if (!isObject(options)) return [...problems, notAnObject(options)]
  const { columns, key, sink } = options
  const names = isObject(columns) ? Object.keys(columns) : []
  if (names.length === 0) problems.push(`columns: ${shown(columns)} is not an object of at least one column`)
  for (const [column, type] of Object.entries(isObject(columns) ? columns : {})) {
    if (typeof type === 'string' && type !== '') continue
    problems.push(`columns.${column}: ${shown(type)} is not the name of a type, such as 'text'`)
  }
  problems.push(...problemsOfKey(key, names))
  if (sink !== undefined && (typeof sink !== 'string' || sink === '')) {
    problems.push(`sink: ${shown(sink)} is not the name of a sink`)
  }
  return [...problems, ...unknownKeys(options, ['columns', 'key', 'sink'], 'there are columns, key and sink')]
}

function problemsOfKey(key: unknown, columns: readonly string[]): string[] {
  if (!Array.isArray(key) || key.length === 0) return [`key: ${shown(key)} is not a list of at least one column`]
  return (key as unknown[]).flatMap((column, at) => {
    if (typeof column !== 'string' || !columns.includes(column)) {
      const near = typeof column === 'string' ? nearestName(column, columns) : null
      const named = typeof column === 'string' ? column : shown(column)
      return [`key: ${named} is no column${near === null ? '' : `, did you mean ${near}?`}`]
    }
    return key.indexOf(column) < at ? [`key: ${column} stands there twice`] : []
  })
}

function codecProblem(codec: unknown): string | undefined {
  // Some of them have functions called decode and encode, which know no bytes.
  if (isStandardSchema(codec)) return 'it is a schema, which checks and reads no bytes: write json(schema)'
  const forgotten = forgottenCall(codec, (name) => `${name}()`)
  if (forgotten !== undefined) return forgotten
  if (!isObject(codec)) {
    return `${shown(codec)} is no codec (an object with decode and encode, such as json(), text or bytes)`
  }
  const missing = ['decode', 'encode'].filter((method) => typeof codec[method] !== 'function')
  if (missing.length === 2 && typeof codec['type'] === 'string') {
    return 'it is an Avro schema: write avro(schema), of troupe/avro'
  }
  return missing.length === 0 ? undefined : `it has no function ${missing.join(' and ')}`
}

function notAnObject(options: unknown): string {
  return `the options are ${shown(options)}, which is no object`
}
