/** What Confluent's serializers for Python write and read, against one registry: each value both ways, by way of bytes alone. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { silentLog } from '../../src/log.ts'
import { RegistryStats } from '../../src/metrics/registry-stats.ts'
import { resolveRegistry } from '../../src/options/resolve.ts'
import { avro, type AvroOptions } from '../../src/streams/avro/avro.ts'
import type { Codec } from '../../src/streams/flows/codec.ts'
import { neededSchema } from '../../src/streams/flows/contract.ts'
import { openSchemas } from '../../src/streams/registry/open-schemas.ts'
import type { SchemaPort } from '../../src/streams/registry/schema-port.ts'
import { PythonPeer } from '../support/python-peer.ts'
import type { SharedValue } from './python-values.ts'

type AnyOptions = AvroOptions<never>

interface Reference {
  readonly name: string
  readonly subject: string
  readonly version: number
}

/** Each in a process as it begins: nothing is known but what the registry says. */
async function openOurs(url: string): Promise<SchemaPort> {
  const schemaRegistry = resolveRegistry({ flags: { 'schemaRegistry.url': url } })
  const parts = { clock: systemClock, random: Math.random, log: silentLog, stats: new RegistryStats() }
  return (await openSchemas({ schemaRegistry, registerSchemas: 'on-start' }, parts))!
}

