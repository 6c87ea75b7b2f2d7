/** What values look like in JavaScript: each comes back as it was written, and what would be changed is refused. */
import avsc from 'avsc'
import { describe, expect, test } from 'vitest'
import { framed, holding, Registry, round } from './registry.ts'

const long = { type: 'long' }

describe('a long', () => {
  test.each([
    0n,
    -1n,
    2n ** 53n + 1n,
    -(2n ** 53n) - 1n,
    2n ** 63n - 1n,
    -(2n ** 63n),
    2n ** 28n,
    -(2n ** 52n),
    127n,
    64n,
  ])('%d comes back exactly', (value) => {
    expect(round('"long"', value)).toBe(value)
  })

  test('is a bigint wherever it stands: nullable, in arrays and maps, of a logical type, from a default, from an int', () => {
    const registry = new Registry()
    const codec = registry.codec({
      type: 'record',
      name: 'Longs',
      fields: [
        { name: 'nullable', type: ['null', 'long'] },
        { name: 'list', type: { type: 'array', items: 'long' } },
        { name: 'map', type: { type: 'map', values: long } },
        { name: 'micros', type: { type: 'long', logicalType: 'timestamp-micros' } },
        { name: 'fallback', type: 'long', default: 5 },
        { name: 'wasInt', type: 'long' },
      ],
    })
    const writer = registry.codec({
      type: 'record',
      name: 'Longs',
      fields: [
        { name: 'nullable', type: ['null', 'long'] },
        { name: 'list', type: { type: 'array', items: 'int' } },
        { name: 'map', type: { type: 'map', values: 'long' } },
        { name: 'micros', type: 'long' },
        { name: 'wasInt', type: 'int' },
      ],
    })
    expect(codec.decode(writer.encode({ nullable: 1n, list: [2], map: { a: 3n }, micros: -4n, wasInt: 6 }))).toEqual({
      nullable: 1n,
      list: [2n],
      map: { a: 3n },
      micros: -4n,
      fallback: 5n,
      wasInt: 6n,
    })
  })

  test("is a number with longs: 'number', and refused where that would round it, read or written", () => {
    const registry = new Registry()
    const numbers = registry.codec('"long"', { longs: 'number' })
    const bigints = registry.codec('"long"')
    for (const value of [0, -1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 2 ** 52]) {
      expect(numbers.decode(bigints.encode(BigInt(value)))).toBe(value)
      expect(bigints.decode(numbers.encode(value))).toBe(BigInt(value))
    }
    expect(() => numbers.decode(bigints.encode(2n ** 53n))).toThrow('9007199254740992 is beyond 2^53')
    expect(() => numbers.encode(2 ** 53)).toThrow('no integer that a number holds exactly')
    expect(() => numbers.encode(0.5)).toThrow('no integer')
  })

  test('becomes the nearest double where a schema has become one', () => {
    const registry = new Registry()
    const written = registry.codec('"long"').encode(2n ** 53n + 1n)
    expect(registry.codec('"double"').decode(written)).toBe(2 ** 53)
  })

  test('has exact defaults beyond 2^53, in text and as bigint', () => {
    const text = '{"type":"record","name":"R","fields":[{"name":"it","type":"long","default":9007199254740993}]}'
    expect(round(text, {})).toEqual({ it: 9007199254740993n })
    expect(round(holding('long', 9007199254740993n), {})).toEqual({ it: 9007199254740993n })
  })
})

