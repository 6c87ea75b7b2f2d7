import avsc from 'avsc'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  checkLevel,
  compatibilityLevels,
  describeBreach,
  incompatibilities,
  type CompatibilityLevel,
  type OldVersion,
} from '../../src/schemas/compatibility.ts'
import { evolutions, stricterThanRegistries } from '../contract/evolutions.ts'

const of = (json: unknown) => ({ text: JSON.stringify(json), references: [] })
const kinds = (reader: unknown, writer: unknown) => incompatibilities(of(reader), of(writer)).map(({ kind }) => kind)

describe('a change of a schema', () => {
  it.each([...evolutions, ...stricterThanRegistries])('of $change is judged by schema resolution', (evolution) => {
    const { from, to, backward, forward } = evolution
    expect(kinds(to, from)).toEqual(backward === null ? [] : [backward])
    expect(kinds(from, to)).toEqual(forward === null ? [] : [forward])
  })

  it('of text to a decimal, or back, is refused: both are bytes, and one would be read as another value', () => {
    const decimal = { type: 'bytes', logicalType: 'decimal', precision: 10, scale: 2 }
    const inRecord = (type: unknown) => ({ type: 'record', name: 'R', fields: [{ name: 'a', type }] })
    expect(kinds(inRecord(decimal), inRecord('string'))).toEqual(['LOGICAL_TYPE_MISMATCH'])
    expect(kinds(inRecord('string'), inRecord(decimal))).toEqual(['LOGICAL_TYPE_MISMATCH'])
    expect(kinds(inRecord('bytes'), inRecord(decimal))).toEqual([])
    expect(kinds(inRecord('string'), inRecord('bytes'))).toEqual([])
  })

  it('that breaks several things has each told, with its place', () => {
    const from = {
      type: 'record',
      name: 'R',
      fields: [
        { name: 'a', type: 'string' },
        { name: 'list', type: { type: 'array', items: { type: 'map', values: 'long' } } },
        { name: 'u', type: ['null', { type: 'enum', name: 'E', symbols: ['C', 'B', 'A'] }] },
      ],
    }
    const to = {
      type: 'record',
      name: 'R',
      fields: [
        { name: 'a', type: 'int' },
        { name: 'list', type: { type: 'array', items: { type: 'map', values: 'int' } } },
        { name: 'u', type: ['null', { type: 'enum', name: 'E', symbols: ['C'] }] },
        { name: 'z', type: 'int' },
      ],
    }
    expect(incompatibilities(of(to), of(from))).toEqual([
      {
        kind: 'TYPE_MISMATCH',
        path: '/fields/0/type',
        detail: 'reader type: INT not compatible with writer type: STRING',
      },
      {
        kind: 'TYPE_MISMATCH',
        path: '/fields/1/type/items/values',
        detail: 'reader type: INT not compatible with writer type: LONG',
      },
      {
        kind: 'MISSING_UNION_BRANCH',
        path: '/fields/2/type/1',
        detail: 'reader union lacking writer type: ENUM (MISSING_ENUM_SYMBOLS at /fields/2/type/1/symbols: [A, B])',
      },
      { kind: 'READER_FIELD_MISSING_DEFAULT_VALUE', path: '/fields/3', detail: 'z' },
    ])
  })

  it('whose aliases stand for two fields at once is told, where nobody could say which is meant', () => {
    const from = {
      type: 'record',
      name: 'R',
      fields: [
        { name: 'a', type: 'int' },
        { name: 'b', type: 'int' },
      ],
    }
    const to = { type: 'record', name: 'R', fields: [{ name: 'c', type: 'int', aliases: ['a', 'b'] }] }
    expect(kinds(to, from)).toEqual(['AMBIGUOUS_ALIAS'])
  })

  it('is judged through references, each by those of its own version', () => {
    const order = JSON.stringify({ type: 'record', name: 'O', fields: [{ name: 'line', type: 'x.Line' }] })
    const line = (...fields: unknown[]) => JSON.stringify({ type: 'record', name: 'x.Line', fields })
    const from = { text: order, references: [{ name: 'x.Line', text: line() }] }
    const to = { text: order, references: [{ name: 'x.Line', text: line({ name: 'sku', type: 'string' }) }] }
    expect(incompatibilities(to, from)).toEqual([
      { kind: 'READER_FIELD_MISSING_DEFAULT_VALUE', path: '/fields/0/type/fields/0', detail: 'sku' },
    ])
    expect(incompatibilities(from, to)).toEqual([])
  })
})

