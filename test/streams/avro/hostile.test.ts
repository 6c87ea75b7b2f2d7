/** Bytes that somebody made up, or that broke: refused in bounded time and memory, with a reason. */
import { describe, expect, test, vi } from 'vitest'
import { avro } from '../../../src/streams/avro/avro.ts'
import { OwnRecord } from '../../../src/streams/avro/parts.ts'
import { Random } from '../../../src/testing/random.ts'
import { fuzz } from './fuzz.ts'
import { framed, holding, orders, Registry } from './registry.ts'

/** What reading these bytes as this schema says. */
function refusal(type: unknown, bytes: readonly number[]): string {
  const codec = new Registry().codec(type as object)
  try {
    return `read: ${JSON.stringify(codec.decode(framed(1, bytes)))}`
  } catch (error) {
    expect(error).not.toBeInstanceOf(TypeError)
    return (error as Error).message
  }
}

/** As Avro writes a long. */
function varint(value: bigint): number[] {
  let rest = value >= 0n ? value << 1n : (-value << 1n) - 1n
  const bytes: number[] = []
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  return [...bytes, Number(rest)]
}

const array = (items: unknown): object => ({ type: 'array', items })
const map = (values: unknown): object => ({ type: 'map', values })
const empty = { type: 'record', name: 'Empty', fields: [] }

describe('bytes that are none of a serializer', () => {
  test.each([
    [Buffer.alloc(0), 'there are none'],
    [Buffer.from([0, 0, 0, 0]), 'they are 4, and begin with 0x00000000'],
    [Buffer.from('{"id":1}'), 'they are 8, and begin with 0x7b22696422'],
  ])('%o', (bytes, reason) => {
    expect(() => new Registry().codec('"int"').decode(bytes)).toThrow(reason)
  })

  test('an id that no registry gives is asked for nowhere', () => {
    const registry = new Registry()
    expect(() => registry.codec('"int"').decode(framed(-1, 0))).toThrow('schema -1')
    expect(registry.asked).toEqual([])
  })
})

describe('a value', () => {
  test.each([
    ['cut off', holding('string'), [10, 0x61], 'a length of 5 before byte 6, where 1 bytes are left'],
    ['cut off in a number', holding('long'), [0x80], 'the bytes end before the value does, which schema 1 wrote'],
    ['cut off in a double', holding('double'), [0, 0], 'the bytes end before the value does'],
    ['not there at all', holding('boolean'), [], 'the bytes end before the value does'],
    ['with more behind it', holding('int'), [2, 2], '1 bytes are left behind the value, which schema 1 wrote'],
    ['text that is no UTF-8', holding('string'), [4, 0xc3, 0x28], 'the text at byte 6 is not UTF-8'],
    ['text cut in a character', holding('string'), [2, 0xc3], 'is not UTF-8'],
    ['a map key that is no UTF-8', map('int'), [2, 2, 0xff, 0, 0], 'is not UTF-8'],
    ['text of a negative length', holding('string'), [1], 'a length of -1'],
    ['bytes of a negative length', holding('bytes'), [3], 'a length of -2'],
    ['bytes longer than all there is', holding('bytes'), varint(2n ** 40n), 'a length of 1099511627776'],
    ['a length of hundreds of bytes', holding('bytes'), [...Array<number>(300).fill(0x80), 0], 'a length of'],
    [
      'fixed that is cut off',
      holding({ type: 'fixed', name: 'F', size: 9 }),
      [1, 2],
      '9 bytes at byte 5, where 2 are left',
    ],
    ['a branch that is none', holding(['null', 'int']), [4], 'a union has no branch 2'],
    ['a branch below zero', holding(['null', 'int', 'string']), [1], 'a union has no branch -1'],
    [
      'a symbol that is none',
      holding({ type: 'enum', name: 'E', symbols: ['A'] }),
      [2],
      'enum com.acme.E has no symbol 1',
    ],
    ['an int of more than 32 bits', holding('int'), varint(2n ** 31n), 'an int of more than 32 bits'],
    [
      'a long of more than 64 bits',
      holding('long'),
      [...Array<number>(9).fill(0xff), 0x02],
      'a long of more than 64 bits',
    ],
    ['a boolean that is neither', holding('boolean'), [2], '2 is neither true nor false'],
    ['a time beyond a Date', holding({ type: 'long', logicalType: 'timestamp-millis' }), varint(2n ** 62n), 'beyond'],
  ])('%s', (_what, schema, bytes, reason) => {
    expect(refusal(schema, bytes)).toContain(reason)
  })

  test('U+FFFD itself is text as any other', () => {
    expect(refusal(holding('string'), [6, 0xef, 0xbf, 0xbd])).toBe('read: {"it":"\uFFFD"}')
  })
})

