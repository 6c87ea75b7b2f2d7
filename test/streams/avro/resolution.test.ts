/** What others have written with their schemas, read as ours. */
import { describe, expect, test } from 'vitest'
import { SchemaNeeded } from '../../../src/streams/flows/contract.ts'
import { avro } from '../../../src/streams/avro/avro.ts'
import { framed, holding, orders, Registry } from './registry.ts'

const order = {
  type: 'record',
  name: 'Order',
  namespace: 'com.acme',
  fields: [
    { name: 'id', type: 'long' },
    {
      name: 'items',
      type: { type: 'array', items: { type: 'record', name: 'Item', fields: [{ name: 'sku', type: 'string' }] } },
    },
    { name: 'notes', type: { type: 'map', values: 'Item' } },
    { name: 'first', type: ['null', 'Item'] },
    { name: 'total', type: 'int' },
  ],
} as const
const value = { id: 1n, items: [{ sku: 'a' }, { sku: 'b' }], notes: { x: { sku: 'c' } }, first: { sku: 'd' }, total: 7 }

function read(registry: Registry, writer: object, reader: object, written: unknown): unknown {
  return registry.codec(reader).decode(registry.codec(writer).encode(written))
}

describe('a projection', () => {
  test('reads the fields it names, in any order of theirs, and skips the others', () => {
    const registry = new Registry()
    const written = registry.bind(avro(order)).encode(value)
    const codec = avro(order, { fields: ['total', 'first'] }).contract.bind(orders, registry)
    expect(codec.decode(written)).toStrictEqual({ first: { sku: 'd' }, total: 7 })
  })

  test('of a record that holds itself is of the record at the top alone: those within are whole', () => {
    const tree = {
      type: 'record',
      name: 'Tree',
      fields: [
        { name: 'id', type: 'int' },
        { name: 'note', type: 'string' },
        { name: 'left', type: ['null', 'Tree'] },
      ],
    } as const
    const registry = new Registry()
    const leaf = { id: 2, note: 'leaf', left: null }
    const written = registry.bind(avro<object>(tree)).encode({ id: 1, note: 'root', left: leaf })
    const codec = avro<object>(tree, { fields: ['left'] as never }).contract.bind(orders, registry)
    expect(codec.decode(written)).toStrictEqual({ left: leaf })
  })

  test('cannot write, and says why', () => {
    const { contract } = avro(order, { fields: ['id'] })
    expect(contract.cannotWrite).toBe('it reads the fields id of com.acme.Order only')
    expect(() => contract.bind(orders, new Registry()).encode({ id: 1n })).toThrow(
      'it reads the fields id of com.acme.Order only',
    )
    expect(avro(order).contract.cannotWrite).toBeUndefined()
  })
})

