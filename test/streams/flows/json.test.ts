import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { json, text } from '../../../src/streams/flows/codec.ts'

const decode = (document: string, codec: { decode(bytes: Uint8Array): unknown } = json()) =>
  codec.decode(Buffer.from(document))
const encode = (value: unknown, codec: { encode(value: unknown): Uint8Array } = json()) =>
  Buffer.from(codec.encode(value)).toString()

describe('an integer beyond 2^53', () => {
  test.fails('is refused, by its digits and its place, unless an option says otherwise', () => {
    expect(() => decode('{"id":9007199254740993}')).toThrow(/9007199254740993.*byte 6.*unsafeIntegers/)
    expect(() => decode('[-9007199254740992]')).toThrow('-9007199254740992')
    expect(() => decode('9'.repeat(400))).toThrow('beyond 2^53')
  })
})

describe('what JSON has no way to say', () => {
  test.fails('is refused by the name of its place, where JavaScript writes null', () => {
    expect(() => encode({ items: [{ price: 1 }, { price: Number.NaN }] })).toThrow('items[1].price is NaN')
    expect(() => encode(Number.POSITIVE_INFINITY)).toThrow('Infinity')
    expect(() => encode({ at: new Date(Number.NaN), none: null })).toThrow('at is no valid date')
  })
})

describe('a document of many levels', () => {
  test.fails('is copied, however many they are', () => {
    for (const levels of [5_000, 100_000]) {
      const arrays = '['.repeat(levels) + ']'.repeat(levels)
      const objects = '{"a":'.repeat(levels) + 'null' + '}'.repeat(levels)
      expect(encode(decode(arrays)) === arrays).toBe(true)
      expect(encode(decode(objects)) === objects).toBe(true)
    }
  })
})

test.fails('text that is no valid Unicode is refused: written, it would be another text', () => {
  expect(() => text.encode('half of a pair: \ud83d')).toThrow('no valid Unicode')
})

test('any JSON value comes back as it was', () => {
  fc.assert(
    fc.property(fc.json(), (document) => {
      const value: unknown = JSON.parse(document)
      expect(decode(encode(value))).toEqual(JSON.parse(JSON.stringify(value)))
    }),
  )
})