describe('logical types', () => {
  const micros = { type: 'long', logicalType: 'timestamp-micros' }
  const millis = { type: 'long', logicalType: 'timestamp-millis' }
  const decimal = { type: 'bytes', logicalType: 'decimal', precision: 20, scale: 2 }
  const fixed = { type: 'fixed', name: 'Money', size: 9, logicalType: 'decimal', precision: 20, scale: 4 }
  const day = { type: 'int', logicalType: 'date' }
  const uuid = '0e37df36-f698-11e6-8dd4-cb9ced3df976'

  test.each([
    [millis, new Date('1969-12-31T23:59:59.999Z')],
    [millis, new Date(8.64e15)],
    [micros, -1n],
    [{ type: 'long', logicalType: 'timestamp-nanos' }, 2n ** 62n],
    [{ type: 'long', logicalType: 'local-timestamp-millis' }, '1969-12-31T23:59:59.999'],
    [{ type: 'long', logicalType: 'local-timestamp-micros' }, '2026-11-30T00:00:00.000001'],
    [{ type: 'long', logicalType: 'local-timestamp-nanos' }, '1677-09-22T00:00:00.000000001'],
    [day, '1969-12-31'],
    [day, '2000-02-29'],
    [day, '0000-01-01'],
    [day, '-000001-12-31'],
    [day, '+012345-06-07'],
    [{ type: 'int', logicalType: 'time-millis' }, 86_399_999],
    [{ type: 'long', logicalType: 'time-micros' }, 86_399_999_999n],
    [decimal, '12.30'],
    [decimal, '-0.01'],
    [decimal, '999999999999999999.99'],
    [decimal, '-999999999999999999.99'],
    [decimal, '-1.28'],
    [decimal, '1.28'],
    [fixed, '-12.3000'],
    [fixed, '0.0000'],
    [{ ...fixed, scale: 0 }, '-99999999999999999999'],
    [{ type: 'string', logicalType: 'uuid' }, uuid],
    [{ type: 'fixed', name: 'Id', size: 16, logicalType: 'uuid' }, uuid],
    [
      { type: 'fixed', name: 'D', size: 12, logicalType: 'duration' },
      { months: 1, days: 2, milliseconds: 4294967295 },
    ],
  ])('%o: %s comes back', (schema, value) => {
    expect(round(schema, value)).toEqual(value)
  })

  test('every day of many centuries is the one that Date says', () => {
    const registry = new Registry()
    const days = registry.codec(day)
    const ints = registry.codec('"int"')
    for (let at = -800_000; at < 800_000; at += 1_999) {
      const text = new Date(at * 86_400_000).toISOString().slice(0, -14)
      expect(days.decode(ints.encode(at))).toBe(text)
      expect(ints.decode(days.encode(text))).toBe(at)
    }
  })

  test('decimals are the bytes of two’s complement that others write', () => {
    const registry = new Registry()
    const decimals = registry.codec(decimal)
    const bytes = registry.codec('"bytes"')
    for (const [text, expected] of [
      ['0.00', [0]],
      ['1.27', [0x7f]],
      ['1.28', [0, 0x80]],
      ['-1.28', [0x80]],
      ['-1.29', [0xff, 0x7f]],
      ['12345678901234567.89', [0x11, 0x22, 0x10, 0xf4, 0x7d, 0xe9, 0x81, 0x15]],
    ] as const) {
      expect([...(bytes.decode(decimals.encode(text)) as Uint8Array)]).toEqual([...expected])
      expect(decimals.decode(bytes.encode(Buffer.from(expected)))).toBe(text)
    }
    // Sign bytes that nobody needs, and none at all.
    expect(
      decimals.decode(bytes.encode(Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x80]))),
    ).toBe('-1.28')
    expect(decimals.decode(bytes.encode(Buffer.alloc(0)))).toBe('0.00')
    expect(() => decimals.decode(bytes.encode(Buffer.alloc(100_000, 1)))).toThrow('20 digits are its precision')
  })

  test.each([
    [decimal, '1.234', 'more than 2 digits behind the point'],
    [decimal, '9999999999999999999.00', 'more than 20 digits'],
    [decimal, '1e3', 'no decimal'],
    [decimal, '.5', 'no decimal'],
    [decimal, 12.3, 'a number, where a decimal as text is written'],
    [day, '2026-02-29', 'where a day'],
    [day, new Date(0), 'a Date, where a day'],
    [millis, new Date(NaN), 'an invalid Date'],
    [millis, 5, 'where a Date is written'],
    [micros, 5, '5n'],
    [{ type: 'int', logicalType: 'time-millis' }, 86_400_000, 'milliseconds since midnight'],
    [{ type: 'long', logicalType: 'time-micros' }, -1n, 'microseconds since midnight'],
    [{ type: 'string', logicalType: 'uuid' }, 'x', 'a UUID'],
    [{ type: 'long', logicalType: 'local-timestamp-millis' }, '2026-11-30T00:00:00.0001', 'where a time'],
    ['"int"', 2 ** 31, 'no integer of 32 bits'],
    ['"int"', 1.5, 'no integer of 32 bits'],
    ['"float"', 1e39, 'beyond a float'],
    ['"long"', 2n ** 63n, 'more than 64 bits'],
    ['"string"', '\uD800', 'half of a surrogate pair'],
    ['"bytes"', 'text', 'a Uint8Array'],
  ])('%o: %o is refused', (schema, value, reason) => {
    expect(() => round(schema, value)).toThrow(reason)
    expect(() =>
      round(holding(schema === '"long"' ? 'long' : typeof schema === 'string' ? JSON.parse(schema) : schema), {
        it: value,
      }),
    ).toThrow(`it: `)
  })

  test('digits that say nothing are taken', () => {
    expect(round(decimal, '+012.3000')).toBe('12.30')
    expect(round(decimal, '12')).toBe('12.00')
  })

  test('that nobody knows, or that stand on another type, are the type below', () => {
    const registry = new Registry()
    const codec = registry.codec({ type: 'int', logicalType: 'of-our-own' })
    expect(codec.decode(codec.encode(5))).toBe(5)
    const odd = registry.add({ type: 'string', logicalType: 'date' })
    const bytes = registry.codec('"string"').encode('x')
    const text = registry.codec('"string"')
    expect(text.decode(Buffer.concat([Buffer.from([0, 0, 0, 0, odd]), bytes.subarray(5)]))).toBe('x')
  })

  test('of another unit or scale are refused: a count would mean something else', () => {
    const registry = new Registry()
    const written = registry.codec(holding(micros)).encode({ it: 1n })
    expect(() => registry.codec(holding(millis)).decode(written)).toThrow(
      'it: long timestamp-micros cannot be read as long timestamp-millis: the two count in other units',
    )
    const price = registry.codec(decimal).encode('1.00')
    expect(() => registry.codec({ ...decimal, scale: 3 }).decode(price)).toThrow('have other digits')
    expect(registry.codec({ ...decimal, precision: 30 }).decode(price)).toBe('1.00')
    // Without a logical type on one side the counts are what they are.
    expect(registry.codec(holding(millis)).decode(registry.codec(holding('long')).encode({ it: 5n }))).toEqual({
      it: new Date(5),
    })
    expect(registry.codec(holding('long')).decode(written)).toEqual({ it: 1n })
    expect(registry.codec(holding('double')).decode(registry.codec(holding(day)).encode({ it: '1970-01-03' }))).toEqual(
      { it: 2 },
    )
  })

  test('a decimal is never read out of text, nor text out of a decimal: both are bytes, of another meaning', () => {
    const registry = new Registry()
    const text = registry.codec(holding('string'))
    const price = registry.codec(holding(decimal))
    expect(() => price.decode(text.encode({ it: '12.30' }))).toThrow('it: string cannot be read as bytes decimal')
    expect(() => text.decode(price.encode({ it: '0.65' }))).toThrow('it: bytes decimal cannot be read as string')
    // Bytes without a meaning of their own are whatever the reader says.
    expect(registry.codec(holding('bytes')).decode(price.encode({ it: '0.65' }))).toEqual({
      it: new Uint8Array([65]),
    })
    expect(text.decode(registry.codec(holding('bytes')).encode({ it: new Uint8Array([65]) }))).toEqual({ it: 'A' })
  })
})

