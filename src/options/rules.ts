/** What an option may be: a schema, and the words that complete "'5s' is not …". */
import { z } from 'zod'
import { isAnyHandler, type AnyHandler } from '../actors/handlers/any-handler.ts'
import type { SharedLoader } from '../actors/handlers/shared-data.ts'
import type { Sink } from '../streams/delivery/sink.ts'
import { isTopicName, TOPIC_NAME_RULE } from '../streams/flows/flow-shapes.ts'
import { isRegistryUrl, type Token } from '../streams/registry/registry-settings.ts'

export interface Rule<Value> {
  readonly text: string
  /** The same for one entry, where the value is an object of named things. */
  readonly entryText?: string
  /** What there is to choose from, where that is all. */
  readonly choices?: readonly string[]
  /** Stands for the value in `--help`. */
  readonly placeholder: string
  /** Takes values of the app's file and the text of a flag or of the environment. */
  readonly schema: z.ZodType<Value>
}

/** Timers and the client's own settings end at a day. */
const DAY_MS = 24 * 60 * 60 * 1000

interface Range {
  readonly min?: number
  readonly max?: number
}

export function milliseconds({ min = 1, max = DAY_MS }: Range = {}): Rule<number> {
  return whole('<ms>', 'a whole number of milliseconds', { min, max })
}

export function bytes(range: Range = { min: 1 }): Rule<number> {
  return whole('<bytes>', 'a whole number of bytes', range)
}

export function count(what: string, range: Range = { min: 1 }): Rule<number> {
  return whole('<n>', `a whole number of ${what}`, range)
}

/** As many at once as what the handler calls takes without its latency growing, which is found out. */
export interface AdaptiveConcurrency {
  readonly min: number
  readonly max: number
  readonly target: 'latency'
}

/** Most records that somebody might want in progress at once: a larger number is a mistake. */
const MAX_CONCURRENCY = 1_000_000

export function concurrency(): Rule<number | AdaptiveConcurrency> {
  const fixed = count('records')
  const limit = z.int().min(1).max(MAX_CONCURRENCY)
  const adaptive = z
    .strictObject({ min: limit, max: limit, target: z.literal('latency') })
    .refine(({ max, min }) => min <= max)
  return {
    text: `${fixed.text}, or { min, max, target: 'latency' } with min from 1 and max from min to ${MAX_CONCURRENCY}`,
    placeholder: fixed.placeholder,
    // One rule for the whole: its message says what each part may be.
    schema: z.union([z.custom<AdaptiveConcurrency>((value) => adaptive.safeParse(value).success), fixed.schema]),
  }
}

export function rate(): Rule<number> {
  return {
    text: 'a number of records a second, from 0.00001 to 1000000',
    placeholder: '<n>',
    schema: z.preprocess(fromDecimal, z.number().min(0.000_01).max(1_000_000)),
  }
}

export function port(): Rule<number | null> {
  const rule = nullable(whole('<port>', 'a port', { min: 0, max: 65_535 }))
  return { ...rule, schema: rule.schema.transform((value) => (value === 0 ? null : value)) }
}

export function fraction(): Rule<number> {
  return {
    text: 'a number from 0 to 1',
    placeholder: '<0..1>',
    schema: z.preprocess(fromDecimal, z.number().min(0).max(1)),
  }
}

export function oneOf<const Choice extends string>(...choices: readonly Choice[]): Rule<Choice> {
  return { text: `one of ${choices.join(', ')}`, choices, placeholder: '<choice>', schema: z.enum(choices) }
}

/** The one value that there is, and why there is no other; `spellings` are further ways to write it. */
export function only<const Value extends string>(
  value: Value,
  spellings: readonly unknown[],
  why: string,
): Rule<Value> {
  return {
    text: `${value}, the only choice: ${why}`,
    choices: [value],
    placeholder: '<choice>',
    schema: z.preprocess((given) => (spellings.includes(given) ? value : given), z.literal(value)),
  }
}

export function yesOrNo(): Rule<boolean> {
  return {
    text: 'true or false',
    choices: ['true', 'false'],
    placeholder: '<choice>',
    schema: z.preprocess((value) => (value === 'true' ? true : value === 'false' ? false : value), z.boolean()),
  }
}

export function name(what: string): Rule<string> {
  // A name turns up in logs, labels and headers: no control characters, no blanks at the ends.
  return { text: what, placeholder: '<name>', schema: z.string().regex(/^[^\s\p{Cc}]([^\p{Cc}]*[^\s\p{Cc}])?$/u) }
}

export function topicName(): Rule<string> {
  return {
    text: TOPIC_NAME_RULE,
    placeholder: '<topic>',
    schema: z.custom<string>(isTopicName),
  }
}

/** As it can stand in a header (RFC 6750), and too long to be guessed. */
export function token(): Rule<string> {
  return {
    text: 'a token of 16 to 512 letters, digits and . _ ~ + / - (= at the end)',
    placeholder: '<token>',
    schema: z
      .string()
      .min(16)
      .max(512)
      .regex(/^[A-Za-z0-9._~+/-]+=*$/),
  }
}

