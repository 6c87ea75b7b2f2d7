import { describe, expect, it } from 'vitest'
import { InvalidSchema, parseAvro } from '../../src/schemas/avro-schema.ts'
import { canonicalText } from '../../src/schemas/canonical-text.ts'

const record = (...fields: unknown[]) => ({ type: 'record', name: 'R', fields })
const withDefault = (type: unknown, value: unknown) => record({ name: 'f', type, default: value })
const inner = { type: 'record', name: 'Inner', fields: [{ name: 'a', type: 'int' }] }

describe('what is no valid schema is refused, with its place and its reason', () => {
  it.each<[string, unknown, RegExp]>([
    [
      'a type that nobody defines',
      record({ name: 'f', type: 'com.acme.Nowhere' }),
      /^\/fields\/0\/type: "com.acme.Nowhere" is no type/,
    ],
    [
      'an object without a type',
      record({ name: 'f', type: { items: 'int' } }),
      /^\/fields\/0\/type: an object has to name its type/,
    ],
    ['a record without fields', { type: 'record', name: 'R' }, /has to have "fields"/],
    ['a record without a name', { type: 'record', fields: [] }, /has to have a name/],
    ['a name that is none', { type: 'record', name: 'a-b', fields: [] }, /"a-b" is no name/],
    ["a name of Avro's own", { type: 'record', name: 'int', fields: [] }, /no type may be named int/],
    ['one name for two types', ['null', record({ name: 'f', type: record() })], /R is defined twice/],
    ['one name for two fields', record({ name: 'f', type: 'int' }, { name: 'f', type: 'int' }), /two fields f/],
    ['a field without a type', record({ name: 'f' }), /field f has no type/],
    ['an order that is none', record({ name: 'f', type: 'int', order: 'up' }), /"up" is no order/],
    ['a symbol twice', { type: 'enum', name: 'E', symbols: ['A', 'A'] }, /two symbols A/],
    ['a symbol that is none', { type: 'enum', name: 'E', symbols: ['A-B'] }, /"A-B" is no name of a symbol/],
    ['an enum without symbols', { type: 'enum', name: 'E' }, /names have to be an array/],
    [
      'a default that is no symbol',
      { type: 'enum', name: 'E', symbols: ['A'], default: 'B' },
      /"B" is none of the symbols/,
    ],
    ['a union twice of one type', ['null', 'int', 'int'], /may hold int only once/],
    ['a union in a union', ['null', ['int']], /may not hold another/],
    ['a list of nothing', { type: 'array' }, /"items"/],
    ['a map of nothing', { type: 'map' }, /"values"/],
    ['a fixed without a size', { type: 'fixed', name: 'F' }, /"size"/],
    ['a number', 42, /a type is a name, an object or/],
    ['a text as default of an int', withDefault('int', 'x'), /^\/fields\/0: field f cannot have the default "x"/],
    ['null as default of a text', withDefault('string', null), /cannot have the default null/],
    ['a default too large for an int', withDefault('int', 3_000_000_000), /default 3000000000/],
    ['a fraction as default of a long', withDefault('long', 1.5), /default 1\.5/],
    ['a default that is none of the branches', withDefault(['null', 'int'], 'x'), /default "x"/],
    ['a default of a record that lacks a field', withDefault(inner, {}), /default \{\}/],
    ['a default of a fixed that is too short', withDefault({ type: 'fixed', name: 'F', size: 2 }, 'x'), /default "x"/],
  ])('%s', (_, json, reason) => {
    const parse = () => parseAvro({ text: JSON.stringify(json), references: [] })
    expect(parse).toThrow(InvalidSchema)
    expect(parse).toThrow(reason)
  })

  it('what is no JSON, and what is deep enough to use up the stack', () => {
    expect(() => parseAvro({ text: '{"type": ', references: [] })).toThrow(/^it is no JSON: /)
    const deep = `${'{"type":"array","items":'.repeat(100_000)}"int"${'}'.repeat(100_000)}`
    expect(() => parseAvro({ text: deep, references: [] })).toThrow('it has more than 500 levels')
  })

  it('and a reference by its name', () => {
    const references = [{ name: 'x.Line', text: '{"type":"record","name":"x.Line"}' }]
    expect(() => parseAvro({ text: '"x.Line"', references })).toThrow(/^in the reference x\.Line: /)
  })
})