describe('counts are bounded by what the bytes can hold', () => {
  const million = varint(1_000_000n)
  test.each([
    ['ints', array('int'), [...million, 2, 2]],
    ['ints, counted below zero', array('int'), [...varint(-1_000_000n), 0, 2, 2]],
    ['the least long', array('int'), [...varint(-(2n ** 63n)), 0]],
    ['doubles', array('double'), [...varint(2n), ...Array<number>(15).fill(0)]],
    ['entries', map('null'), [...million, 0]],
    ['nulls', array('null'), [...million, 0]],
    ['nulls, block by block', array('null'), [...Array<number>(30_000).fill(2), 0]],
    [
      'nulls within arrays',
      array(array('null')),
      [...varint(60_000n), ...Array<number[]>(60_000).fill([2, 0]).flat(), 0],
    ],
    ['records of nothing', array(empty), [...million, 0]],
    ['records of null', array({ ...empty, fields: [{ name: 'a', type: 'null' }] }), [...million, 0]],
    ['bytes of no length', array({ type: 'fixed', name: 'F', size: 0 }), [...million, 0]],
  ])('%s', (_what, schema, bytes) => {
    expect(refusal(schema, bytes)).toMatch(
      /items before byte \d+, where \d+ bytes are left|more than 10000 items that take no bytes/,
    )
    // Skipped by who does not read it.
    const registry = new Registry()
    const whole = {
      type: 'record',
      name: 'Whole',
      fields: [
        { name: 'it', type: schema },
        { name: 'last', type: 'int' },
      ],
    }
    registry.codec(whole)
    const codec = avro<Record<string, unknown>>(whole, { fields: ['last'] }).contract.bind(orders, registry)
    expect(() => codec.decode(framed(1, bytes, 2))).toThrow(/items|length|end before/)
  })

  test('a few that take no bytes are read', () => {
    expect(refusal(array('null'), [4, 0])).toBe('read: [null,null]')
    expect(refusal(array(empty), [2, 0])).toBe('read: [{}]')
  })

  test('a block that is skipped by its size goes forward only', () => {
    const registry = new Registry()
    const whole = {
      type: 'record',
      name: 'Whole',
      fields: [
        { name: 'it', type: array('int') },
        { name: 'last', type: 'int' },
      ],
    }
    registry.codec(whole)
    const codec = avro<Record<string, unknown>>(whole, { fields: ['last'] }).contract.bind(orders, registry)
    expect(() => codec.decode(framed(1, 1, 3, 2, 0, 2))).toThrow('a length of -2')
    expect(codec.decode(framed(1, 1, 2, 2, 0, 2))).toEqual({ last: 1 })
  })
})

