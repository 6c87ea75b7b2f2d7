/**
 * Values as JavaScript and Python have them, by Avro's specification. `theirs` as Python writes them (`repr`); where
 * Python cannot take what it gives (it has to be told the branch of a union), `told` is what it is given.
 */
export interface SharedValue {
  readonly title: string
  readonly type: unknown
  readonly ours: unknown
  readonly theirs: string
  readonly told?: string
}

const decimal = (precision: number, scale: number): object => ({
  type: 'bytes',
  logicalType: 'decimal',
  precision,
  scale,
})
const fixedDecimal = (size: number, precision: number, scale: number): object => ({
  ...{ type: 'fixed', name: 'com.acme.Money', size },
  ...{ logicalType: 'decimal', precision, scale },
})
const logical = (type: string, logicalType: string): object => ({ type, logicalType })
const record = (name: string, ...fields: readonly (readonly [name: string, type: unknown])[]): object => ({
  type: 'record',
  name: `com.acme.${name}`,
  fields: fields.map(([field, type]) => ({ name: field, type })),
})
const list = (items: unknown): object => ({ type: 'array', items })
const map = (values: unknown): object => ({ type: 'map', values })

const colour = { type: 'enum', name: 'com.acme.Colour', symbols: ['RED', 'GREEN'] }
const hash = { type: 'fixed', name: 'com.acme.Hash', size: 4 }
const card = record('Card', ['last4', 'string'])
const cash = record('Cash', ['given', 'long'])
/** Of the same fields: only its name tells it. */
const voucher = record('Voucher', ['given', 'long'])
const node = record('Node', ['value', 'long'], ['next', ['null', 'com.acme.Node']])

const utc = 'tzinfo=datetime.timezone.utc'

function bytes(...values: number[]): Uint8Array {
  return Uint8Array.from(values)
}

const longs = [
  ['0', 0n],
  ['2^53 + 1', 2n ** 53n + 1n],
  ['-2^53 - 1', -(2n ** 53n) - 1n],
  ['2^63 - 1', 2n ** 63n - 1n],
  ['-2^63', -(2n ** 63n)],
] as const

const decimals = [
  // Text, precision, scale.
  ['0.00', 9, 2],
  ['12.30', 9, 2],
  ['-0.01', 9, 2],
  ['1.27', 9, 2],
  ['1.28', 9, 2],
  ['-1.28', 9, 2],
  ['-1.29', 9, 2],
  ['-9999999.99', 9, 2],
  ['-327.68', 9, 2],
  ['8388608', 9, 0],
  ['-8388609', 9, 0],
  ['0.000000000000000001', 38, 18],
  ['-99999999999999999999.999999999999999999', 38, 18],
  ['170141183460469231731687303715884105727', 39, 0],
  ['-170141183460469231731687303715884105728', 39, 0],
  [`-${'9'.repeat(100)}.${'9'.repeat(50)}`, 150, 50],
] as const

const fixedDecimals = [
  // Size, text, precision, scale.
  [1, '-9.9', 2, 1],
  [1, '0.0', 2, 1],
  [2, '-1.28', 4, 2],
  [2, '1.28', 4, 2],
  [2, '-99.99', 4, 2],
  [4, '-0.01', 9, 2],
  [8, '-9999999.99', 9, 2],
  [9, '-1', 18, 0],
  [16, '0.000000000000000001', 38, 18],
  [16, '-99999999999999999999.999999999999999999', 38, 18],
  [64, `-${'9'.repeat(100)}.${'9'.repeat(50)}`, 150, 50],
] as const

/** Python shows an exponent from the seventh digit behind the point on. */
const decimalOf = (text: string): string =>
  text === '0.000000000000000001' ? "Decimal('1E-18')" : `Decimal('${text}')`

/** In a title. */
const short = (text: string): string => (text.length > 45 ? `of ${text.length} characters` : text)