describe('what Avro allows is taken', () => {
  it.each<[string, unknown]>([
    ['null as default of what allows null, wherever in the union', withDefault(['int', 'null'], null)],
    ['the first branch as default, and the second', withDefault(['null', 'int'], 1)],
    ['bytes as characters', withDefault('bytes', '\u00ff\u0000')],
    [
      'a record, with what has defaults left out',
      withDefault({ ...inner, fields: [{ name: 'a', type: 'int', default: 1 }] }, {}),
    ],
    ['a list and a map of a type that holds itself', withDefault({ type: 'array', items: 'R' }, [])],
    ['numbers that JSON has not', withDefault('double', 'NaN')],
    ['attributes of others', { type: 'int', connect: { version: 1 } }],
    ['a logical type that does not fit, as plain bytes', { type: 'int', logicalType: 'timestamp-millis' }],
    [
      'a name that every object of JavaScript has',
      { ...record({ name: 'constructor', type: 'int' }), name: '__proto__' },
    ],
  ])('%s', (_, json) => {
    expect(() => parseAvro({ text: JSON.stringify(json), references: [] })).not.toThrow()
  })
})

// Expected: what Avro's Java library 1.12.0 makes of them.
describe('the canonical text', () => {
  it.each<[string, string, string]>([
    [
      'knows no white space and no order of keys, and keeps docs, aliases, defaults and attributes',
      `{"fields":[ {"type":"int","name":"a","default":1, "doc":"d","order":"ascending","x-y":{"b":1}},
        {"aliases":["q"],"name":"b","type":{"type":"string","avro.java.string":"String"},"order":"descending"}],
        "name":"a.b.R","type":"record","doc":"D","aliases":["Z","o.Z"],"p":1}`,
      '{"type":"record","name":"R","namespace":"a.b","doc":"D","fields":[{"name":"a","type":"int","doc":"d","default":1,"x-y":{"b":1}},{"name":"b","type":{"type":"string","avro.java.string":"String"},"order":"descending","aliases":["q"]}],"p":1,"aliases":["Z","o.Z"]}',
    ],
    [
      'names a type the second time, by as much of its name as is needed',
      '{"type":"record","name":"R","namespace":"n","fields":[{"name":"e","type":{"type":"enum","name":"E","symbols":["A"],"default":"A"}},{"name":"e2","type":"n.E"},{"name":"f","type":{"type":"fixed","name":"o.F","size":3}},{"name":"g","type":"o.F"}]}',
      '{"type":"record","name":"R","namespace":"n","fields":[{"name":"e","type":{"type":"enum","name":"E","symbols":["A"],"default":"A"}},{"name":"e2","type":"E"},{"name":"f","type":{"type":"fixed","name":"F","namespace":"o","size":3}},{"name":"g","type":"o.F"}]}',
    ],
    [
      'says of a type that it has no namespace where it stands in one',
      '{"type":"record","name":"R","namespace":"n","fields":[{"name":"e","type":{"type":"record","name":"E","namespace":"","fields":[]}}]}',
      '{"type":"record","name":"R","namespace":"n","fields":[{"name":"e","type":{"type":"record","name":"E","namespace":"","fields":[]}}]}',
    ],
    [
      'takes a name for an object with nothing else',
      '{"type":"array","items":{"type":"int"}}',
      '{"type":"array","items":"int"}',
    ],
    [
      'keeps a type of an error one',
      '{"type":"error","name":"R","fields":[]}',
      '{"type":"error","name":"R","fields":[]}',
    ],
    [
      'keeps every digit of a default',
      '{"type":"record","name":"R","fields":[{"name":"l","type":"long","default":9223372036854775807}]}',
      '{"type":"record","name":"R","fields":[{"name":"l","type":"long","default":9223372036854775807}]}',
    ],
    [
      'writes unions branch by branch',
      '{"type":"record","name":"R","fields":[{"name":"u","type":["null",{"type":"map","values":"R"}],"default":null}]}',
      '{"type":"record","name":"R","fields":[{"name":"u","type":["null",{"type":"map","values":"R"}],"default":null}]}',
    ],
  ])('%s', (_, text, expected) => {
    expect(canonicalText({ text, references: [] })).toBe(expected)
    expect(canonicalText({ text: expected, references: [] })).toBe(expected)
  })

  it('names what is referred to, and does not define it', () => {
    const references = [{ name: 'x.Line', text: '{"type":"record","name":"x.Line","fields":[]}' }]
    const text =
      '{"name":"O","type":"record","namespace":"x","fields":[{"type":"x.Line","name":"a"},{"type":"Line","name":"b"}]}'
    expect(canonicalText({ text, references })).toBe(
      '{"type":"record","name":"O","namespace":"x","fields":[{"name":"a","type":"Line"},{"name":"b","type":"Line"}]}',
    )
  })
})
