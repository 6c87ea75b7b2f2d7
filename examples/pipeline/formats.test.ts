import { expect, test } from 'vitest'
import { startEmbeddedSchemaRegistry } from 'troupe/embedded'
import { avroFormat } from './formats.ts'

const decimal = { type: 'bytes', logicalType: 'decimal', precision: 14, scale: 2 } as const
const prices = { type: 'record', name: 'Price', fields: [{ name: 'price', type: decimal }] } as const
const sums = { type: 'record', name: 'Sum', fields: [{ name: 'sum', type: ['null', decimal] }] } as const

const toJson = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))

test('values are read by the schema that they name, decimals exactly; what is none throws', async () => {
  const registry = await startEmbeddedSchemaRegistry()
  const contracts = [
    { topic: 'prices', schema: prices },
    { topic: 'sums', schema: sums },
  ] as const
  const format = avroFormat(contracts, () => Promise.reject(new Error('there is no app')))
  await format.register(registry.url)
  for (const price of [
    '0.00',
    '0.05',
    '-0.05',
    '1.27',
    '1.28',
    '-1.28',
    '-1.29',
    '999999999999.99',
    '-999999999999.99',
  ]) {
    const { value } = format.write({ value: toJson({ price }) })
    expect(value[0]).toBe(0)
    expect(JSON.parse(format.read(value))).toEqual({ price })
  }
  const [, other] = contracts
  const { id } = (await (await fetch(`${registry.url}/subjects/${other.topic}-value/versions/1`)).json()) as {
    id: number
  }
  // The second branch, one byte, and 5 of the smallest unit.
  expect(format.read(Buffer.from([0, 0, 0, 0, id, 2, 2, 5]))).toBe('{"sum":"0.05"}')
  for (const none of [{ price: 1.5 }, { price: '1.234' }, { price: 'a lot' }, [1]]) {
    const { value } = format.write({ value: toJson(none) })
    expect(value).toEqual(toJson(none))
    expect(() => format.read(toJson(none))).toThrow('no Avro')
  }
  expect(() => format.read(Buffer.from([0, 0, 0, 0, 99, 2]))).toThrow('no Avro')
  expect(() => format.read(Buffer.alloc(0))).toThrow()
  await registry.stop()
})
