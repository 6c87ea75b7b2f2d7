/** A schema as users give it: an object, its JSON, or the file that it stands in. */
import { readFileSync } from 'node:fs'
import { shown } from '../../options/declared.ts'
import { JsonWriter } from '../flows/json-writer.ts'
import { wideIntegers, withBigInts } from '../flows/wide-integers.ts'
import { primitiveTypes } from './type-mapping.ts'

export interface SchemaSource {
  readonly json: unknown
  /** As it is registered. */
  readonly text: string
}

/** The schema, or what is wrong with it. */
export function readSource(given: unknown): SchemaSource | string {
  if (given instanceof URL) return readFile(given)
  if (typeof given === 'string') {
    if (Object.hasOwn(primitiveTypes, given)) return { json: given, text: JSON.stringify(given) }
    return parsed(given, hintFor(given))
  }
  if (typeof given !== 'object' || given === null) {
    return `${shown(given)} is no schema: it has to be an object, its JSON, or the URL of a file`
  }
  try {
    // A default beyond 2^53 is a bigint.
    return { json: given, text: new JsonWriter(true).write(given)! }
  } catch (error) {
    return `the schema is no JSON: ${(error as Error).message}`
  }
}

function hintFor(text: string): string {
  return /\.(avsc|json)$/.test(text) ? `: for a file write new URL('${text}', import.meta.url)` : ''
}

function readFile(url: URL): SchemaSource | string {
  try {
    const source = parsed(readFileSync(url, 'utf8').replace(/^\uFEFF/, ''))
    return typeof source === 'string' ? `${url.href}: ${source}` : source
  } catch (error) {
    return `${url.href} cannot be read: ${(error as Error).message}`
  }
}

function parsed(text: string, hint = ''): SchemaSource | string {
  try {
    return { json: jsonOf(text), text }
  } catch (error) {
    return `${shown(text)} is no JSON (${(error as Error).message})${hint}`
  }
}

/** With integers beyond 2^53 as bigint: defaults of longs. */
export function jsonOf(text: string): unknown {
  const json: unknown = JSON.parse(text)
  const bytes = Buffer.from(text, 'utf8')
  const wide = wideIntegers(bytes)
  return wide.length === 0 ? json : withBigInts(bytes, wide)
}
