/** Changes of a schema, and who can read whom after them: by Avro's specification, and as Avro's own Java library says. */
import type { IncompatibilityKind } from '../../src/schemas/compatibility.ts'

export interface Evolution {
  readonly change: string
  readonly from: unknown
  readonly to: unknown
  /** What stands in the way of the new schema reading the old one's records, and the other way round; null: nothing. */
  readonly backward: IncompatibilityKind | null
  readonly forward: IncompatibilityKind | null
}

const record = (...fields: unknown[]) => ({ type: 'record', name: 'R', fields })
const field = (name: string, type: unknown, more: object = {}) => ({ name, type, ...more })
const inRecord = (type: unknown) => record(field('f', type))
const symbols = (...names: string[]) => ({ type: 'enum', name: 'E', symbols: names })
const decimal = (precision: number, scale: number) => ({ type: 'bytes', logicalType: 'decimal', precision, scale })
const nested = (...fields: unknown[]) => ['null', { type: 'record', name: 'Inner', fields }]
const list = (...fields: unknown[]) => record(...fields, field('next', ['null', 'R'], { default: null }))
const a = field('a', 'int')

export const evolutions: readonly Evolution[] = [
  both('nothing', record(a), record(a), null),
  both('a field with a default', record(a), record(a, field('b', 'string', { default: '' })), null),
  both('a field whose default is null', record(a), record(a, field('b', ['null', 'int'], { default: null })), null),
  {
    change: 'a field without a default',
    from: record(a),
    to: record(a, field('b', 'string')),
    backward: 'READER_FIELD_MISSING_DEFAULT_VALUE',
    forward: null,
  },
  {
    change: 'a field less, that had no default',
    from: record(a, field('b', 'string')),
    to: record(a),
    backward: null,
    forward: 'READER_FIELD_MISSING_DEFAULT_VALUE',
  },
  {
    change: 'a field that allows null is one without a default all the same',
    from: record(a),
    to: record(a, field('b', ['null', 'int'])),
    backward: 'READER_FIELD_MISSING_DEFAULT_VALUE',
    forward: null,
  },
  {
    change: 'a field without a default, in a type that holds itself',
    from: list(a),
    to: list(a, field('b', 'string')),
    backward: 'READER_FIELD_MISSING_DEFAULT_VALUE',
    forward: null,
  },
  {
    change: 'another name of a field, with the old one as alias',
    from: record(a),
    to: record(field('b', 'int', { aliases: ['a'] })),
    backward: null,
    forward: 'READER_FIELD_MISSING_DEFAULT_VALUE',
  },
  both('another type of a field', inRecord('int'), inRecord('string'), 'TYPE_MISMATCH'),
  ...[
    ['int', 'long'],
    ['int', 'float'],
    ['int', 'double'],
    ['long', 'float'],
    ['long', 'double'],
    ['float', 'double'],
  ].map(([from, to]) => wider(`${from} to ${to}`, from, to)),
  both('string to bytes', inRecord('string'), inRecord('bytes'), null),
  both('boolean to int', inRecord('boolean'), inRecord('int'), 'TYPE_MISMATCH'),
  {
    change: 'null allowed',
    from: inRecord('int'),
    to: inRecord(['null', 'int']),
    backward: null,
    forward: 'TYPE_MISMATCH',
  },
  {
    change: 'a branch more',
    from: inRecord(['null', 'int']),
    to: inRecord(['null', 'int', 'string']),
    backward: null,
    forward: 'MISSING_UNION_BRANCH',
  },
  both('the branches in another order', inRecord(['null', 'int']), inRecord(['int', 'null']), null),
  {
    change: 'a wider branch',
    from: inRecord(['null', 'int']),
    to: inRecord(['null', 'long']),
    backward: null,
    forward: 'MISSING_UNION_BRANCH',
  },
  {
    change: 'a field without a default, in a branch',
    from: inRecord(nested(a)),
    to: inRecord(nested(a, field('b', 'int'))),
    backward: 'MISSING_UNION_BRANCH',
    forward: null,
  },
  {
    change: 'a symbol more',
    from: inRecord(symbols('A')),
    to: inRecord(symbols('A', 'B')),
    backward: null,
    forward: 'MISSING_ENUM_SYMBOLS',
  },
  both(
    'a symbol more, where there is a default for what is unknown',
    inRecord({ ...symbols('A'), default: 'A' }),
    inRecord({ ...symbols('A', 'B'), default: 'A' }),
    null,
  ),
  both(
    'another size of a fixed',
    inRecord({ type: 'fixed', name: 'F', size: 4 }),
    inRecord({ type: 'fixed', name: 'F', size: 8 }),
    'FIXED_SIZE_MISMATCH',
  ),
  wider('int to long, in a list', { type: 'array', items: 'int' }, { type: 'array', items: 'long' }),
  wider('int to long, in a map', { type: 'map', values: 'int' }, { type: 'map', values: 'long' }),
  both(
    'a list to a map',
    inRecord({ type: 'array', items: 'int' }),
    inRecord({ type: 'map', values: 'int' }),
    'TYPE_MISMATCH',
  ),
  both('another name of the record', record(a), { ...record(a), name: 'Q' }, 'NAME_MISMATCH'),
  {
    change: 'another name of the record, with the old one as alias',
    from: record(a),
    to: { ...record(a), name: 'Q', aliases: ['R'] },
    backward: null,
    forward: 'NAME_MISMATCH',
  },
  both('another namespace', { ...record(a), namespace: 'x' }, { ...record(a), namespace: 'y' }, null),
  both('a doc', record(a), { ...record(a), doc: 'told' }, null),
  both(
    'a logical type where there was none',
    inRecord('long'),
    inRecord({ type: 'long', logicalType: 'timestamp-millis' }),
    null,
  ),
  both('one primitive to another', 'int', 'string', 'TYPE_MISMATCH'),
]

/** What Avro's Java library, and so any registry made with it, lets pass: the bytes are read, and mean something else. */
export const stricterThanRegistries: readonly Evolution[] = [
  both('another scale of a decimal', inRecord(decimal(10, 2)), inRecord(decimal(10, 4)), 'LOGICAL_TYPE_MISMATCH'),
  {
    change: 'more digits of a decimal',
    from: inRecord(decimal(10, 2)),
    to: inRecord(decimal(12, 2)),
    backward: null,
    forward: 'LOGICAL_TYPE_MISMATCH',
  },
  both(
    'milliseconds to microseconds',
    inRecord({ type: 'long', logicalType: 'timestamp-millis' }),
    inRecord({ type: 'long', logicalType: 'timestamp-micros' }),
    'LOGICAL_TYPE_MISMATCH',
  ),
]

function both(change: string, from: unknown, to: unknown, kind: IncompatibilityKind | null): Evolution {
  return { change, from, to, backward: kind, forward: kind }
}

function wider(change: string, from: unknown, to: unknown): Evolution {
  return { change, from: inRecord(from), to: inRecord(to), backward: null, forward: 'TYPE_MISMATCH' }
}