export const sharedValues: readonly SharedValue[] = [
  ...longs.map(([title, value]) => ({
    ...{ title: `long ${title}`, type: 'long', ours: value, theirs: String(value) },
  })),
  ...[2 ** 31 - 1, -(2 ** 31), 0, -1].map((value) => ({
    ...{ title: `int ${value}`, type: 'int', ours: value, theirs: String(value) },
  })),
  ...decimals.map(([ours, precision, scale]) => ({
    title: `decimal ${short(ours)} in bytes`,
    type: decimal(precision, scale),
    ours,
    theirs: decimalOf(ours),
  })),
  ...fixedDecimals.map(([size, ours, precision, scale]) => ({
    title: `decimal ${short(ours)} in fixed of ${size}`,
    type: fixedDecimal(size, precision, scale),
    ours,
    theirs: decimalOf(ours),
  })),

  // Times: before 1970, at it, far ahead.
  {
    title: 'date before 1970',
    type: logical('int', 'date'),
    ours: '1969-12-31',
    theirs: 'datetime.date(1969, 12, 31)',
  },
  { title: 'date of the year 1', type: logical('int', 'date'), ours: '0001-01-01', theirs: 'datetime.date(1, 1, 1)' },
  {
    title: 'date on a leap day',
    type: logical('int', 'date'),
    ours: '1600-02-29',
    theirs: 'datetime.date(1600, 2, 29)',
  },
  { title: 'date far ahead', type: logical('int', 'date'), ours: '9999-12-31', theirs: 'datetime.date(9999, 12, 31)' },
  {
    title: 'time-millis',
    type: logical('int', 'time-millis'),
    ours: 86_399_999,
    theirs: 'datetime.time(23, 59, 59, 999000)',
  },
  {
    title: 'time-micros',
    type: logical('long', 'time-micros'),
    ours: 86_399_999_999n,
    theirs: 'datetime.time(23, 59, 59, 999999)',
  },
  {
    title: 'timestamp-millis, one before 1970',
    type: logical('long', 'timestamp-millis'),
    ours: new Date(-1),
    theirs: `datetime.datetime(1969, 12, 31, 23, 59, 59, 999000, ${utc})`,
  },
  {
    title: 'timestamp-millis of the year 1',
    type: logical('long', 'timestamp-millis'),
    ours: new Date('0001-01-01T00:00:00.001Z'),
    theirs: `datetime.datetime(1, 1, 1, 0, 0, 0, 1000, ${utc})`,
  },
  {
    title: 'timestamp-millis far ahead',
    type: logical('long', 'timestamp-millis'),
    ours: new Date('9999-12-31T23:59:59.999Z'),
    theirs: `datetime.datetime(9999, 12, 31, 23, 59, 59, 999000, ${utc})`,
  },
  {
    title: 'timestamp-micros, one before 1970',
    type: logical('long', 'timestamp-micros'),
    ours: -1n,
    theirs: `datetime.datetime(1969, 12, 31, 23, 59, 59, 999999, ${utc})`,
  },
  {
    title: 'timestamp-micros far ahead',
    type: logical('long', 'timestamp-micros'),
    ours: 253_402_300_799_999_999n,
    theirs: `datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, ${utc})`,
  },
  {
    title: 'local-timestamp-millis before 1970',
    type: logical('long', 'local-timestamp-millis'),
    ours: '1969-07-20T20:17:40.001',
    theirs: 'datetime.datetime(1969, 7, 20, 20, 17, 40, 1000)',
  },
  {
    title: 'local-timestamp-micros before 1970',
    type: logical('long', 'local-timestamp-micros'),
    ours: '1969-12-31T23:59:59.999999',
    theirs: 'datetime.datetime(1969, 12, 31, 23, 59, 59, 999999)',
  },
  // Python knows none of these two: it shows the type below.
  { title: 'timestamp-nanos', type: logical('long', 'timestamp-nanos'), ours: -1n, theirs: '-1' },
  {
    title: 'duration',
    type: { type: 'fixed', name: 'com.acme.Span', size: 12, logicalType: 'duration' },
    ours: { months: 1, days: 2, milliseconds: 4_294_967_295 },
    theirs: String.raw`b'\x01\x00\x00\x00\x02\x00\x00\x00\xff\xff\xff\xff'`,
  },
  {
    title: 'uuid',
    type: logical('string', 'uuid'),
    ours: '0189c8f0-0000-7000-8000-00000000ffff',
    theirs: "UUID('0189c8f0-0000-7000-8000-00000000ffff')",
  },

  // Text, bytes, numbers.
  { title: 'text', type: 'string', ours: 'Grüße, 世界 👩‍🚀', theirs: "'Grüße, 世界 👩\\u200d🚀'" },
  { title: 'text with NUL', type: 'string', ours: 'a\0b', theirs: String.raw`'a\x00b'` },
  { title: 'text of none', type: 'string', ours: '', theirs: "''" },
  {
    title: 'bytes with zeros',
    type: 'bytes',
    ours: bytes(0, 1, 0, 255, 0),
    theirs: String.raw`b'\x00\x01\x00\xff\x00'`,
  },
  { title: 'bytes of none', type: 'bytes', ours: bytes(), theirs: "b''" },
  { title: 'fixed', type: hash, ours: bytes(0, 255, 0, 1), theirs: String.raw`b'\x00\xff\x00\x01'` },
  { title: 'boolean', type: 'boolean', ours: true, theirs: 'True' },
  { title: 'double NaN', type: 'double', ours: NaN, theirs: 'nan' },
  { title: 'double Infinity', type: 'double', ours: Infinity, theirs: 'inf' },
  { title: 'double -Infinity', type: 'double', ours: -Infinity, theirs: '-inf' },
  { title: 'double -0', type: 'double', ours: -0, theirs: '-0.0' },
  { title: 'double, the smallest', type: 'double', ours: 5e-324, theirs: '5e-324' },
  { title: 'float', type: 'float', ours: -1.5, theirs: '-1.5' },
  { title: 'float NaN', type: 'float', ours: NaN, theirs: 'nan' },
  { title: 'float -0', type: 'float', ours: -0, theirs: '-0.0' },
  { title: 'enum', type: colour, ours: 'GREEN', theirs: "'GREEN'" },

  // Arrays, maps, records.
  { title: 'array of none', type: list('long'), ours: [], theirs: '[]' },
  { title: 'array', type: list('long'), ours: [1n, -(2n ** 63n)], theirs: '[1, -9223372036854775808]' },
  { title: 'array of arrays', type: list(list('string')), ours: [[], ['a', '']], theirs: "[[], ['a', '']]" },
  { title: 'map of none', type: map('long'), ours: {}, theirs: '{}' },
  { title: 'map', type: map('long'), ours: { b: 2n, '': 0n, ä: 1n }, theirs: "{'b': 2, '': 0, 'ä': 1}" },
  {
    title: 'map of arrays of maps',
    type: map(list(map('boolean'))),
    ours: { a: [{ x: true }, {}], b: [] },
    theirs: "{'a': [{'x': True}, {}], 'b': []}",
  },
  { title: 'record', type: card, ours: { last4: '1234' }, theirs: "{'last4': '1234'}" },
  {
    title: 'record that holds itself',
    type: node,
    ours: { value: 1n, next: { value: 2n, next: null } },
    theirs: "{'value': 1, 'next': ('com.acme.Node', {'value': 2, 'next': None})}",
  },

  // Unions.
  ...(
    [
      ['long', 'long', 2n ** 53n + 1n, '9007199254740993'],
      ['decimal', decimal(9, 2), '-0.05', "Decimal('-0.05')"],
      ['fixed', hash, bytes(1, 2, 3, 4), String.raw`b'\x01\x02\x03\x04'`],
      ['enum', colour, 'RED', "'RED'"],
      ['date', logical('int', 'date'), '1969-12-31', 'datetime.date(1969, 12, 31)'],
      ['array', list('int'), [1], '[1]'],
      ['map', map('int'), { a: 1 }, "{'a': 1}"],
      ['record', card, { last4: '0000' }, "('com.acme.Card', {'last4': '0000'})"],
    ] as const
  ).flatMap(([title, type, ours, theirs]) => [
    { title: `nullable ${title}`, type: ['null', type], ours, theirs },
    { title: `nullable ${title}, null second`, type: [type, 'null'], ours, theirs },
    { title: `nullable ${title} of null`, type: ['null', type], ours: null, theirs: 'None' },
  ]),
  {
    title: 'union of records, by name',
    type: [cash, voucher, card],
    ours: { 'com.acme.Voucher': { given: 5n } },
    theirs: "('com.acme.Voucher', {'given': 5})",
  },
  {
    title: 'union of records and null',
    type: ['null', cash, card],
    ours: { 'com.acme.Card': { last4: '1' } },
    theirs: "('com.acme.Card', {'last4': '1'})",
  },
  { title: 'union of records and null, of null', type: ['null', cash, card], ours: null, theirs: 'None' },
  { title: 'union of primitives, text', type: ['string', 'long', 'double'], ours: { string: '1' }, theirs: "'1'" },
  {
    title: 'union of primitives, a long',
    type: ['string', 'long', 'double'],
    ours: { long: -(2n ** 63n) },
    theirs: '-9223372036854775808',
  },
  { title: 'union of primitives, a double', type: ['string', 'long', 'double'], ours: { double: 1.5 }, theirs: '1.5' },
  {
    title: 'union of a long and a logical type',
    type: ['null', 'string', logical('long', 'timestamp-millis')],
    ours: { long: new Date(-1) },
    theirs: `datetime.datetime(1969, 12, 31, 23, 59, 59, 999000, ${utc})`,
  },
  {
    title: 'union of enum and text, told by name',
    type: ['string', colour],
    ours: { 'com.acme.Colour': 'RED' },
    theirs: "'RED'",
    told: "('com.acme.Colour', 'RED')",
  },
  {
    title: 'union of array, map and null',
    type: ['null', list('long'), map('long')],
    ours: { map: { a: 1n } },
    theirs: "{'a': 1}",
  },
  {
    title: 'array of a union of records',
    type: list([cash, card]),
    ours: [{ 'com.acme.Card': { last4: '1' } }, { 'com.acme.Cash': { given: 1n } }],
    theirs: "[('com.acme.Card', {'last4': '1'}), ('com.acme.Cash', {'given': 1})]",
  },
]

/** The first of each kind of type: of values alone, a registry that has shown one shows all. */
export function oneOfEachKind(): readonly SharedValue[] {
  const kinds = new Map<string, SharedValue>()
  for (const value of sharedValues) {
    const kind = kindOf(value.type)
    if (!kinds.has(kind)) kinds.set(kind, value)
  }
  return [...kinds.values()]
}

function kindOf(type: unknown): string {
  if (Array.isArray(type)) return type.includes('null') ? 'nullable' : 'union'
  const { logicalType, type: name = type } = type as { type?: unknown; logicalType?: unknown }
  return `${String(name)} ${String(logicalType)}`
}
