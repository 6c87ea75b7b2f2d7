import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { json, text } from '../../../src/streams/flows/codec.ts'
import { JsonWriter } from '../../../src/streams/flows/json-writer.ts'

const decode = (document: string, codec: { decode(bytes: Uint8Array): unknown } = json()) =>
  codec.decode(Buffer.from(document))
const encode = (value: unknown, codec: { encode(value: unknown): Uint8Array } = json()) =>
  Buffer.from(codec.encode(value)).toString()

describe('an integer beyond 2^53', () => {
  test('is refused, by its digits and its place, unless an option says otherwise', () => {
    expect(() => decode('{"id":9007199254740993}')).toThrow(/9007199254740993.*byte 6.*unsafeIntegers/)
    expect(() => decode('[-9007199254740992]')).toThrow('-9007199254740992')
    expect(() => decode('9'.repeat(400))).toThrow('beyond 2^53')
  })

  test('is no matter where it is text, a fraction, or has an exponent', () => {
    for (const document of [
      '{"id":"9007199254740993"}',
      '["say \\": 9007199254740993, 9007199254740993"]',
      '["\\\\", "https://shop/9007199254740993"]',
      '{"9007199254740993":1}',
      '[0.12345678901234567890,12345678901234567.5,1234567890123456789e3,9007199254740991,-9007199254740991]',
    ]) {
      expect(decode(document)).toEqual(JSON.parse(document))
    }
  })

  test('is read and written as it is with `bigint`, and as JavaScript rounds it with `round`', () => {
    const exact = json<unknown>({ unsafeIntegers: 'bigint' })
    const document =
      '{"__proto__":[18446744073709551615,-9007199254740993,1],"a":{"é":9007199254740993},"s":"9007199254740993"}'
    const value = decode(document, exact) as Record<string, unknown>
    expect(value['a']).toEqual({ é: 9007199254740993n })
    expect(Object.entries(value)[0]).toEqual(['__proto__', [18446744073709551615n, -9007199254740993n, 1]])
    expect(encode(value, exact)).toBe(document)
    expect(decode('9007199254740993', exact)).toBe(9007199254740993n)
    expect(decode('9007199254740993', json({ unsafeIntegers: 'round' }))).toBe(9007199254740992)
    expect(encode(decode('['.repeat(20_000) + '9007199254740993' + ']'.repeat(20_000), exact), exact)).toContain(
      '740993',
    )
  })

  test('as a bigint is written only where it is read', () => {
    expect(() => encode({ user: { id: 1n } })).toThrow(/user\.id is a bigint.*unsafeIntegers/)
  })

  test('is found wherever it stands', () => {
    const integer = fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n })
    const entry = fc.oneof(
      integer,
      fc.integer(),
      fc.string({ unit: 'binary' }),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
    )
    const exact = json<unknown>({ unsafeIntegers: 'bigint' })
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 20 }), fc.boolean(), (list, spaced) => {
        const parts = list.map((value) => (typeof value === 'bigint' ? String(value) : JSON.stringify(value)))
        const document = `[${parts.join(spaced ? ' ,\n' : ',')}]`
        const expected = parts.map((part): unknown =>
          /^-?\d+$/.test(part) && !Number.isSafeInteger(Number(part)) ? BigInt(part) : JSON.parse(part),
        )
        expect(decode(document, exact)).toEqual(expected)
      }),
    )
  })

  test('of the fewest digits is found at any byte', () => {
    for (let before = 0; before < 40; before += 1) {
      expect(() => decode(`${' '.repeat(before)}[9007199254740992]`)).toThrow(`at byte ${before + 1} `)
    }
  })

  test('a check gets what was read, beside the option or alone', () => {
    const check = (parsed: unknown) => ({ parsed })
    expect(decode('9007199254740993', json({ check, unsafeIntegers: 'bigint' }))).toEqual({ parsed: 9007199254740993n })
    expect(decode('1', json(check))).toEqual({ parsed: 1 })
  })
})

