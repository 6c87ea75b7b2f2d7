/**
 * A sample of a schema's values, as JSON that people write, and whether a codec does with it what it should. What JSON has no
 * word for is written as text: integers beyond 2^53 in digits, times as ISO-8601, bytes one character each, as Avro's own
 * JSON has them.
 */
import { isDeepStrictEqual } from 'node:util'
import { describeError } from '../errors.ts'
import { bareBranch, logicalTypeOf } from '../streams/avro/type-mapping.ts'
import { json, type Codec } from '../streams/flows/codec.ts'
import { shown } from '../options/declared.ts'
import { isNamed, type AvroType, type PrimitiveType } from './avro-type.ts'

/** What a bad sample says of itself. */
interface BadSample {
  /** What is wrong with it, for people. */
  readonly wrong: string
  /** What the refusal has to name: the field. undefined: anything. */
  readonly at: string | undefined
  readonly payload: { readonly value: unknown } | { readonly bytes: Uint8Array }
}

const jsonOfSamples = json({ unsafeIntegers: 'bigint' })

/** Encodes, decodes, and is itself again. undefined: so it is. */
export function judgeGood(codec: Codec<unknown>, type: AvroType, text: string): string | undefined {
  const parsed = parse(text)
  if (typeof parsed === 'string') return parsed
  const value = valueOf(type, parsed.json)
  let bytes: Uint8Array
  try {
    bytes = codec.encode(value)
  } catch (error) {
    return `does not encode: ${describeError(error)}`
  }
  try {
    const back = codec.decode(bytes)
    return isDeepStrictEqual(back, value) ? undefined : `comes back as another value: ${difference(value, back, '')}`
  } catch (error) {
    return `encodes, but does not decode: ${describeError(error)}`
  }
}

/** Is refused, and for what it says. undefined: so it is. */
export function judgeBad(codec: Codec<unknown>, type: AvroType, text: string): string | undefined {
  const parsed = parse(text)
  if (typeof parsed === 'string') return parsed
  const sample = badSampleOf(type, parsed.json)
  if (typeof sample === 'string') return sample
  const { at, payload, wrong } = sample
  try {
    if ('bytes' in payload) codec.decode(payload.bytes)
    else codec.encode(payload.value)
  } catch (error) {
    const reason = describeError(error)
    if (at === undefined || reason.includes(at)) return undefined
    return `is refused for something else than ${at} (${wrong}): ${reason}`
  }
  return `is taken, though: ${wrong}`
}

function parse(text: string): { readonly json: unknown } | string {
  try {
    return { json: jsonOfSamples.decode(Buffer.from(text)) }
  } catch (error) {
    return `is no JSON: ${describeError(error)}`
  }
}

const BAD_FORM =
  'has to be {"wrong": "what is wrong", "value": …}, or "bytes" in hexadecimal digits, and "at" for the field'

function badSampleOf(type: AvroType, given: unknown): BadSample | string {
  if (!isObject(given)) return BAD_FORM
  const { at, bytes, value, wrong, ...rest } = given
  const hasValue = 'value' in given
  if (typeof wrong !== 'string' || wrong === '' || hasValue === 'bytes' in given) return BAD_FORM
  if ((at !== undefined && typeof at !== 'string') || Object.keys(rest).length > 0) return BAD_FORM
  if (hasValue) return { wrong, at, payload: { value: valueOf(type, value) } }
  if (typeof bytes !== 'string' || !/^(?:[0-9a-f]{2})*$/i.test(bytes)) return BAD_FORM
  return { wrong, at, payload: { bytes: Buffer.from(bytes, 'hex') } }
}