describe('bytes alone, in no record', () => {
  const decimal = { type: 'bytes', logicalType: 'decimal', precision: 9, scale: 2 }

  test('have no length before them, as Confluent has it: whatever stands behind the id is theirs', () => {
    const codec = new Registry().codec('"bytes"')
    for (const bytes of [[], [0, 1, 0], new Array<number>(300).fill(7)]) {
      expect(codec.encode(Uint8Array.from(bytes))).toEqual(framed(1, bytes))
      expect(codec.decode(framed(1, bytes))).toEqual(Uint8Array.from(bytes))
    }
    const price = new Registry().codec(decimal)
    expect(price.encode('-1.29')).toEqual(framed(1, [0xff, 0x7f]))
    expect(price.decode(framed(1, [0xff, 0x7f]))).toBe('-1.29')
  })

  test('are read so by what the writer had, whatever they are read as', () => {
    const registry = new Registry()
    const id = registry.add('{"type":"bytes"}')
    const ofText = registry.add('"string"')
    expect(registry.codec('"string"').decode(framed(id, [0x68, 0x69]))).toBe('hi')
    expect(registry.codec(['null', 'bytes']).decode(framed(id, [0x68, 0x69]))).toEqual(Uint8Array.of(0x68, 0x69))
    expect(registry.codec('"bytes"').decode(framed(ofText, [4, 0x68, 0x69]))).toEqual(Uint8Array.of(0x68, 0x69))
  })

  test('have one in a union', () => {
    expect(new Registry().codec(['null', 'bytes']).encode(Uint8Array.of(7))).toEqual(framed(1, [2, 2, 7]))
  })
})

