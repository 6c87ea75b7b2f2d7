/** Topics and tables say at once what is wrong with them; outputs say it with the first record, by name. */
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { TroupeError, describeError } from '../../../src/errors.ts'
import { bytes, json, text } from '../../../src/streams/flows/codec.ts'
import { EffectEncoder } from '../../../src/streams/flows/effect-encoder.ts'
import { table, topic, type Effect } from '../../../src/streams/flows/flow.ts'

/** Says things that no compiler would let pass. */
const unchecked = (value: unknown): never => value as never

function messageOf(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    expect(error).toBeInstanceOf(TroupeError)
    expect(error).toMatchObject({ code: 'OPTIONS_INVALID' })
    return describeError(error)
  }
  throw new Error('nothing was refused')
}

class Avro {
  readonly name = 'avro'
  decode = (): unknown => null
  encode = (): Uint8Array => new Uint8Array()
}

describe('topic', () => {
  test.each<[string, unknown, string]>([
    ['a codec whose call was forgotten', { value: json }, "topic('x'): value: json is a function: write json()"],
    ['a codec that is a class', { value: Avro }, "topic('x'): value: Avro is a class: write new Avro()"],
    [
      'a codec by its name',
      { value: 'json' },
      "value: 'json' is no codec (an object with decode and encode, such as json(), text or bytes)",
    ],
    ['half a codec', { value: { name: 'half', decode: () => 1 } }, 'value: it has no function encode'],
    ['a codec in the place of options', json(), "topic('x'): the options are a codec: write { value: … }"],
    ['a misspelt option', { codex: text }, 'codex: unknown, did you mean codec?'],
    [
      'an option of something else',
      { partitions: 3 },
      'partitions: unknown; there are key, value, tombstones, latestPerCheckpoint and time',
    ],
    ['a flag that is none', { tombstones: 'yes' }, "tombstones: 'yes' is not true or false"],
    ['another that is none', { latestPerCheckpoint: 1 }, 'latestPerCheckpoint: 1 is not true or false'],
    [
      'a time that is no function',
      { time: 'at' },
      "time: 'at' is no function that takes a value and returns milliseconds",
    ],
    ['no object of options', 'json', "the options are 'json', which is no object"],
  ])('refuses %s', (_, options, message) => {
    expect(messageOf(() => topic('x', unchecked(options)))).toContain(message)
  })

  test.each([
    ['zod', z.string(), 'value: it is a schema, which checks and reads no bytes: write json(schema)'],
    [
      'Avro',
      { type: 'record', name: 'R', fields: [] },
      'value: it is an Avro schema: write avro(schema), of troupe/avro',
    ],
  ])('a schema of %s in the place of a codec is told from one', (_, value, message) => {
    expect(messageOf(() => topic('x', unchecked({ value })))).toContain(message)
  })

  test.each([undefined, '', 'a b', 'a/b', '..', 'x'.repeat(250), 5])('refuses the name %o', (name) => {
    expect(messageOf(() => topic(unchecked(name)))).toContain("is not a topic's name")
  })

  test('tells all at once', () => {
    const message = messageOf(() => topic('x', unchecked({ value: json, tombstone: true })))
    expect(message).toContain('write json()')
    expect(message).toContain('did you mean tombstones?')
  })

  test.each([
    {},
    { value: text },
    { key: text, value: bytes, tombstones: true },
    { value: new Avro() },
    { value: undefined },
  ])('takes %o', (options) => {
    expect(topic('user.clicks-v1_x', unchecked(options)).kind).toBe('topic')
  })
})

describe('table', () => {
  const columns = { user: 'bigint', at: 'timestamptz' }

  test.each<[string, unknown, string]>([
    ['no columns', { key: ['user'] }, "table('x'): columns: undefined is not an object of at least one column"],
    ['an empty list of columns', { columns: {}, key: [] }, 'columns: {} is not an object of at least one column'],
    [
      'a column without a type',
      { columns: { user: 5 }, key: ['user'] },
      "columns.user: 5 is not the name of a type, such as 'text'",
    ],
    ['no key', { columns }, 'key: undefined is not a list of at least one column'],
    ['an empty key', { columns, key: [] }, 'key: [] is not a list of at least one column'],
    ['a key beside the columns', { columns, key: ['usr'] }, 'key: usr is no column, did you mean user?'],
    ['a key by a name of JavaScript', { columns, key: ['constructor'] }, 'key: constructor is no column'],
    ['a column twice in the key', { columns, key: ['user', 'user'] }, 'key: user stands there twice'],
    ['a misspelt option', { column: columns, columns, key: ['user'] }, 'column: unknown, did you mean columns?'],
    ['a sink that is no name', { columns, key: ['user'], sink: {} }, 'sink: {} is not the name of a sink'],
    ['no options', undefined, 'the options are undefined, which is no object'],
  ])('refuses %s', (_, options, message) => {
    expect(messageOf(() => table('x', unchecked(options)))).toContain(message)
  })

  test('refuses a name that is none', () => {
    expect(messageOf(() => table('', { columns, key: ['user'] }))).toContain("'' is not a table's name")
  })
})