describe('a level', () => {
  const version = (version: number, ...fields: unknown[]): OldVersion => ({
    version,
    schema: of({ type: 'record', name: 'R', fields }),
  })
  const a = { name: 'a', type: 'int' }
  const b = { name: 'b', type: 'int' }
  const optionalB = { name: 'b', type: 'int', default: 0 }

  it.each<[CompatibilityLevel, readonly string[]]>([
    ['NONE', []],
    ['BACKWARD', []],
    ['BACKWARD_TRANSITIVE', ['new reads 1']],
    ['FORWARD', ['old reads 2']],
    ['FORWARD_TRANSITIVE', ['old reads 2', 'old reads 1']],
    ['FULL', ['old reads 2']],
    ['FULL_TRANSITIVE', ['old reads 2', 'new reads 1', 'old reads 1']],
  ])('%s checks what it is for', (level, expected) => {
    const c = { name: 'c', type: 'int' }
    const olds = [version(1, a, c), version(2, a, optionalB, c)]
    // The new one needs b, which only the latest has; both old ones need c, which the new one has not.
    const found = checkLevel(level, version(3, a, b).schema, olds)
    expect(found.map(({ reader, version: old }) => `${reader} reads ${old}`)).toEqual(expected)
  })

  it.each(compatibilityLevels)('%s has nothing against the first version', (level) => {
    expect(checkLevel(level, version(1, a).schema, [])).toEqual([])
  })

  it('names the old version, who cannot read, and what to look at, in a sentence', () => {
    const [breach] = checkLevel('BACKWARD', version(2, a, b).schema, [version(1, a)])
    expect(breach).toMatchObject({ version: 1, reader: 'new', kind: 'READER_FIELD_MISSING_DEFAULT_VALUE' })
    expect(describeBreach(breach!)).toBe(
      "The field 'b' at path '/fields/1' in the new schema has no default value and is missing in the old schema",
    )
  })
})

describe('random schemas', () => {
  const primitive = fc.constantFrom('null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string')
  const symbols = fc.subarray(['A', 'B', 'C'], { minLength: 1 })
  const enumeration = fc
    .record({ symbols, hasDefault: fc.boolean() })
    .map(({ symbols: given, hasDefault }) => (name: string) => ({
      type: 'enum',
      name,
      symbols: given,
      ...(hasDefault ? { default: given[0] } : {}),
    }))
  const fixed = fc.constantFrom(2, 3).map((size) => (name: string) => ({ type: 'fixed', name, size }))
  const plain = (make: (name: string) => unknown, name: string) => make(name)
  const leaf = fc.oneof(
    { weight: 4, arbitrary: primitive.map((type) => () => type) },
    { weight: 1, arbitrary: enumeration },
    { weight: 1, arbitrary: fixed },
  )
  const union = fc
    .uniqueArray(fc.constantFrom('null', 'int', 'long', 'double', 'string'), { minLength: 1, maxLength: 3 })
    .map((branches) => () => branches)
  const type = fc.oneof(
    leaf,
    union,
    leaf.map((items) => (name: string) => ({ type: 'array', items: plain(items, name) })),
    leaf.map((values) => (name: string) => ({ type: 'map', values: plain(values, name) })),
  )
  const defaults: Readonly<Record<string, unknown>> = {
    int: 1,
    long: 1,
    string: '',
    double: 1,
    boolean: true,
    null: null,
  }
  const record = fc
    .array(fc.record({ name: fc.constantFrom('a', 'b', 'c'), type, hasDefault: fc.boolean() }), { maxLength: 3 })
    .map((fields) => ({
      type: 'record',
      name: 'R',
      fields: [...new Map(fields.map((field) => [field.name, field])).values()].map(
        ({ name, type: make, hasDefault }) => {
          const made = make(`N${name}`)
          const hasOne = hasDefault && typeof made === 'string' && made in defaults
          return { name, type: made, ...(hasOne ? { default: defaults[made] } : {}) }
        },
      ),
    }))

  it('what is called compatible is read by a library that knows nothing of us, and what is not is refused by it', () => {
    fc.assert(
      fc.property(record, record, (reader, writer) => {
        const isCompatible = incompatibilities(of(reader), of(writer)).length === 0
        expect([reader, writer, isCompatible]).toEqual([reader, writer, isReadByAvsc(reader, writer)])
      }),
      { numRuns: 500 },
    )
  })
})

/** Every value of the writer, as far as one can tell from ten. */
function isReadByAvsc(reader: unknown, writer: unknown): boolean {
  // It notes names in the options: each schema needs its own.
  const [readerType, writerType] = [reader, writer].map((schema) =>
    avsc.Type.forSchema(schema as avsc.Schema, { wrapUnions: true }),
  ) as [avsc.Type, avsc.Type]
  try {
    const resolver = readerType.createResolver(writerType)
    for (let i = 0; i < 10; i += 1) readerType.fromBuffer(writerType.toBuffer(writerType.random()), resolver)
    return true
  } catch {
    return false
  }
}
