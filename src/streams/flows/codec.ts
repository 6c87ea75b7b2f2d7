/**
 * Bytes to values and back. A codec runs where the handler runs, so on a worker thread when the
 * handler does. Whatever it throws dead-letters the record with its raw bytes.
 */
import { refuseWrong } from '../../options/declared.ts'
import type { Codec } from './contract.ts'
import { problemsOfJson, type unsafeIntegerWords } from './flow-shapes.ts'
import { JsonWriter, jsonText } from './json-writer.ts'
import { checkBy, isStandardSchema, type StandardSchema } from './standard-schema.ts'
import { encoded, utf8, utf8Bytes } from './unicode.ts'
import { mayHoldWideInteger, wideIntegers, withBigInts, type WideInteger } from './wide-integers.ts'

export type { Codec } from './contract.ts'

/**
 * What becomes of integers beyond 2^53 − 1, which a JavaScript number rounds:
 * - `refuse`: the record failed for good (DECODE_FAILED).
 * - `bigint`: those are read as bigint, others as number; a bigint is written as an integer.
 * - `round`: they are read as JSON.parse reads them, to the nearest number.
 *
 * What is written with a fraction or an exponent is a double by nature, and rounded as every double is.
 */
export type UnsafeIntegers = (typeof unsafeIntegerWords)[number]

/** Turns what was parsed into a value of your type, or throws; or a schema that does (zod, valibot, arktype, …). */
export type JsonCheck<Value> = ((parsed: unknown) => Value) | StandardSchema<Value>

export interface JsonOptions<Value> {
  /** What is read goes through it; what is written does not: a schema may transform, and then knows no way back. */
  readonly check?: JsonCheck<Value>
  /** `refuse` unless given. */
  readonly unsafeIntegers?: UnsafeIntegers
}

/**
 * JSON in UTF-8. A schema or a function alone is the `check`. A schema has to be synchronous, and the value has the type that
 * comes out of it: what it transforms it does on reading, and a value is written as it is given. Throws OPTIONS_INVALID.
 */
export function json<Value>(check: StandardSchema<Value>): Codec<Value>
export function json<Value>(given?: ((parsed: unknown) => Value) | JsonOptions<Value>): Codec<Value>
export function json<Value>(given: JsonCheck<Value> | JsonOptions<Value> = {}): Codec<Value> {
  refuseWrong('json()', problemsOfJson(given))
  const options = isCheck(given) ? { check: given } : given
  const { unsafeIntegers = 'refuse' } = options
  const check = isStandardSchema(options.check) ? checkBy(options.check) : options.check
  const writer = new JsonWriter(unsafeIntegers === 'bigint')
  return {
    name: 'json',
    decode(bytes) {
      const parsed = parse(bytes, unsafeIntegers)
      return check === undefined ? (parsed as Value) : check(parsed)
    },
    encode: (value) => encoded(jsonText(value, writer)),
  }
}

function isCheck<Value>(given: JsonCheck<Value> | JsonOptions<Value>): given is JsonCheck<Value> {
  return typeof given === 'function' || isStandardSchema(given)
}

/** Text in UTF-8. */
export const text: Codec<string> = {
  name: 'text',
  decode: utf8,
  encode: (value) => utf8Bytes(value),
}

/** The bytes as they are. */
export const bytes: Codec<Uint8Array> = {
  name: 'bytes',
  decode: (value) => value,
  encode: (value) => value,
}

function parse(bytes: Uint8Array, unsafeIntegers: UnsafeIntegers): unknown {
  const text = utf8(bytes)
  const parsed: unknown = JSON.parse(text)
  if (unsafeIntegers === 'round' || !mayHoldWideInteger(bytes)) return parsed
  const wide = wideIntegers(bytes)
  const [first] = wide
  if (first === undefined) return parsed
  if (unsafeIntegers === 'refuse') throw unsafe(first)
  return withBigInts(bytes, wide)
}

function unsafe({ digits, from }: WideInteger): RangeError {
  const shown = digits.length > 40 ? `${digits.slice(0, 40)}…` : digits
  return new RangeError(
    `the integer ${shown} at byte ${from} is beyond 2^53, where JavaScript's numbers are rounded; ` +
      "json({ unsafeIntegers: 'bigint' }) reads it as it is, and 'round' rounded",
  )
}