/** What does not fit stays as it is written: to refuse it is the codec's. */
export function valueOf(type: AvroType, given: unknown): unknown {
  switch (type.kind) {
    case 'record': {
      if (!isObject(given)) return given
      const types = new Map(type.fields.map((field) => [field.name, field.type]))
      return mapped(given, (item, name) => {
        const fieldType = types.get(name)
        return fieldType === undefined ? item : valueOf(fieldType, item)
      })
    }
    case 'array':
      return Array.isArray(given) ? given.map((item) => valueOf(type.items, item)) : given
    case 'map':
      return isObject(given) ? mapped(given, (item) => valueOf(type.values, item)) : given
    case 'union':
      return unionValue(type.branches, given)
    case 'enum':
      return given
    case 'fixed':
      return logicalOf(type, type.size) === undefined ? bytesOf(given) : given
    default:
      return primitiveValue(type, given)
  }
}

function unionValue(branches: readonly AvroType[], given: unknown): unknown {
  if (given === null) return null
  if (bareBranch(branches.map(({ kind }) => kind)) !== undefined) {
    return valueOf(
      branches.find(({ kind }) => kind !== 'null')!,
      given,
    )
  }
  if (!isObject(given)) return given
  return mapped(given, (item, key) => {
    const branch = branches.find((each) => (isNamed(each) ? each.name : each.kind) === key)
    return branch === undefined ? item : valueOf(branch, item)
  })
}

function primitiveValue(type: PrimitiveType, given: unknown): unknown {
  const logical = logicalOf(type)
  switch (type.kind) {
    case 'long':
      if (logical === 'timestamp-millis') return timeOf(given)
      return logical?.startsWith('local-timestamp-') === true ? given : longOf(given)
    case 'float':
      return typeof given === 'number' ? Math.fround(given) : doubleOf(given)
    case 'double':
      return doubleOf(given)
    case 'bytes':
      return logical === undefined ? bytesOf(given) : given
    default:
      return given
  }
}

function logicalOf(type: AvroType & { readonly attributes: ReadonlyMap<string, unknown> }, size?: number) {
  const { attributes, kind } = type
  const [logicalType, precision, scale] = ['logicalType', 'precision', 'scale'].map((name) => attributes.get(name))
  return logicalTypeOf({ type: kind, logicalType, precision, scale, size })
}

function longOf(given: unknown): unknown {
  if (typeof given === 'number' && Number.isInteger(given)) return BigInt(given)
  return typeof given === 'string' && /^-?\d{1,30}$/.test(given) ? BigInt(given) : given
}

function doubleOf(given: unknown): unknown {
  return given === 'NaN' || given === 'Infinity' || given === '-Infinity' ? Number(given) : given
}

function timeOf(given: unknown): unknown {
  return typeof given === 'string' && /^[+-]?\d{4,6}-\d\d-\d\dT/.test(given) && !Number.isNaN(Date.parse(given))
    ? new Date(given)
    : given
}

function bytesOf(given: unknown): unknown {
  // eslint-disable-next-line no-control-regex -- any byte may stand there
  return typeof given === 'string' && /^[\u0000-\u00ff]*$/.test(given)
    ? new Uint8Array(Buffer.from(given, 'latin1'))
    : given
}

function mapped(given: Json, change: (item: unknown, key: string) => unknown): Json {
  return Object.fromEntries(Object.entries(given).map(([key, item]) => [key, change(item, key)]))
}

type Json = Readonly<Record<string, unknown>>

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The first place in which two values differ. */
function difference(value: unknown, back: unknown, place: string): string {
  if (isPlain(value) && isPlain(back)) {
    for (const key of new Set([...Object.keys(value), ...Object.keys(back)])) {
      const [one, other] = [Reflect.get(value, key) as unknown, Reflect.get(back, key) as unknown]
      if (!isDeepStrictEqual(one, other)) return difference(one, other, place === '' ? key : `${place}.${key}`)
    }
  }
  return `${place === '' ? 'it' : place} was ${shown(value)}, and is ${shown(back)}`
}

function isPlain(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !(value instanceof Date) && !(value instanceof Uint8Array)
}
