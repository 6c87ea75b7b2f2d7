import { expect, test } from 'vitest'
import { unseenLogicalTypes } from '../../src/schemas/unseen-logical-types.ts'

const record = (...fields: unknown[]) => ({ type: 'record', name: 'Order', fields })

test.each([
  [
    'beside the type',
    record({ name: 'at', type: 'long', logicalType: 'timestamp-millis' }),
    'at: logicalType timestamp-millis stands beside the type, where nobody sees it: write "type": {"type":"long","logicalType":"timestamp-millis"}',
  ],
  [
    'misspelt, however deep',
    record({
      name: 'days',
      type: { type: 'array', items: ['null', { type: 'long', logicalType: 'timestmp-millis' }] },
    }),
    'days[]: logicalType timestmp-millis means nothing on long, did you mean timestamp-millis?',
  ],
  [
    'on another type than its own',
    record({ name: 'in', type: record({ name: 'at', type: { type: 'int', logicalType: 'timestamp-millis' } }) }),
    'in.at: logicalType timestamp-millis means nothing on int',
  ],
  [
    'at the top',
    { type: 'string', logicalType: 'uid' },
    'the schema: logicalType uid means nothing on string, did you mean uuid?',
  ],
])('a logical type %s is told of', (_, schema, line) => {
  expect(unseenLogicalTypes(schema)).toEqual([line])
})

test('one that counts is not', () => {
  const price = { type: 'bytes', logicalType: 'decimal', precision: 4, scale: 2 }
  expect(unseenLogicalTypes(record({ name: 'price', type: ['null', price] }, { name: 'id', type: 'long' }))).toEqual([])
})