describe('records, maps and unions', () => {
  const card = { type: 'record', name: 'com.acme.Card', fields: [{ name: 'last4', type: 'string' }] }

  test('are plain objects, that structured clone keeps as they are', () => {
    const value = round(holding(card), { it: { last4: '1234' } }) as { it: object }
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(Object.getPrototypeOf(value.it)).toBe(Object.prototype)
    expect(structuredClone(value)).toStrictEqual(value)
  })

  test('[null, X] is X or null in either order', () => {
    for (const type of [
      ['null', 'string'],
      ['string', 'null'],
    ]) {
      expect(round(holding(type), { it: 'x' })).toEqual({ it: 'x' })
      expect(round(holding(type), { it: null })).toEqual({ it: null })
    }
  })

  test('every other union is keyed by the name of its branch, or null', () => {
    const type = [
      'null',
      'string',
      card,
      { type: 'array', items: 'int' },
      { type: 'long', logicalType: 'timestamp-millis' },
    ]
    for (const it of [
      null,
      { string: 'x' },
      { 'com.acme.Card': { last4: '1' } },
      { array: [1] },
      { long: new Date(1) },
    ]) {
      expect(round(holding(type), { it })).toStrictEqual({ it })
    }
    expect(round(holding(['string']), { it: { string: 'x' } })).toEqual({ it: { string: 'x' } })
    expect(() => round(holding(type), { it: { Card: { last4: '1' } } })).toThrow(
      'it: an object of Card, where null or { string: … }',
    )
    expect(() => round(holding(type), { it: 'x' })).toThrow('it: text, where')
    expect(() => round(holding(type), { it: { constructor: 1 } })).toThrow('it: an object of constructor')
    expect(() => round(holding(type), { it: { null: null } })).toThrow('it: an object of null')
  })

  test('a map may have any key', () => {
    const map = JSON.parse('{"__proto__": 1, "constructor": 2, "": 3}') as object
    const read = round({ type: 'map', values: 'int' }, map) as object
    expect(Object.entries(read)).toEqual([
      ['__proto__', 1],
      ['constructor', 2],
      ['', 3],
    ])
    expect(Object.getPrototypeOf(read)).toBe(Object.prototype)
    expect(() => round({ type: 'map', values: 'int' }, new Map([['a', 1]]))).toThrow('where an object is written')
  })

  test('a key of a map that is no valid Unicode is refused: it would be written as another, as two of them as one', () => {
    expect(() => round(holding({ type: 'map', values: 'int' }), { it: { '\ud83e': 1, '\ud83f': 2 } })).toThrow(
      'it: the key "\\ud83e" is no valid Unicode',
    )
  })

  test('a field that is missing is written with its default, each made anew', () => {
    const codec = new Registry().codec({
      type: 'record',
      name: 'Defaults',
      fields: [
        { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' }, default: 5 },
        { name: 'list', type: { type: 'array', items: 'int' }, default: [1] },
        { name: 'union', type: ['string', 'int'], default: 'x' },
        { name: 'price', type: { type: 'bytes', logicalType: 'decimal', precision: 4, scale: 2 }, default: '\u0080' },
        { name: 'inner', type: { ...card, fields: [{ name: 'last4', type: 'string', default: '0' }] }, default: {} },
      ],
    })
    const expected = { at: new Date(5), list: [1], union: { string: 'x' }, price: '-1.28', inner: { last4: '0' } }
    expect(codec.decode(codec.encode({}))).toStrictEqual(expected)
  })

  test('a default of the reader is made anew for each record', () => {
    const registry = new Registry()
    const written = registry.codec({ type: 'record', name: 'com.acme.Holder', fields: [] }).encode({})
    const codec = registry.codec(holding({ type: 'long', logicalType: 'timestamp-millis' }, 5))
    const first = codec.decode(written) as { it: Date }
    first.it.setTime(0)
    expect(codec.decode(written)).toEqual({ it: new Date(5) })
  })

  test('errors name each value by its path', () => {
    const schema = holding({
      type: 'array',
      items: {
        ...card,
        fields: [
          { name: 'price', type: 'int' },
          { name: 'tags', type: { type: 'map', values: 'string' } },
        ],
      },
    })
    const wrong = { it: [{ price: 1, tags: {} }, { price: 1.5, tags: { 'a b': 3 } }, null] }
    expect(() => round(schema, wrong)).toThrow(
      "it[1].price: 1.5 is no integer of 32 bits; it[1].tags['a b']: a number, where text is written; it[2]: null, where an object is written",
    )
    expect(() => round(schema, {})).toThrow('it: missing, where an array is written')
  })

  test('bytes are a copy: the record they came from may go', () => {
    const registry = new Registry()
    const codec = registry.codec('"bytes"')
    const written = Buffer.from(codec.encode(new Uint8Array([1, 2, 3])))
    const read = codec.decode(written)
    written.fill(0)
    expect(read).toStrictEqual(new Uint8Array([1, 2, 3]))
  })
})

test('the bytes are those that avsc writes, for values of all kinds', () => {
  const schema = {
    type: 'record',
    name: 'All',
    fields: [
      { name: 'int', type: 'int' },
      { name: 'long', type: 'long' },
      { name: 'float', type: 'float' },
      { name: 'double', type: 'double' },
      { name: 'boolean', type: 'boolean' },
      { name: 'string', type: 'string' },
      { name: 'bytes', type: 'bytes' },
      { name: 'fixed', type: { type: 'fixed', name: 'Four', size: 4 } },
      { name: 'state', type: { type: 'enum', name: 'State', symbols: ['A', 'B'] } },
      { name: 'nullable', type: ['string', 'null'] },
      {
        name: 'list',
        type: { type: 'array', items: { type: 'record', name: 'Item', fields: [{ name: 'at', type: 'int' }] } },
      },
      { name: 'map', type: { type: 'map', values: 'double' } },
      { name: 'union', type: ['null', 'int', 'double', 'Item'] },
    ],
  }
  const theirs = avsc.Type.forSchema(schema as never)
  const ours = new Registry().codec(schema)
  for (let time = 0; time < 200; time += 1) {
    const bytes = Buffer.concat([Buffer.from([0, 0, 0, 0, 1]), theirs.toBuffer(theirs.random())])
    const read = ours.decode(bytes)
    expect(Buffer.from(ours.encode(read)).equals(bytes)).toBe(true)
  }
})