describe('what JSON has no way to say', () => {
  test('is looked for only where a null stands as a value', () => {
    let reads = 0
    const counted = {
      get nullable() {
        reads += 1
        return 'nullify'
      },
    }
    expect([encode(counted), reads]).toEqual(['{"nullable":"nullify"}', 1])
  })

  test('is refused by the name of its place, where JavaScript writes null', () => {
    expect(() => encode({ items: [{ price: 1 }, { price: Number.NaN }] })).toThrow('items[1].price is NaN')
    expect(() => encode(Number.POSITIVE_INFINITY)).toThrow('Infinity')
    expect(() => encode({ at: new Date(Number.NaN), none: null })).toThrow('at is no valid date')
    expect(() => encode([Object(Number.NaN)])).toThrow('[0] is NaN')
    expect(encode({ none: null, text: 'null', at: new Date(0), list: [1, null] })).toBe(
      '{"none":null,"text":"null","at":"1970-01-01T00:00:00.000Z","list":[1,null]}',
    )
  })
})

describe('a document of many levels', () => {
  test('is copied, however many they are', () => {
    for (const levels of [5_000, 100_000]) {
      const arrays = '['.repeat(levels) + ']'.repeat(levels)
      const objects = '{"a":'.repeat(levels) + 'null' + '}'.repeat(levels)
      expect(encode(decode(arrays)) === arrays).toBe(true)
      expect(encode(decode(objects)) === objects).toBe(true)
    }
  })
})

test('text that is no valid Unicode is refused: written, it would be another text', () => {
  expect(() => text.encode('half of a pair: \ud83d')).toThrow('no valid Unicode')
})

describe('any JSON value', () => {
  const rounded = json({ unsafeIntegers: 'round' })

  test('is read and written as JavaScript does', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const document = JSON.stringify(value)
        expect(decode(document, rounded)).toEqual(JSON.parse(document))
        expect(encode(value, rounded)).toBe(document)
      }),
    )
  })

  test('is written by the writer without a stack as JavaScript does', () => {
    const writer = new JsonWriter(false)
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'binary' }), (value) => writer.write(value) === JSON.stringify(value)),
    )
  })
})

test('so is what JavaScript leaves out, unboxes, or asks for its JSON', () => {
  const odd = {
    none: undefined,
    call: () => 1,
    symbol: Symbol('s'),
    list: [undefined, () => 1, -0],
    boxes: [Object(1), Object('a'), Object(true)] as unknown[],
    date: new Date(0),
    url: new URL('http://a/'),
    asked: { toJSON: (key: string) => `as ${key}` },
    ['__proto__']: { x: 1 },
    empty: [{}, []],
    map: new Map([[1, 2]]),
    1: 'one',
  }
  expect(new JsonWriter(false).write(odd)).toBe(JSON.stringify(odd))
  expect(encode(odd)).toBe(JSON.stringify(odd))
  expect(() => encode(undefined)).toThrow('undefined is no JSON value')
})

test('a cycle is refused by the name of its place', () => {
  const node: Record<string, unknown> = { name: 'a' }
  node['children'] = [{ parent: node }]
  expect(() => encode(node)).toThrow('children[0].parent leads back')
  const long: Record<string, unknown>[] = Array.from({ length: 50_000 }, () => ({}))
  for (const [at, each] of long.entries()) each['next'] = long[(at + 1) % long.length]
  expect(() => encode(long[0])).toThrow(/next\.next.*… leads back/)
})

class Click {
  readonly url = ''
}

/** Says things that no compiler would let pass. */
const unchecked = (value: unknown): never => value as never
const schema = z.object({ url: z.string() })
// eslint-disable-next-line @typescript-eslint/unbound-method -- as users write it, and zod binds it
const parse = schema.parse

test.each<[string, unknown, string]>([
  ['a misspelt option', { chek: parse }, 'json(): chek: unknown, did you mean check?'],
  ['an option of something else', { parse }, 'parse: unknown; there are check, which turns'],
  ['a word that is none', { unsafeIntegers: 'Round' }, "unsafeIntegers: 'Round' is not one of refuse, bigint, round"],
  ['a check that is none', { check: true }, 'check: true is no schema, and no function'],
  ['a class', Click, 'Click is a class: write (parsed) => new Click(parsed)'],
  ['nothing', null, 'the options are null, which is no object'],
])('json() says at once what is wrong with it: %s', (_, given, message) => {
  expect(() => json(unchecked(given))).toThrow(expect.objectContaining({ code: 'OPTIONS_INVALID' }) as Error)
  expect(() => json(unchecked(given))).toThrow(message)
})

test('a check is any function that returns the value or throws, of a schema too', () => {
  expect(decode('{"url":"a"}', json(parse))).toEqual({ url: 'a' })
  expect(decode('{"url":"a"}', json({ check: (parsed) => schema.parse(parsed) }))).toEqual({ url: 'a' })
})