export function describePythonContract(registryUrl: () => string, values: readonly SharedValue[]): void {
  let peer: PythonPeer
  let topics = 0
  beforeAll(async () => {
    peer = await PythonPeer.start(registryUrl())
  })
  afterAll(() => peer.stop())

  const newTopic = (): string => `with-python-${(topics += 1)}`

  async function weWrite(
    topic: string,
    schema: unknown,
    value: unknown,
    options: AnyOptions = {},
  ): Promise<Uint8Array> {
    const codec = avro<unknown>(schema as object, options)
    const place = { topic, part: 'value' } as const
    const schemas = await openOurs(registryUrl())
    try {
      await schemas.prepare(codec.contract.subjectsAt(place).map((each) => ({ ...each, use: 'write' as const })))
      return codec.contract.bind(place, schemas).encode(value)
    } finally {
      schemas.close()
    }
  }

  async function weRead(
    topic: string,
    schema: unknown,
    written: Uint8Array,
    options: AnyOptions = {},
  ): Promise<unknown> {
    const schemas = await openOurs(registryUrl())
    try {
      const codec = avro<unknown>(schema as object, options).contract.bind({ topic, part: 'value' }, schemas)
      await schemaKnown(codec, written, schemas)
      return codec.decode(written)
    } finally {
      schemas.close()
    }
  }

  /** Both ways: from ours to theirs, and from theirs to ours. */
  async function expectSame(schema: unknown, ours: unknown, theirs: string, told = theirs): Promise<void> {
    const topic = newTopic()
    const written = await weWrite(topic, schema, ours)
    expect(await peer.deserialize(topic, written, { names: true })).toBe(theirs)
    const others = newTopic()
    const read = await peer.serialize(others, { schema: JSON.stringify(schema) }, told)
    expect(await weRead(others, schema, read)).toStrictEqual(ours)
  }

  const named = values.map((value) => [value.title, value] as const)
  test.each(named)('%s is the same to both', async (_, { ours, theirs, told = theirs, type }) => {
    const schema = { type: 'record', name: 'com.acme.Holder', fields: [{ name: 'it', type }] }
    await expectSame(schema, { it: ours }, `{'it': ${theirs}}`, `{'it': ${told}}`)
  })

  test.each([
    ['"string"', '👩 text', "'👩 text'"],
    ['"long"', -(2n ** 63n), '-9223372036854775808'],
    ['"bytes"', Uint8Array.of(0, 1, 0), String.raw`b'\x00\x01\x00'`],
    ['{"type":"array","items":"long"}', [2n ** 63n - 1n], '[9223372036854775807]'],
    ['{"type":"enum","name":"Colour","symbols":["RED"]}', 'RED', "'RED'"],
    ['["null","string","long"]', { long: 5n }, '5'],
  ])('a value of %s alone, in no record, is the same to both', async (schema, ours, theirs) => {
    await expectSame(JSON.parse(schema), ours, theirs)
  })

  test('defaults: a field that the writer leaves out, and one that its schema lacks', async () => {
    const money = { type: 'bytes', logicalType: 'decimal', precision: 4, scale: 2 }
    const added = [
      { name: 'long', type: 'long', default: 7 },
      { name: 'text', type: ['null', 'string'], default: null },
      { name: 'list', type: { type: 'array', items: 'string' }, default: ['a'] },
      { name: 'money', type: money, default: '\u0080' },
      { name: 'day', type: { type: 'int', logicalType: 'date' }, default: -1 },
    ]
    const first = { type: 'record', name: 'com.acme.Grown', fields: [{ name: 'id', type: 'long' }] }
    const second = { ...first, fields: [...first.fields, ...added] }
    const ours = { id: 1n, long: 7n, text: null, list: ['a'], money: '-1.28', day: '1969-12-31' }
    const theirs =
      "{'id': 1, 'long': 7, 'text': None, 'list': ['a'], 'money': Decimal('-1.28'), 'day': datetime.date(1969, 12, 31)}"

    const [left, lacking] = [newTopic(), newTopic()]
    expect(await peer.deserialize(left, await weWrite(left, second, { id: 1n }), {})).toBe(theirs)
    const old = await weWrite(lacking, first, { id: 1n })
    // What Python makes of a default of its reader is the JSON of it, also of a logical type: asked for without those.
    const plain = { ...first, fields: [...first.fields, ...added.slice(0, 3)] }
    expect(await peer.deserialize(lacking, old, { schema: JSON.stringify(plain) })).toBe(
      "{'id': 1, 'long': 7, 'text': None, 'list': ['a']}",
    )
    const theirOld = await peer.serialize(newTopic(), { schema: JSON.stringify(first) }, "{'id': 1}")
    expect(await weRead(lacking, second, theirOld)).toStrictEqual(ours)
  })

  test('a version with one field more, of either, is read with the other one', async () => {
    const first = {
      type: 'record',
      name: 'com.acme.Order',
      fields: [
        { name: 'id', type: 'int' },
        { name: 'total', type: 'float' },
      ],
    }
    const second = {
      ...first,
      fields: [
        { name: 'note', type: ['null', 'string'], default: null },
        { name: 'id', type: 'long' },
        { name: 'total', type: 'double' },
      ],
    }
    const topic = newTopic()
    const v1 = await peer.serialize(topic, { schema: JSON.stringify(first) }, "{'id': -1, 'total': 1.5}")
    const v2 = await peer.serialize(topic, { schema: JSON.stringify(second) }, "{'note': 'x', 'id': 2, 'total': 2.5}")
    const [id1, id2] = [v1.readInt32BE(1), v2.readInt32BE(1)]
    expect(id1).not.toBe(id2)
    expect(await weRead(topic, second, v1)).toStrictEqual({ note: null, id: -1n, total: 1.5 })
    // `int` does not read a long: what reads both has the wider one.
    const narrow = { ...first, fields: second.fields.slice(1) }
    expect(await weRead(topic, narrow, v2)).toStrictEqual({ id: 2n, total: 2.5 })

    const [ours1, ours2] = [
      await weWrite(topic, first, { id: -1, total: 1.5 }),
      await weWrite(topic, second, { note: 'x', id: 2n, total: 2.5 }),
    ]
    // The same schemas under the same subject: the same ids.
    expect([Buffer.from(ours1), Buffer.from(ours2)]).toEqual([v1, v2])
    expect(await peer.deserialize(topic, ours1, { schema: JSON.stringify(second) })).toBe(
      "{'id': -1, 'total': 1.5, 'note': None}",
    )
    expect(await peer.deserialize(topic, ours2, { schema: JSON.stringify(narrow) })).toBe("{'id': 2, 'total': 2.5}")
  })

  test('schemas under subjects of their own, which refer to one another', async () => {
    const country = { type: 'enum', name: 'com.acme.Country', symbols: ['DE', 'FR'] }
    const address = {
      type: 'record',
      name: 'com.acme.Address',
      fields: [
        { name: 'city', type: 'string' },
        { name: 'country', type: 'com.acme.Country' },
      ],
    }
    const customer = {
      type: 'record',
      name: 'com.acme.Customer',
      fields: [
        { name: 'home', type: 'com.acme.Address' },
        { name: 'born', type: 'com.acme.Country' },
        { name: 'other', type: ['null', 'com.acme.Address'] },
      ],
    }
    const ours = { home: { city: 'Köln', country: 'DE' }, born: 'FR', other: { city: 'Lille', country: 'FR' } }
    const theirs =
      "{'home': {'city': 'Köln', 'country': 'DE'}, 'born': 'FR', 'other': {'city': 'Lille', 'country': 'FR'}}"
    const references = [address, country]

    const topic = newTopic()
    const written = await weWrite(topic, customer, ours, { references })
    expect(await peer.deserialize(topic, written, {})).toBe(theirs)

    // Under other subjects than ours would be: what counts is the name by which it is known.
    const others = newTopic()
    const to = (name: string, subject: string): Reference => ({ name, subject, version: 1 })
    const [toCountry, toAddress] = [to('com.acme.Country', 'pays'), to('com.acme.Address', 'adresses')]
    await peer.register('pays', { schema: JSON.stringify(country) })
    await peer.register('adresses', { schema: JSON.stringify(address), references: [toCountry] })
    const schema = { schema: JSON.stringify(customer), references: [toAddress, toCountry] }
    const read = await peer.serialize(others, schema, theirs)
    expect(await weRead(others, customer, read, { references })).toStrictEqual(ours)
  })
}

/** As main does before a record's next turn. */
async function schemaKnown(codec: Codec<unknown>, written: Uint8Array, schemas: SchemaPort): Promise<void> {
  let id: number | undefined
  try {
    codec.decode(written)
  } catch (error) {
    id = neededSchema(error)
    if (id === undefined) throw error
  }
  if (id !== undefined) await new Promise<void>((resolve) => schemas.whenKnown(id, resolve))
}