describe('a schema that has changed', () => {
  test('fields by their aliases, defaults for new ones, namespaces aside', () => {
    const writer = {
      type: 'record',
      name: 'Holder',
      fields: [
        { name: 'was', type: 'string' },
        { name: 'gone', type: 'string' },
      ],
    }
    const reader = {
      type: 'record',
      name: 'com.acme.Holder',
      fields: [
        { name: 'is', type: 'string', aliases: ['was'] },
        { name: 'fresh', type: ['null', 'int'], default: null },
      ],
    }
    expect(read(new Registry(), writer, reader, { was: 'x', gone: 'y' })).toEqual({ is: 'x', fresh: null })
  })

  test('a union is read branch by branch: only a record whose branch nobody reads fails', () => {
    const registry = new Registry()
    const writer = registry.codec(holding(['null', 'string']))
    const reader = registry.codec(holding('string'))
    expect(reader.decode(writer.encode({ it: 'x' }))).toEqual({ it: 'x' })
    expect(() => reader.decode(writer.encode({ it: null }))).toThrow('null cannot be read as string')
  })

  test('in a union the same type comes before one that could be made of it', () => {
    expect(read(new Registry(), holding('int'), holding(['long', 'int', 'string']), { it: 1 })).toEqual({
      it: { int: 1 },
    })
    expect(read(new Registry(), holding('int'), holding(['string', 'long']), { it: 1 })).toEqual({ it: { long: 1n } })
    expect(read(new Registry(), holding('int'), holding(['null', 'double']), { it: 1 })).toEqual({ it: 1 })
  })

  test('a symbol that is none of ours is the default, or fails its record alone', () => {
    const symbols = (of: readonly string[], fallback?: string): object =>
      holding({ type: 'enum', name: 'State', symbols: of, ...(fallback === undefined ? {} : { default: fallback }) })
    const registry = new Registry()
    const writer = registry.codec(symbols(['NEW', 'OLD']))
    expect(registry.codec(symbols(['OLD', 'OTHER'], 'OTHER')).decode(writer.encode({ it: 'NEW' }))).toEqual({
      it: 'OTHER',
    })
    const strict = registry.codec(symbols(['OLD']))
    expect(strict.decode(writer.encode({ it: 'OLD' }))).toEqual({ it: 'OLD' })
    expect(() => strict.decode(writer.encode({ it: 'NEW' }))).toThrow('NEW is no symbol of ours')
  })

  test('one that cannot be read is told with both schemas and the place, and is compiled once', () => {
    const registry = new Registry()
    const reader = registry.bind(avro(order))
    const item = { type: 'record', name: 'Item', fields: [{ name: 'sku', type: 'int' }] }
    const other = {
      ...order,
      fields: order.fields.map((field) =>
        field.name === 'items' ? { name: 'items', type: { type: 'array', items: item } } : field,
      ),
    }
    const written = registry.codec(other).encode({ ...value, items: [], notes: {}, first: null })
    const message =
      'schema 2 (record com.acme.Order) cannot be read as record com.acme.Order: items[].sku: int cannot be read as string'
    for (const _ of [1, 2, 3]) expect(() => reader.decode(written)).toThrow(message)
    expect(registry.asked.filter((id) => id === 2)).toHaveLength(1)
    expect(() => read(registry, holding('int'), { ...order, fields: [{ name: 'x', type: 'int' }] }, { it: 1 })).toThrow(
      'their names differ',
    )
    expect(() =>
      read(registry, { ...order, fields: [] }, { ...order, fields: [{ name: 'x', type: 'int' }] }, {}),
    ).toThrow('the writer has no field x, and ours has no default')
  })

  test('what is wrong in a writer’s schema, and does not matter for reading, is passed over', () => {
    const registry = new Registry()
    const sloppy = registry.add({
      type: 'record',
      name: 'Holder',
      doc: 5,
      fields: [
        { name: 'constructor', type: 'int', default: 'none' },
        { name: 'it', type: { type: { type: 'string', 'avro.java.string': 'String' } }, default: 5, order: 'odd' },
      ],
    })
    expect(registry.codec(holding('string')).decode(framed(sloppy, 2, 2, 0x78))).toEqual({ it: 'x' })
  })

  test('a schema may hold itself', () => {
    const tree = {
      type: 'record',
      name: 'Tree',
      fields: [
        { name: 'at', type: 'int' },
        { name: 'under', type: { type: 'array', items: 'Tree' } },
      ],
    }
    const more = { ...tree, fields: [...tree.fields, { name: 'note', type: 'string', default: '-' }] }
    const written = {
      at: 1,
      under: [
        { at: 2, under: [] },
        { at: 3, under: [{ at: 4, under: [] }] },
      ],
    }
    expect(read(new Registry(), tree, more, written)).toMatchObject({
      note: '-',
      under: [{ note: '-' }, { under: [{ at: 4, note: '-' }] }],
    })
  })
})

describe('references', () => {
  const money = { type: 'record', name: 'com.acme.Money', fields: [{ name: 'amount', type: 'long' }] } as const
  const item = { type: 'record', name: 'com.acme.Item', fields: [{ name: 'price', type: 'Money' }] } as const
  const cart = {
    type: 'record',
    name: 'com.acme.Cart',
    fields: [
      { name: 'items', type: { type: 'array', items: 'com.acme.Item' } },
      { name: 'sum', type: 'com.acme.Money' },
    ],
  } as const

  test('are given in any order, registered with what they need, and read in the order of the registry', () => {
    const codec = avro(cart, { references: [item, money] })
    const { schema } = codec.contract.subjectsAt(orders)[0]!
    expect(schema.references.map(({ name }) => name)).toEqual(['com.acme.Item', 'com.acme.Money'])
    expect(schema.references[0]!.references.map(({ name }) => name)).toEqual(['com.acme.Money'])
    const registry = new Registry()
    const id = registry.add(cart, {
      subject: 'orders-value',
      references: [money, item].map((each) => ({ name: each.name, text: JSON.stringify(each) })),
    })
    const bound = codec.contract.bind(orders, registry)
    const basket = { items: [{ price: { amount: 5n } }], sum: { amount: 5n } }
    const written = bound.encode(basket)
    expect(Buffer.from(written).readInt32BE(1)).toBe(id)
    expect(bound.decode(written)).toEqual(basket)
  })
})