/** `host:port`, also `[::1]:9092`. */
const brokerAddress = /^(\[[0-9a-fA-F:.]+\]|[^\s,:/[\]]+):(\d{1,5})$/

export function brokerList(): Rule<readonly string[]> {
  const address = z.string().refine((text) => {
    const match = brokerAddress.exec(text)
    return match !== null && Number(match[2]) >= 1 && Number(match[2]) <= 65_535
  })
  return {
    text: 'a list of host:port',
    placeholder: '<host:port,…>',
    schema: z.preprocess(
      (value) => (typeof value === 'string' ? value.split(',').map((part) => part.trim()) : value),
      z.array(address).min(1),
    ),
  }
}

export function registryUrls(): Rule<readonly string[]> {
  return {
    text: 'a URL that begins with http:// or https://, or several of them, separated by commas',
    placeholder: '<url,…>',
    schema: z.preprocess(
      (value) => (typeof value === 'string' ? value.split(',').map((part) => part.trim()) : (value ?? [])),
      z.array(z.string().refine(isRegistryUrl)),
    ),
  }
}

/** Any text but an empty one. */
export function secretText(): Rule<string> {
  return { text: 'a text', placeholder: '<text>', schema: z.string().min(1) }
}

/** As it can stand in a header. */
export function credential(): Rule<Token> {
  return {
    text: 'a token without blanks, or a function that returns one',
    placeholder: '<token>',
    schema: z.union([
      z.string().regex(/^[\x21-\x7e]+$/),
      z.custom<Exclude<Token, string>>((value) => typeof value === 'function'),
    ]),
  }
}

export function file(): Rule<string> {
  return { text: 'the path of a file', placeholder: '<file>', schema: z.string().min(1) }
}

export function headerMap(): Rule<Readonly<Record<string, string>>> {
  const header = z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/)
  return {
    text: 'an object of HTTP headers',
    entryText: 'a text on one line',
    placeholder: '<headers>',
    schema: plainObject.pipe(z.record(header, z.string().regex(/^[^\p{Cc}]*$/u))),
  }
}

export function clientSettings(): Rule<Readonly<Record<string, unknown>>> {
  const value = z.union([z.string(), z.number(), z.boolean(), z.custom<object>((given) => typeof given === 'function')])
  return {
    text: 'an object of client keys and their values',
    entryText: 'a text, a number, a boolean or a function',
    placeholder: '<key=value>',
    schema: plainObject.pipe(z.record(z.string(), value)),
  }
}

export function sinkMap(): Rule<Readonly<Record<string, Sink>>> {
  return {
    text: 'an object of sinks',
    entryText: 'a sink (an object with open, prepare, write, close and maxBatch)',
    placeholder: '<sinks>',
    schema: plainObject.pipe(z.record(z.string(), z.custom<Sink>(isSink))),
  }
}

export function loaderMap(): Rule<Readonly<Record<string, SharedLoader>>> {
  const loader = z.custom<SharedLoader>((value) => typeof value === 'function')
  return {
    text: 'an object of functions',
    entryText: 'a function that returns a Buffer',
    placeholder: '<functions>',
    schema: plainObject.pipe(z.record(z.string(), loader)),
  }
}

export function handlerOrModule(): Rule<URL | string | AnyHandler> {
  return {
    text: 'a handler (defineHandler, defineBatchHandler) or the file: URL or path of a module that exports one',
    placeholder: '<url>',
    schema: z.custom<URL | string | AnyHandler>((value) => {
      if (typeof value === 'string') return value !== ''
      return isAnyHandler(value) || (value instanceof URL && (value.protocol === 'file:' || value.protocol === 'data:'))
    }),
  }
}

/** The same, or null for "none". */
export function nullable<Value>(rule: Rule<Value>): Rule<Value | null> {
  return { ...rule, text: `${rule.text}, or null`, schema: rule.schema.nullable() }
}

/** The same, or a word in its place. */
export function orWord<Value, const Word extends string>(rule: Rule<Value>, word: Word): Rule<Value | Word> {
  const { placeholder } = rule
  return {
    ...rule,
    text: `${rule.text}, or ${word}`,
    placeholder: placeholder.replace('>', `|${word}>`),
    schema: z.union([z.literal(word), rule.schema]),
  }
}

export function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null
}

const plainObject = z.custom<Readonly<Record<string, unknown>>>(isPlainObject)

function fromDecimal(value: unknown): unknown {
  return typeof value === 'string' && /^(\d+|\d*\.\d+)$/.test(value) ? Number(value) : value
}

function whole(placeholder: string, what: string, { min = 0, max }: Range): Rule<number> {
  const schema = max === undefined ? z.int().min(min) : z.int().min(min).max(max)
  return {
    text: max === undefined ? `${what}, ${min} or more` : `${what} from ${min} to ${max}`,
    placeholder,
    // Text comes from flags and the environment, and from files that read the latter themselves.
    schema: z.preprocess((value) => (typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value), schema),
  }
}

function isSink(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return (
    ['open', 'prepare', 'write', 'close'].every((method) => typeof Reflect.get(value, method) === 'function') &&
    typeof Reflect.get(value, 'maxBatch') === 'number'
  )
}