describe('an output', () => {
  const clicks = topic<unknown>('clicks')
  const rows = table<Record<string, unknown>>('rows', { columns: { constructor: 'text', id: 'text' }, key: ['id'] })
  const encoder = new EffectEncoder([clicks, rows])
  const encode = (options: unknown) => encoder.encode(clicks.record(1, unchecked(options)))

  test.each<[string, unknown, string]>([
    ['an object', { id: 7 }, 'a key is text, a number, bytes or null, and got { id: 7 }'],
    ['a list', [1], 'and got [ 1 ]'],
    ['a date', new Date(0), 'and got 1970-01-01T00:00:00.000Z'],
    ['a truth', true, 'and got true'],
    ['a function', json, 'and got [Function: json]'],
    ['no number', Number.NaN, 'and got NaN'],
    ['no end', Number.POSITIVE_INFINITY, 'and got Infinity'],
  ])('whose key is %s is refused', (_, key, message) => {
    try {
      encode({ key })
    } catch (error) {
      expect(error).toMatchObject({ code: 'ENCODE_FAILED' })
      const text = describeError(error)
      expect(text).toContain('topic clicks')
      expect(text).toContain(message)
      return
    }
    throw new Error('it was encoded')
  })

  test.each<[unknown, string | null]>([
    ['', ''],
    ['user 7', 'user 7'],
    [7, '7'],
    [7n, '7'],
    [Buffer.from('b'), 'b'],
    [null, null],
    [undefined, null],
  ])('whose key is %o is written', (key, written) => {
    const effect = encode({ key })
    const bytesOfKey = effect.type === 'record' ? effect.record.key : undefined
    expect(bytesOfKey === null ? null : Buffer.from(bytesOfKey ?? 'none').toString()).toBe(written)
  })

  test.each<[string, unknown, string]>([
    [
      'its key in the place of options',
      'user 7',
      "the options of a record are an object, such as { key }, and got 'user 7'",
    ],
    ['nothing but a misspelt option', { keys: 'user 7' }, 'keys: unknown, did you mean key?'],
    ['headers that are text', { headers: 'abc' }, 'headers are an object, or a list of pairs'],
    ['headers in a Map', { headers: new Map([['a', 'b']]) }, 'headers are an object, or a list of pairs'],
    ['a header that is no pair', { headers: ['ab'] }, "a header is a pair of name and value, and got 'ab'"],
    ['a header without a name', { headers: [[5, 'b']] }, 'a header is a pair of name and value'],
    ['a header that is a number', { headers: { trace: 7 } }, 'header trace is text, bytes or null, and got 7'],
    [
      'a header that is undefined',
      { headers: { trace: undefined } },
      'header trace is text, bytes or null, and got undefined',
    ],
    ['a partition that is no number', { partition: '3' }, "a partition is a whole number, and got '3'"],
    [
      'a timestamp that is a date',
      { timestamp: new Date(5) },
      'a timestamp is a whole number, and got 1970-01-01T00:00:00.005Z',
    ],
  ])('with %s is refused', (_, options, message) => {
    try {
      encode(options)
    } catch (error) {
      expect(error).toMatchObject({ code: 'ENCODE_FAILED' })
      const text = describeError(error)
      expect(text).toContain('topic clicks')
      expect(text).toContain(message)
      return
    }
    throw new Error('it was encoded')
  })

  test('lacks a column whose name every object knows, and it is null', () => {
    expect(encoder.encode(rows.upsert({ id: 'a' }))).toMatchObject({ row: { values: [null, 'a'] } })
  })

  test('to a table that is no row is refused', () => {
    const effect = { type: 'row', table: 'rows', row: null } as unknown as Effect
    expect(() => encoder.encode(effect)).toThrow('a row of table rows is an object, and got null')
  })
})