describe('subjects', () => {
  const plain = { type: 'record', name: 'com.acme.Plain', fields: [] } as const

  test.each([
    ['topic', 'orders-value'],
    ['record', 'com.acme.Plain'],
    ['topic-record', 'orders-com.acme.Plain'],
  ] as const)('by %s', (subject, expected) => {
    const registry = new Registry()
    registry.bind(avro(plain, { subject })).encode({})
    expect(registry.asked).toEqual([expected])
    expect(avro(plain, { subject }).contract.subjectsAt({ topic: 't', part: 'key' })[0]!.subject).toBe(
      expected.replace('orders-value', 't-key').replace('orders-', 't-'),
    )
  })

  test('of a union by record: each branch by itself, with what it needs of its sisters; records are of their branch', () => {
    const paid = {
      type: 'record',
      name: 'com.acme.Paid',
      fields: [{ name: 'by', type: { type: 'enum', name: 'Way', symbols: ['CARD', 'CASH'] } }],
    } as const
    const refunded = {
      type: 'record',
      name: 'com.acme.Refunded',
      fields: [
        { name: 'to', type: 'com.acme.Way' },
        { name: 'then', type: 'Paid' },
      ],
    } as const
    const codec = avro([paid, refunded] as const, { subject: 'record' })
    const subjects = codec.contract.subjectsAt(orders)
    expect(subjects.map(({ subject }) => subject)).toEqual(['com.acme.Paid', 'com.acme.Refunded'])
    const registry = new Registry()
    const bound = registry.bind(codec)
    const event = { 'com.acme.Refunded': { to: 'CASH', then: { by: 'CARD' } } } as const
    const written = Buffer.from(bound.encode(event))
    expect([...written]).toEqual([0, 0, 0, 0, 2, 2, 0])
    expect(bound.decode(written)).toEqual(event)
    // Whoever knows this branch only reads it as it is.
    expect(registry.codec(subjects[1]!.schema.text).decode(written)).toEqual(event['com.acme.Refunded'])
    expect(() => bound.encode({ 'com.acme.Other': {} } as never)).toThrow(
      "of 'com.acme.Other', where { 'com.acme.Paid': … }",
    )
  })
})

describe('the registry', () => {
  test('is asked once for an id it writes with, and once for each that it reads', () => {
    const registry = new Registry()
    const codec = registry.bind(avro(order))
    const written = codec.encode(value)
    codec.encode(value)
    codec.decode(written)
    codec.decode(written)
    expect(registry.asked).toEqual(['orders-value', 1])
  })

  test('is asked again for what it did not know yet', () => {
    const registry = new Registry()
    const known = registry.bind(avro(order))
    const written = known.encode(value)
    let isKnown = false
    const codec = avro(order).contract.bind(orders, {
      idOf: (subject) => registry.idOf(subject),
      writerOf(id) {
        if (!isKnown) throw new SchemaNeeded(id)
        return registry.writerOf(id)
      },
    })
    expect(() => codec.decode(written)).toThrow(SchemaNeeded)
    isKnown = true
    expect(codec.decode(written)).toEqual(value)
  })

  test('may have a schema of another kind under an id, or one that is none', () => {
    const registry = new Registry()
    const codec = registry.codec(holding('int'))
    const json = registry.add('{}', { type: 'JSON' })
    const broken = registry.add('{"type":"nothing"}')
    expect(() => codec.decode(framed(json, 0))).toThrow(`schema ${json} is JSON, and not AVRO`)
    expect(() => codec.decode(framed(broken, 0))).toThrow(
      `schema ${broken} is none that can be read: undefined type name: nothing`,
    )
  })
})
