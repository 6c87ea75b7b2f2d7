/** What the definitions of operators have in common, looked at in the call that declares them. */
import { forgottenCall, isObject, shown } from '../options/declared.ts'

/** By what it is, not by where it came from: there may be a second copy of the package. */
function isKind(value: unknown, kind: 'topic' | 'table'): boolean {
  return isObject(value) && value['kind'] === kind && typeof value['name'] === 'string'
}

export function problemsOfName(name: unknown): string[] {
  if (name === undefined) return []
  const isName = typeof name === 'string' && /^[^\s\p{Cc}]([^\p{Cc}]*[^\s\p{Cc}])?$/u.test(name)
  return isName ? [] : [`name: ${shown(name)} is not an operator's name`]
}

/** `field`: where it stands in the definition. */
export function problemsOfTopic(field: string, value: unknown): string[] {
  if (isKind(value, 'topic')) return []
  const forgotten = forgottenCall(value, (called) => `${called}('…')`)
  const what = isKind(value, 'table') ? 'a table' : shown(value)
  return [`${field}: ${forgotten ?? `${what} is no topic; make one with topic()`}`]
}

export function problemsOfOutputs(outputs: unknown): string[] {
  if (outputs === undefined) return []
  if (!Array.isArray(outputs)) return [`outputs: ${shown(outputs)} is not a list: write [ … ]`]
  return (outputs as unknown[]).flatMap((output, at) =>
    isKind(output, 'topic') || isKind(output, 'table')
      ? []
      : [`outputs[${at}]: ${shown(output)} is no topic and no table`],
  )
}

export function problemsOfFunctions(
  definition: Readonly<Record<string, unknown>>,
  required: readonly string[],
  optional: readonly string[],
): string[] {
  return [...required, ...optional].flatMap((field) => {
    const value = definition[field]
    if (typeof value === 'function' || (value === undefined && optional.includes(field))) return []
    return [`${field}: ${shown(value)} is no function`]
  })
}

/** The longest time that may be given: a hundred years. */
export const MOST_MS = 3_155_760_000_000

export function problemsOfTime(field: string, value: unknown, leastMs: number): string[] {
  const isTime = Number.isSafeInteger(value) && (value as number) >= leastMs && (value as number) <= MOST_MS
  return isTime ? [] : [`${field}: ${shown(value)} is no whole number of milliseconds, ${leastMs} to ${MOST_MS}`]
}

export function problemsOfOptionalTime(field: string, value: unknown, leastMs: number): string[] {
  return value === undefined ? [] : problemsOfTime(field, value, leastMs)
}

/** Its function would never be called. */
export function problemsOfFarFuture({ farFuture, maxAdvanceMs }: Readonly<Record<string, unknown>>): string[] {
  return farFuture !== undefined && maxAdvanceMs === undefined
    ? ['farFuture: it means nothing without maxAdvanceMs']
    : []
}
