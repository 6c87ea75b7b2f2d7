/** A schema is looked at where it is declared: all problems at once, each with its place. */
import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { isTroupeError } from '../../../src/errors.ts'
import { avro } from '../../../src/streams/avro/avro.ts'
import { holding, orders, Registry } from './registry.ts'

function problems(schema: unknown, options?: object): string[] {
  try {
    avro(schema as object, options)
  } catch (error) {
    if (!isTroupeError(error) || error.code !== 'OPTIONS_INVALID') throw error
    return error.message.replace(/^avro\(\): /, '').split('; ')
  }
  return []
}

describe('a schema', () => {
  test('with many faults is refused once, with all of them', () => {
    const schema = {
      type: 'record',
      name: 'Order',
      namespace: 'com.acme',
      fields: [
        { name: 'id', type: 'lnog' },
        { name: 'id', type: 'int' },
        { name: '1st', type: 'int' },
        { name: '__proto__', type: 'int' },
        { name: 'price', type: { type: 'bytes', logicalType: 'decimal', precision: 2, scale: 3 } },
        { name: 'day', type: { type: 'string', logicalType: 'date' } },
        { name: 'state', type: { type: 'enum', name: 'State', symbols: ['A', 'A', 'b-c'], default: 'D' } },
        { name: 'list', type: { type: 'array' } },
        { name: 'map', type: { type: 'map', values: ['null', ['int']] } },
        { name: 'twice', type: ['string', { type: 'string' }] },
        { name: 'hash', type: { type: 'fixed', name: 'Hash', size: -1 } },
        { name: 'again', type: { type: 'fixed', name: 'Hash', size: 1 } },
        { name: 'nothing' },
        { name: 'alone', type: 'array' },
      ],
    }
    expect(problems(schema)).toEqual([
      'com.acme.Order.id: the record has two fields of this name',
      "com.acme.Order.fields[2]: name: '1st' is no name (letters, digits and _)",
      'com.acme.Order.__proto__: every JavaScript object has something of this name',
      'com.acme.Order.price: decimal: scale has to be a whole number from 0 to precision',
      "com.acme.Order.day: date stands on 'string', and belongs on int",
      "com.acme.Order.state: symbols: 'b-c' cannot be one (letters, digits and _, and no name that every object has)",
      "com.acme.Order.state: symbols: 'A' stands there twice",
      "com.acme.Order.state: default: 'D' is no symbol",
      'com.acme.Order.list: an array without items',
      'com.acme.Order.map{}: a union stands directly in a union',
      'com.acme.Order.twice: a union has two branches string',
      'com.acme.Order.hash: size: -1 is no number of bytes',
      'com.acme.Order.again: com.acme.Hash is defined twice',
      'com.acme.Order.nothing: it has no type',
      "com.acme.Order.alone: array stands there alone: write { type: 'array', … }",
    ])
  })

  test('names nothing that nobody defines', () => {
    expect(problems(holding('strng'))).toEqual([
      'com.acme.Holder.it: com.acme.strng is no type, and none of references',
    ])
    const late = {
      type: 'record',
      name: 'L',
      fields: [
        { name: 'a', type: 'X' },
        { name: 'b', type: { type: 'fixed', name: 'X', size: 1 } },
      ],
    }
    expect(problems(late)).toEqual(['L.a: X stands there before it is defined'])
  })

  test('has defaults of their type, of unions of the first one', () => {
    const schema = {
      type: 'record',
      name: 'R',
      fields: [
        { name: 'a', type: 'int', default: 'x' },
        { name: 'b', type: ['null', 'string'], default: 'x' },
        { name: 'c', type: 'long', default: 1.5 },
        { name: 'd', type: 'bytes', default: 'ሴ' },
      ],
    }
    expect(problems(schema)).toEqual([
      "R.a: default 'x': text, where a number is written",
      "R.b: default 'x': text, where null is written",
      'it has to be of the first type of the union, null',
      'R.c: default 1.5: 1.5 is no integer that is exact',
      "R.d: default 'ሴ': it has to be text of the characters U+0000 to U+00FF, one for each byte",
    ])
  })

  test.each([
    [undefined, 'undefined is no schema'],
    ['./order.avsc', "for a file write new URL('./order.avsc', import.meta.url)"],
    ['{', 'is no JSON'],
    [new URL('file:///no/such.avsc'), 'file:///no/such.avsc cannot be read: ENOENT'],
    [{}, 'an object without type'],
    [5, '5 is no schema'],
  ])('%o is none', (schema, reason) => {
    expect(problems(schema).join('; ')).toContain(reason)
  })

  test('is read from a file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'troupe-avro-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const file = pathToFileURL(join(folder, 'holder.avsc'))
    writeFileSync(file, `\uFEFF${JSON.stringify(holding('int'))}`)
    const codec = avro<{ it: number }>(file)
    expect(codec.contract.subjectsAt(orders)[0]!.schema).toEqual({
      type: 'AVRO',
      name: 'com.acme.Holder',
      text: JSON.stringify(holding('int')),
      references: [],
    })
    writeFileSync(file, 'no json')
    expect(problems(file).join()).toContain('holder.avsc: ')
  })
})

describe('options', () => {
  test('are refused all at once', () => {
    expect(problems('"int"', { longs: 'text', subject: 'both', fields: [], references: 5, feilds: ['x'] })).toEqual([
      "longs: 'text' is not one of bigint, number",
      "subject: 'both' is not one of topic, record, topic-record",
      'fields: [] is not a list of at least one field',
      'references: 5 is not a list of schemas',
      'feilds: unknown, did you mean fields?',
    ])
  })

  test('name fields that there are, and subjects by names only where there are names', () => {
    expect(problems(holding('int'), { fields: ['ti', 'it', 'it'] })).toEqual([
      'fields: com.acme.Holder has no field ti, did you mean it?',
      'fields: it stands there twice',
    ])
    expect(problems('"int"', { fields: ['x'] })).toEqual(['fields: the schema is a int, and has none'])
    expect(problems(['null', holding('int')], { subject: 'record' })).toEqual([
      "subject: by 'record' each schema goes by its name, and null has none",
    ])
  })

  test('have references that are needed, defined once, and do not need each other', () => {
    const one = { type: 'record', name: 'One', fields: [{ name: 'other', type: 'Two' }] }
    const two = { type: 'record', name: 'Two', fields: [{ name: 'other', type: 'One' }] }
    const top = { type: 'record', name: 'Top', fields: [{ name: 'one', type: 'One' }] }
    expect(problems(top, { references: [one, two] })).toEqual([
      'references[0]: it needs a schema that needs it',
      'references[1]: it needs a schema that needs it',
    ])
    const fine = { type: 'record', name: 'One', fields: [] }
    expect(problems(top, { references: [fine, holding('int')] })).toEqual(['references[1]: nobody names it'])
    expect(problems(top, { references: [fine, fine] })).toEqual(['references[1]: One is defined before, too'])
    expect(problems(top, { references: [{ ...fine, name: 'Onee' }] })[0]).toBe(
      'Top.one: One is no type, did you mean Onee?',
    )
  })
})

test('a codec works only where it is bound', () => {
  const codec = avro('string')
  expect(() => codec.decode(Buffer.alloc(6))).toThrow('bound it to a schema registry')
  expect(() => codec.encode('x')).toThrow('bound it to a schema registry')
  expect(new Registry().bind(codec).encode('x')).toEqual(Buffer.from([0, 0, 0, 0, 1, 2, 0x78]))
})
