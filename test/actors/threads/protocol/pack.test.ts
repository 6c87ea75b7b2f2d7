import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PackReader, PackWriter, type Pack } from '../../../../src/actors/threads/protocol/pack.ts'

type Value =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'bytes'; readonly value: Uint8Array | null }
  | { readonly kind: 'text'; readonly value: string | null }

const values: fc.Arbitrary<Value> = fc.oneof(
  fc.record({ kind: fc.constant('number' as const), value: fc.double() }),
  fc.record({ kind: fc.constant('bytes' as const), value: fc.option(fc.uint8Array({ maxLength: 400 })) }),
  fc.record({
    kind: fc.constant('text' as const),
    value: fc.option(fc.string({ unit: 'binary', maxLength: 400 })),
  }),
)

function write(list: readonly Value[], writer: PackWriter): Pack {
  for (const { kind, value } of list) {
    if (kind === 'number') writer.putNumber(value)
    else if (kind === 'bytes') writer.putBytes(value)
    else writer.putText(value)
  }
  return writer.finish()
}

function take(reader: PackReader, kind: Value['kind']): unknown {
  if (kind === 'number') return reader.takeNumber()
  if (kind === 'text') return reader.takeText()
  const bytes = reader.takeBytes()
  return bytes === null ? null : new Uint8Array(bytes)
}

test('what was put is taken, in the same order, whatever size was guessed', () => {
  fc.assert(
    fc.property(fc.array(values), fc.nat(100), fc.nat(1000), (list, numbers, bytes) => {
      const reader = new PackReader(write(list, new PackWriter(numbers, bytes)))
      expect(list.map(({ kind }) => take(reader, kind))).toEqual(list.map(({ value }) => value))
    }),
  )
})

test('an empty value is not a null value', () => {
  const writer = new PackWriter(0, 0)
  writer.putBytes(Buffer.alloc(0))
  writer.putBytes(null)
  writer.putText('')
  writer.putText(null)
  const reader = new PackReader(writer.finish())
  expect([reader.takeBytes(), reader.takeBytes()]).toEqual([Buffer.alloc(0), null])
  expect([reader.takeText(), reader.takeText()]).toEqual(['', null])
})

test('the writer takes only the value out of a pooled buffer, and leaves it intact', () => {
  const pooled = Buffer.from('value')
  expect(pooled.buffer.byteLength).toBeGreaterThan(pooled.byteLength)
  const writer = new PackWriter(1, 5)
  writer.putBytes(pooled)
  const pack = writer.finish()
  const crossed = structuredClone(pack, { transfer: [pack.numbers.buffer, pack.slab.buffer] })
  expect(new PackReader(crossed).takeBytes()?.toString()).toBe('value')
  expect(pooled.toString()).toBe('value')
  expect(crossed.slab.byteLength).toBeLessThan(pooled.buffer.byteLength)
})

test('a large text takes no more room than it needs', () => {
  const text = 'ü'.repeat(1_000_000)
  const writer = new PackWriter(1, 2_000_000)
  writer.putText(text)
  const pack = writer.finish()
  expect(pack.slab.byteLength).toBe(2_000_000)
  expect(new PackReader(pack).takeText() === text).toBe(true)
})

test('a reader that asks for more than there is is told', () => {
  const reader = new PackReader(new PackWriter(0, 0).finish())
  expect(() => {
    for (;;) reader.takeNumber()
  }).toThrow('a pack ended before its reader did')
})
