/** What `defineHandler` must be given, and what it makes of an instance of a class. */
import { problemsOfStates } from '../../state/declared-state.ts'
import { problemsOfTimers } from '../../state/timers.ts'
import { problemsOfTables } from '../../operators/tables/declared-tables.ts'
import { forgottenCall, isObject, refuseWrong, shown, unknownKeys } from '../../options/declared.ts'

/** What definitions of all kinds may have. */
export const commonKeys = ['name', 'input', 'outputs', 'state', 'setup', 'teardown', 'handle', 'onError'] as const
const timerKeys = ['timers', 'onTimer'] as const
const handlerKeys = [...commonKeys, ...timerKeys, 'tables'] as const

const functions = ['setup', 'teardown', 'onError']

const ELSEWHERE = `options of the actor stand beside \`handler\` in defineApp, and what a handler needs is opened by its setup`

/**
 * The definition as an object of its own fields: of an instance of a class, whose methods a spread would lose, each is
 * read and bound to the instance. Throws OPTIONS_INVALID that names every problem; `call` is who was given it.
 */
export function readDefinition<Definition extends object>(
  call: string,
  definition: Definition,
  keys: readonly string[] = handlerKeys,
): Definition {
  refuseWrong(`${call}()${nameIn(definition)}`, problemsOfDefinition(definition, keys))
  return isOfClass(definition) ? bound(definition, keys) : definition
}

function problemsOfDefinition(definition: unknown, keys: readonly string[]): string[] {
  const forgotten = forgottenCall(definition, () => '{ input, handle }')
  if (forgotten !== undefined) return [forgotten]
  if (!isObject(definition)) return [`the definition is ${shown(definition)}, which is no object`]
  const { name, input, handle, outputs, state } = definition
  const problems: string[] = []
  if (name !== undefined && !isName(name)) problems.push(`name: ${shown(name)} is not a handler's name`)
  if (!isKind(input, 'topic')) {
    const forgottenTopic = forgottenCall(input, (called) => `${called}('…')`)
    problems.push(`input: ${forgottenTopic ?? `${named(input)} is no topic; make one with topic()`}`)
  }
  if (typeof handle !== 'function') problems.push(`handle: ${shown(handle)} is no function`)
  for (const key of functions) {
    const value = definition[key]
    if (value !== undefined && typeof value !== 'function') problems.push(`${key}: ${shown(value)} is no function`)
  }
  if (outputs !== undefined) problems.push(...problemsOfOutputs(outputs))
  if (state !== undefined) problems.push(...problemsOfStates(state))
  if (keys.includes('timers')) problems.push(...problemsOfTimers(definition['timers'], definition['onTimer']))
  else if (timerKeys.some((key) => definition[key] !== undefined)) {
    problems.push('timers: a batch handler has none, since a timer is of one key: use defineHandler()')
  }
  const { tables } = definition
  if (tables !== undefined) {
    if (keys.includes('tables')) problems.push(...problemsOfTables(tables, input))
    else problems.push('tables: a batch handler has none; use defineHandler()')
  }
  // An instance may have more: it is its own affair.
  return isOfClass(definition)
    ? problems
    : [...problems, ...unknownKeys(definition, [...keys, ...timerKeys, 'tables', 'kind'], ELSEWHERE)]
}

function problemsOfOutputs(outputs: unknown): string[] {
  if (!Array.isArray(outputs)) return [`outputs: ${named(outputs)} is not a list: write [ … ]`]
  return (outputs as unknown[]).flatMap((output, at) =>
    isKind(output, 'topic') || isKind(output, 'table')
      ? []
      : [`outputs[${at}]: ${named(output)} is no topic and no table`],
  )
}

/** By what it is, not by where it came from: there may be a second copy of the package. */
function isKind(value: unknown, kind: 'topic' | 'table'): boolean {
  return isObject(value) && value['kind'] === kind && typeof value['name'] === 'string'
}

function named(value: unknown): string {
  if (!isObject(value) || !(isKind(value, 'topic') || isKind(value, 'table'))) return shown(value)
  return `${String(value['kind'])} ${String(value['name'])}`
}

/** A name turns up in logs and errors. */
function isName(name: unknown): boolean {
  return typeof name === 'string' && /^[^\s\p{Cc}]([^\p{Cc}]*[^\s\p{Cc}])?$/u.test(name)
}

function nameIn(definition: unknown): string {
  return isObject(definition) && isName(definition['name']) ? ` of ${String(definition['name'])}` : ''
}

function isOfClass(definition: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(definition)
  return prototype !== null && Object.getPrototypeOf(prototype) !== null
}

function bound<Definition extends object>(instance: Definition, keys: readonly string[]): Definition {
  const fields: Record<string, unknown> = {}
  for (const key of keys) {
    const value: unknown = Reflect.get(instance, key)
    if (value !== undefined) fields[key] = typeof value === 'function' ? value.bind(instance) : value
  }
  return fields as Definition
}
