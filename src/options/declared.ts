/**
 * For what users declare by a call (`topic()`, `table()`, `defineHandler()`): it is looked at in that call, where the
 * stack still leads to the line, and not with the first record. Threads load this, so it knows no table of options.
 */
import { inspect } from 'node:util'
import { TroupeError } from '../errors.ts'
import { nearestName } from './near-miss.ts'

/** Throws one OPTIONS_INVALID that names the call and every problem. */
export function refuseWrong(call: string, problems: readonly string[]): void {
  if (problems.length > 0) throw new TroupeError('OPTIONS_INVALID', `${call}: ${problems.join('; ')}`)
}

/** True for an object of keys and values, also of a class. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The keys that mean nothing here, each with the one that was probably meant, or with `hint`. */
export function unknownKeys(given: object, known: readonly string[], hint: string): string[] {
  return Object.keys(given)
    .filter((key) => !known.includes(key))
    .map((key) => {
      const near = nearestName(key, known)
      return near === null ? `${key}: unknown; ${hint}` : `${key}: unknown, did you mean ${near}?`
    })
}

/** A value as a message shows it: short, on one line. */
export function shown(value: unknown): string {
  return inspect(value, { depth: 0, breakLength: Infinity, maxStringLength: 80, maxArrayLength: 5 })
}

/**
 * What to write instead of a function that stands where its result belongs: `json` for `json()`. undefined: it is no
 * function.
 */
export function forgottenCall(value: unknown, call: (name: string) => string): string | undefined {
  if (typeof value !== 'function') return undefined
  const isClass = Function.prototype.toString.call(value).startsWith('class')
  const name = value.name === '' ? 'it' : value.name
  return isClass ? `${name} is a class: write new ${name}()` : `${name} is a function: write ${call(name)}`
}