describe('depth', () => {
  const list = { type: 'record', name: 'List', fields: [{ name: 'next', type: ['null', 'List'] }] }
  const nested = (depth: number): object | null => {
    let value: object | null = null
    for (let level = 0; level < depth; level += 1) value = { next: value }
    return value
  }

  test('is bounded, read, skipped and written', () => {
    expect(refusal(list, [...Array<number>(100_000).fill(2), 0])).toBe('records are nested more than 250 deep')
    const registry = new Registry()
    const codec = registry.codec(list)
    expect(codec.decode(codec.encode(nested(250)))).toEqual(nested(250))
    expect(() => codec.encode(nested(251))).toThrow('records are nested more than 250 deep')
    const whole = {
      type: 'record',
      name: 'Whole',
      fields: [
        { name: 'it', type: list },
        { name: 'last', type: 'int' },
      ],
    }
    const id = registry.add(whole)
    const part = avro<Record<string, unknown>>(whole, { fields: ['last'] }).contract.bind(orders, registry)
    expect(() => part.decode(framed(id, Array<number>(100_000).fill(2), 0, 2))).toThrow('nested more than 250 deep')
  })

  test('a value that holds itself is refused', () => {
    const circle: { next: object | null } = { next: null }
    circle.next = circle
    expect(() => new Registry().codec(list).encode(circle)).toThrow('nested more than 250 deep')
  })
})

describe('a schema that somebody made up', () => {
  const pair = (name: string, type: string): object => ({
    type: 'record',
    name,
    fields: [
      { name: 'a', type },
      { name: 'b', type },
    ],
  })
  const reference = (schema: object) => ({ name: (schema as { name: string }).name, text: JSON.stringify(schema) })

  test('records that take no byte, each of two others, are counted as items are: read and skipped', () => {
    const levels = Array.from({ length: 18 }, (_, level) => pair(`R${level + 1}`, `R${level}`))
    const writer = { ...holding('R18'), name: 'Holder' }
    const references = [{ ...empty, name: 'R0' }, ...levels].map(reference)
    const registry = new Registry()
    const id = registry.add(writer, { references })
    const reader = { ...writer, fields: [{ name: 'other', type: 'int', default: 1 }] }
    const skips = avro<unknown>(reader).contract.bind(orders, registry)
    expect(() => skips.decode(framed(id))).toThrow('more than 10000 items that take no bytes')
    const texts = references.map(({ text }) => JSON.parse(text) as object)
    const reads = avro<unknown>(writer, { references: texts }).contract.bind(orders, registry)
    expect(() => reads.decode(framed(id))).toThrow('more than 10000 items that take no bytes')
  })

  test('what cannot be read is looked at once, by however many ways it is come to', () => {
    const reader = {
      type: 'record',
      name: 'A',
      fields: [
        { name: 'next', type: 'A' },
        { name: 'id', type: 'int' },
      ],
    }
    const update = vi.spyOn(OwnRecord.prototype, '_update')
    const leaf = { type: 'record', name: 'leaf.A', fields: [] }
    const levels = Array.from({ length: 8 }, (_, level) => {
      const below = level === 0 ? ['leaf.A'] : [`p${level - 1}.A`, `q${level - 1}.A`]
      return ['p', 'q'].map((name) => ({
        type: 'record',
        name: `${name}${level}.A`,
        fields: [{ name: 'next', type: below }],
      }))
    })
    const registry = new Registry()
    const references = [leaf, ...levels.flat()].map(reference)
    const id = registry.add(
      { type: 'record', name: 'top.A', fields: [{ name: 'next', type: ['p7.A', 'q7.A'] }] },
      { references },
    )
    expect(() => registry.codec(reader).decode(framed(id))).toThrow('cannot be read')
    // Once for each of the 18 records that others wrote.
    expect(update.mock.calls.length).toBe(18)
    update.mockRestore()
  })
})

test('after whatever was refused the next record is read as ever', () => {
  const registry = new Registry()
  const codec = registry.codec(holding('bytes'))
  const written = codec.encode({ it: new Uint8Array([1, 2, 3]) })
  for (const bytes of [[...Array<number>(300).fill(0xff), 0], varint(-5n), [200, 1]]) {
    expect(() => codec.decode(framed(1, bytes))).toThrow(/length/)
    expect(codec.decode(written)).toEqual({ it: new Uint8Array([1, 2, 3]) })
  }
})

test('thousands of changed payloads are each read or refused', () => {
  expect(fuzz(20_000, new Random(4711)).faults).toEqual([])
})
