/** `json(X)` and `json({ check: X })`, where X is a schema of any library that speaks Standard Schema. */
import * as v from 'valibot'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { json } from '../../../src/streams/flows/codec.ts'

const decode = (document: string, codec: { decode(bytes: Uint8Array): unknown }) => codec.decode(Buffer.from(document))

/** Says things that no compiler would let pass. */
const unchecked = (value: unknown): never => value as never

const zodOrder = z.object({ id: z.number(), items: z.array(z.object({ price: z.number() })) })
const valibotOrder = v.object({ id: v.number(), items: v.array(v.object({ price: v.number() })) })

/** As arktype's are: a function that returns what is wrong, and says so by the standard as well. */
const callableOrder = Object.assign((_parsed: unknown) => 'what is wrong, returned', {
  '~standard': {
    version: 1 as const,
    vendor: 'callable',
    validate: (parsed: unknown) =>
      typeof parsed === 'object' && parsed !== null && 'items' in parsed
        ? Array.isArray(parsed.items) && typeof (parsed.items as unknown[])[0] === 'object'
          ? { value: parsed }
          : { issues: [{ message: 'expected an object', path: ['items', 0, { key: 'price' }] }] }
        : { issues: [{ message: 'expected items', path: undefined }] },
  },
})

const good = '{"id":1,"items":[{"price":2.5}]}'

describe.each([
  ['zod', zodOrder],
  ['valibot', valibotOrder],
  ['a callable schema', callableOrder],
])('a schema of %s', (_, schema) => {
  test('lets through what it describes', () => {
    expect(decode(good, json(unchecked(schema)))).toEqual(JSON.parse(good))
    expect(decode(good, json(unchecked({ check: schema })))).toEqual(JSON.parse(good))
  })

  test('refuses the rest, by the path of what is wrong', () => {
    expect(() => decode('{"id":1,"items":["a"]}', json(unchecked(schema)))).toThrow(/^items\[0\](\.price)?: \S+/)
    expect(() => decode('{"id":1,"items":["a"]}', json(unchecked({ check: schema })))).toThrow(/^items\[0\]/)
    expect(() => decode('7', json(unchecked(schema)))).toThrow(/expected/i)
  })
})

test('what it makes of the parsed value is the value, and what is written is the value as it is given', () => {
  const trimmed = json(unchecked(z.object({ at: z.string().transform((at) => new Date(at)) })))
  const value = decode('{"at":"2026-01-02T03:04:05.678Z"}', trimmed)
  expect(value).toEqual({ at: new Date('2026-01-02T03:04:05.678Z') })
  expect(Buffer.from(trimmed.encode(unchecked(value))).toString()).toBe('{"at":"2026-01-02T03:04:05.678Z"}')
  expect(Buffer.from(trimmed.encode(unchecked({ at: 'never' }))).toString()).toBe('{"at":"never"}')
})

test('the other options go with it', () => {
  const exact = json(unchecked({ check: z.object({ id: z.bigint() }), unsafeIntegers: 'bigint' }))
  expect(decode('{"id":9007199254740993}', exact)).toEqual({ id: 9007199254740993n })
})

test('all that is wrong is told, in a message that stays short whatever the record holds', () => {
  const two = json(unchecked(z.object({ a: z.string(), 'b c': z.string() })))
  expect(() => decode('{}', two)).toThrow(/^a: .*; \["b c"\]: /)
  const many = json(unchecked(z.array(z.string())))
  const document = JSON.stringify(Array.from({ length: 10_000 }, (_, at) => at))
  expect(() => decode(document, many)).toThrow(/^\[0\]: .*; \[4\]: .*; and 9995 more$/)
  const long = 'k'.repeat(100_000)
  const own = {
    '~standard': {
      version: 1,
      vendor: 'own',
      validate: () => ({ issues: Array.from({ length: 9 }, () => ({ message: long, path: Array(1000).fill(long) })) }),
    },
  }
  const thrown = caught(() => decode('1', json(unchecked(own))))
  expect(thrown.message.length).toBeLessThan(3000)
})

describe('a schema that answers with a promise', () => {
  test('is refused where it says so itself', () => {
    const asynchronous = v.objectAsync({
      id: v.pipeAsync(
        v.number(),
        v.checkAsync(() => Promise.resolve(true)),
      ),
    })
    expect(() => json(unchecked(asynchronous))).toThrow(expect.objectContaining({ code: 'OPTIONS_INVALID' }) as Error)
    expect(() => json(unchecked(asynchronous))).toThrow('synchronous')
    expect(() => json(unchecked({ check: asynchronous }))).toThrow('check: ')
  })

  test('refuses the value where only the answer shows it', () => {
    const asynchronous = z.object({ id: z.number().refine(() => Promise.resolve(true)) })
    expect(() => decode('{"id":1}', json(unchecked(asynchronous)))).toThrow(/promise.*synchronous/)
  })

  test('leaves no rejection that nobody has caught', async () => {
    const validate = () => Promise.reject(new Error('asked and failed'))
    const rejections: unknown[] = []
    const keep = (reason: unknown): void => void rejections.push(reason)
    process.on('unhandledRejection', keep)
    try {
      const failing = json(unchecked({ '~standard': { version: 1, vendor: 'own', validate } }))
      expect(() => decode('{"id":1}', failing)).toThrow(/promise.*synchronous/)
      await new Promise((resolve) => setImmediate(resolve))
    } finally {
      process.off('unhandledRejection', keep)
    }
    expect(rejections).toEqual([])
  })
})

test.each<[string, unknown, string]>([
  ['a schema without validate', { '~standard': { version: 1, vendor: 'x' } }, 'has no validate()'],
  ['a schema of a later standard', { '~standard': { version: 2, validate: () => ({ value: 1 }) } }, 'version 2'],
  [
    'an object that parses, and is no Standard Schema',
    new (class Old {
      parse() {
        return 1
      }
    })(),
    '.parse(parsed)',
  ],
])('json() says at once what is wrong with %s', (_, given, message) => {
  expect(() => json(unchecked(given))).toThrow(expect.objectContaining({ code: 'OPTIONS_INVALID' }) as Error)
  expect(() => json(unchecked(given))).toThrow(message)
})

function caught(run: () => unknown): Error {
  try {
    run()
  } catch (error) {
    return error as Error
  }
  throw new Error('nothing was thrown')
}
