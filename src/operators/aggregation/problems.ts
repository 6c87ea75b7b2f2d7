/** What `defineAggregation()` must be given. All problems are named, not the first. */
import { isObject, shown, unknownKeys } from '../../options/declared.ts'
import { namePattern } from '../../state/changelog-format.ts'
import {
  problemsOfFunctions,
  problemsOfName,
  problemsOfOptionalTime,
  problemsOfOutputs,
  problemsOfTopic,
} from '../declaration.ts'
import { allValues, problemOfValue, type Value } from '../values/value.ts'
import { problemOfWindow } from '../windows/declared-window.ts'

const front = ['by', 'byCodec', 'prepare', 'preparedCodec', 'setup', 'teardown', 'markEveryMs']
const windows = ['window', 'values', 'emit', 'ttlMs', 'maxAdvanceMs', 'idleAfterMs']
const outputs = ['outputs', 'result', 'merged', 'late', 'nullKey', 'farFuture']
const known = ['name', 'input', ...front, ...windows, ...outputs]
const optionalFunctions = ['by', 'prepare', 'setup', 'teardown', 'merged', 'late', 'nullKey', 'farFuture']

const ELSEWHERE = `there are ${known.join(', ')}; options of the actor stand beside \`handler\` in defineApp`

/** Options that mean something only where one of others is given. */
const needs: readonly (readonly [option: string, others: readonly string[]])[] = [
  ['setup', ['prepare']],
  ['teardown', ['setup']],
  ['preparedCodec', ['prepare']],
  ['byCodec', ['by']],
  ['markEveryMs', ['by', 'prepare']],
  ['farFuture', ['maxAdvanceMs']],
  ['late', ['window']],
  ['idleAfterMs', ['window']],
]

/** `values` as an object: what a function makes of all there are. */
export function valuesOf(definition: unknown): unknown {
  const values = isObject(definition) ? definition['values'] : undefined
  return typeof values === 'function' ? (values as (of: typeof allValues) => unknown)(allValues) : values
}

export function nameIn(definition: unknown): string {
  const name = isObject(definition) ? definition['name'] : undefined
  return name !== undefined && problemsOfName(name).length === 0 ? ` of ${name as string}` : ''
}

export function problemsOfAggregation(definition: unknown, values: unknown): string[] {
  if (!isObject(definition)) return [`the definition is ${shown(definition)}, which is no object`]
  const { emit, idleAfterMs, input, markEveryMs, maxAdvanceMs, name, outputs, ttlMs, window } = definition
  const windowProblem = window === undefined ? undefined : problemOfWindow(window)
  return [
    ...problemsOfName(name),
    ...problemsOfTopic('input', input),
    ...(windowProblem === undefined ? [] : [`window: ${windowProblem}`]),
    ...problemsOfValues(values, isObject(window) ? window['what'] : undefined),
    ...(emit === undefined || emit === 'final' || emit === 'updates'
      ? []
      : [`emit: ${shown(emit)} is neither 'final' nor 'updates'`]),
    ...problemsOfOptionalTime('ttlMs', ttlMs, 1),
    ...problemsOfOptionalTime('maxAdvanceMs', maxAdvanceMs, 1),
    ...problemsOfOptionalTime('idleAfterMs', idleAfterMs, 1),
    ...problemsOfOptionalTime('markEveryMs', markEveryMs, 1),
    ...problemsOfOutputs(outputs),
    ...problemsOfFunctions(definition, ['result'], optionalFunctions),
    ...['byCodec', 'preparedCodec'].flatMap((field) => problemsOfCodec(field, definition[field])),
    ...problemsTogether(definition),
    ...unknownKeys(definition, [...known, 'kind'], ELSEWHERE),
  ]
}

function problemsOfValues(values: unknown, what: unknown): string[] {
  if (!isObject(values)) return [`values: ${shown(values)} is no object of values: write { orders: count() }`]
  const entries = Object.entries(values)
  if (entries.length === 0) return ['values: there is none in it: write { orders: count() }']
  return entries.flatMap(([name, value]) => {
    if (!namePattern.test(name)) {
      return [`values: ${shown(name)} is no name of a value: letters, digits, _ and -, a letter first, at most 64`]
    }
    const problem = problemOfValue(value)
    if (problem !== undefined) return [`values.${name}: ${problem}`]
    const mustMerge = what === 'session' || what === 'sliding'
    if (!mustMerge || (value as Value<never, unknown>).canMerge) return []
    return [`values.${name}: reduce() needs merge with ${what}(), whose windows come together`]
  })
}

function problemsOfCodec(field: string, codec: unknown): string[] {
  if (codec === undefined || (isObject(codec) && typeof codec['encode'] === 'function')) return []
  return [`${field}: ${shown(codec)} is no codec; there are json(), text and bytes`]
}

function problemsTogether(definition: Readonly<Record<string, unknown>>): string[] {
  const { emit, merged, ttlMs, window } = definition
  const isSession = isObject(window) && window['what'] === 'session'
  const problems = needs.flatMap(([option, others]) =>
    definition[option] === undefined || others.some((other) => definition[other] !== undefined)
      ? []
      : [`${option}: it means nothing without ${others.join(' or ')}`],
  )
  if (window === undefined && emit === 'final') {
    problems.push("emit: without windows nothing is ever final: leave it out, or write 'updates'")
  }
  if (window !== undefined && ttlMs !== undefined) {
    problems.push('ttlMs: windows are gone when they are closed; it is for aggregations without windows')
  }
  if (isSession && emit === 'updates' && merged === undefined) {
    problems.push("merged: sessions with emit 'updates' need it, to take back what was said of those that merge")
  }
  if (merged !== undefined && !(isSession && emit === 'updates')) {
    problems.push("merged: only sessions with emit 'updates' call it")
  }
  return problems
}
