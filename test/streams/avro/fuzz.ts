/** Payloads that were valid once, with something changed in them, read by many schemas. `npm run fuzz` makes a million. */
import { performance } from 'node:perf_hooks'
import { avro } from '../../../src/streams/avro/avro.ts'
import type { Random } from '../../../src/testing/random.ts'
import type { Codec } from '../../../src/streams/flows/codec.ts'
import { orders, Registry } from './registry.ts'

const everything = {
  type: 'record',
  name: 'Everything',
  fields: [
    { name: 'id', type: 'long' },
    { name: 'count', type: 'int' },
    { name: 'share', type: 'float' },
    { name: 'weight', type: 'double' },
    { name: 'isIt', type: 'boolean' },
    { name: 'text', type: 'string' },
    { name: 'bytes', type: 'bytes' },
    { name: 'fixed', type: { type: 'fixed', name: 'Four', size: 4 } },
    { name: 'state', type: { type: 'enum', name: 'State', symbols: ['A', 'B'] } },
    { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
    { name: 'local', type: { type: 'long', logicalType: 'local-timestamp-micros' } },
    { name: 'day', type: { type: 'int', logicalType: 'date' } },
    { name: 'price', type: { type: 'bytes', logicalType: 'decimal', precision: 30, scale: 2 } },
    { name: 'list', type: { type: 'array', items: ['null', 'string'] } },
    { name: 'map', type: { type: 'map', values: { type: 'array', items: 'double' } } },
    { name: 'union', type: ['null', 'int', 'string', 'Four'] },
  ],
}
const values: Record<string, unknown> = {
  id: 2n ** 60n,
  count: -5,
  share: 0.5,
  weight: 1e300,
  isIt: true,
  text: 'some text, with ü and 😀',
  bytes: new Uint8Array([1, 2, 3]),
  fixed: new Uint8Array(4),
  state: 'B',
  at: new Date(-1),
  local: '2026-11-30T00:00:00.000001',
  day: '2026-11-30',
  price: '-123456789012345.67',
  list: ['a', null, 'b'],
  map: { a: [1, 2], b: [] },
  union: { string: 'x' },
}
const tree = {
  type: 'record',
  name: 'Tree',
  fields: [
    { name: 'under', type: { type: 'array', items: 'Tree' } },
    { name: 'next', type: ['null', 'Tree'] },
  ],
}
const weightless = {
  type: 'record',
  name: 'Weightless',
  fields: [
    { name: 'nulls', type: { type: 'array', items: 'null' } },
    { name: 'empties', type: { type: 'array', items: { type: 'record', name: 'Empty', fields: [] } } },
    { name: 'nested', type: { type: 'array', items: { type: 'array', items: 'null' } } },
    { name: 'last', type: 'int' },
  ],
}
const leaf = { under: [], next: null }

interface Target {
  readonly codec: Codec<unknown>
  readonly valid: Buffer
}

function targets(): Target[] {
  const registry = new Registry()
  const target = (schema: object, value: unknown, fields?: readonly string[]): Target => {
    const writer = registry.codec(schema)
    const valid = Buffer.from(writer.encode(value))
    if (fields === undefined) return { codec: writer, valid }
    // The others are skipped.
    const part = avro<Record<string, unknown>>(schema, { fields }).contract.bind(orders, registry)
    return { codec: part as Codec<unknown>, valid }
  }
  return [
    target(everything, values),
    target(everything, values, ['union']),
    target(tree, { under: [leaf, { under: [leaf], next: leaf }], next: leaf }),
    target(tree, { under: [leaf, { under: [leaf], next: leaf }], next: leaf }, ['next']),
    target(weightless, { nulls: [null], empties: [{}, {}], nested: [[null], []], last: 1 }),
    target(weightless, { nulls: [null], empties: [{}, {}], nested: [[null], []], last: 1 }, ['last']),
    target({ type: 'map', values: ['null', everything] }, { a: null, b: values }),
  ]
}

/** Numbers that tell much in few bytes: −1, the greatest and the least long, 2^31, and one of hundreds of bytes. */
const numbers = [
  Buffer.from([0x01]),
  Buffer.from('feffffffffffffffff01', 'hex'),
  Buffer.from('ffffffffffffffffff01', 'hex'),
  Buffer.from('8080808010', 'hex'),
  Buffer.alloc(300, 0xff),
  Buffer.from('80897a', 'hex'),
]

function mutated(valid: Buffer, random: Random): Buffer {
  const pick = (limit: number): number => random.integer(0, limit - 1)
  let bytes = Buffer.from(valid)
  // The first five name the schema: they lead to others, or to none.
  const at = (): number => 5 + pick(bytes.length - 4)
  for (let times = 1 + pick(4); times > 0; times -= 1) {
    const place = at()
    switch (pick(6)) {
      case 0:
        if (place < bytes.length) bytes[place] = pick(256)
        break
      case 1:
        bytes = bytes.subarray(0, place)
        break
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, place), numbers[pick(numbers.length)]!, bytes.subarray(place)])
        break
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, place), bytes.subarray(place + 1 + pick(8))])
        break
      case 4: {
        const from = at()
        bytes = Buffer.concat([bytes.subarray(0, place), bytes.subarray(from, from + pick(40)), bytes.subarray(place)])
        break
      }
      default:
        bytes = Buffer.concat([bytes.subarray(0, place), Buffer.alloc(pick(2_000), pick(4))])
    }
  }
  return bytes
}

export interface FuzzReport {
  readonly read: number
  readonly refused: number
  readonly slowestMs: number
  /** What no payload may lead to. */
  readonly faults: readonly string[]
}

export function fuzz(payloads: number, random: Random): FuzzReport {
  const all = targets()
  const faults: string[] = []
  let [read, refused, slowestMs] = [0, 0, 0]
  for (let index = 0; index < payloads && faults.length < 10; index += 1) {
    const { codec, valid } = all[index % all.length]!
    const bytes = mutated(valid, random)
    const startedAt = performance.now()
    try {
      codec.decode(bytes)
      read += 1
    } catch (error) {
      refused += 1
      if (isOurs(error)) continue
      faults.push(`${bytes.toString('hex')}: ${String(error)}`)
    } finally {
      slowestMs = Math.max(slowestMs, performance.now() - startedAt)
    }
  }
  return { read, refused, slowestMs, faults }
}

/** Not what the machine says of code that went wrong: of undefined, of the stack, of lengths that are none. */
function isOurs(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof TypeError || error instanceof SyntaxError) return false
  return !/call stack|Invalid (array|typed array) length|out of range|allocation/i.test(error.message)
}
