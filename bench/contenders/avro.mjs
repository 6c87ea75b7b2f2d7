// Records of ten fields in Avro, in memory: read, read in part, or written; by Troupe, by avsc alone, or by a registry client.
import { setImmediate as turn } from 'node:timers/promises'
import { SchemaRegistry } from '@kafkajs/confluent-schema-registry'
import avsc from 'avsc'
import { avro } from '../../dist/streams/avro/avro.js'

const schema = {
  type: 'record',
  name: 'Order',
  namespace: 'com.acme',
  fields: [
    { name: 'id', type: 'long' },
    { name: 'customer', type: 'string' },
    { name: 'country', type: ['null', 'string'], default: null },
    { name: 'amount', type: { type: 'bytes', logicalType: 'decimal', precision: 12, scale: 2 } },
    { name: 'quantity', type: 'int' },
    { name: 'weight', type: 'double' },
    { name: 'orderedAt', type: { type: 'long', logicalType: 'timestamp-millis' } },
    { name: 'session', type: 'long' },
    { name: 'state', type: { type: 'enum', name: 'State', symbols: ['OPEN', 'PAID', 'SHIPPED'] } },
    { name: 'isGift', type: 'boolean' },
  ],
}
const fields = ['id', 'customer', 'state']
const partSchema = { ...schema, fields: schema.fields.filter(({ name }) => fields.includes(name)) }

const SCHEMA_ID = 7
const RECORDS = 1_000
const PER_TURN = 20_000

const records = Array.from({ length: RECORDS }, (_, index) => ({
  id: BigInt(index * 1_009),
  customer: `customer ${(index * 7_919) % 100_000}`,
  country: index % 10 === 0 ? null : ['FR', 'DE', 'IN'][index % 3],
  amount: `${(index * 37) % 10_000}.${String(index % 100).padStart(2, '0')}`,
  quantity: index % 12,
  weight: index / 7,
  orderedAt: new Date(1_790_000_000_000 + index * 1_234),
  session: 2n ** 53n + BigInt(index * 7_919),
  state: ['OPEN', 'PAID', 'SHIPPED'][index % 3],
  isGift: index % 5 === 0,
}))

const text = JSON.stringify(schema)
const schemas = { writerOf: () => ({ type: 'AVRO', text, references: [] }), idOf: () => SCHEMA_ID }
const bound = (options) => avro(schema, options).contract.bind({ topic: 'orders', part: 'value' }, schemas)
const framed = records.map((record) => Buffer.from(bound().encode(record)))

// As avsc's documentation has it: bigints by `LongType.__with`, dates and decimals by logical types.
const long = avsc.types.LongType.__with({
  fromBuffer: (bytes) => bytes.readBigInt64LE(),
  toBuffer: (value) => {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(value)
    return bytes
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (value) => typeof value === 'bigint',
  compare: (one, other) => (one === other ? 0 : one < other ? -1 : 1),
})
class DateType extends avsc.types.LogicalType {
  _fromValue(value) {
    return new Date(value)
  }
  _toValue(date) {
    return date instanceof Date ? +date : undefined
  }
  _resolve(type) {
    if (type instanceof DateType) return (date) => date
  }
}
class DecimalType extends avsc.types.LogicalType {
  constructor(attributes, options) {
    super(attributes, options)
    this.scale = attributes.scale
  }
  _fromValue(bytes) {
    const { scale } = this
    const value = BigInt.asIntN(8 * bytes.length, BigInt(`0x${bytes.toString('hex')}`))
    const digits = String(value < 0n ? -value : value).padStart(scale + 1, '0')
    return `${value < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
  }
  _toValue(decimal) {
    if (typeof decimal !== 'string') return undefined
    const value = BigInt(decimal.replace('.', ''))
    const bits = (value < 0n ? -value - 1n : value).toString(2).length
    const size = Math.floor(bits / 8) + 1
    return Buffer.from(
      BigInt.asUintN(8 * size, value)
        .toString(16)
        .padStart(2 * size, '0'),
      'hex',
    )
  }
  _resolve(type) {
    if (type instanceof DecimalType && type.scale === this.scale) return (text) => text
  }
}

function bareType(of) {
  return avsc.Type.forSchema(of, {
    logicalTypes: { 'timestamp-millis': DateType, decimal: DecimalType },
    // A Date is made of the plain long.
    typeHook: (part) => (part === 'long' ? long : undefined),
  })
}

function bareReader(of) {
  const reader = bareType(of)
  const resolver = reader.createResolver(bareType(schema))
  return (bytes) => reader.fromBuffer(bytes, resolver)
}

/** Its cache filled: nothing is fetched. It has no bigints, so these are its own values. */
function registryClient() {
  const registry = new SchemaRegistry({ host: 'http://127.0.0.1:1' })
  registry.cache.setSchema(SCHEMA_ID, 'AVRO', avsc.Type.forSchema(schema))
  return registry
}

const inNumbers = records.map(({ amount, id, orderedAt, session: _session, ...rest }) => {
  const { country } = rest
  return {
    ...rest,
    id: Number(id),
    session: 2 ** 40,
    orderedAt: +orderedAt,
    amount: Buffer.from(amount),
    country: country === null ? null : country,
  }
})

/** What is done with the record at this place. */
const ways = {
  'troupe decode': () => {
    const codec = bound()
    return (at) => codec.decode(framed[at])
  },
  'troupe part': () => {
    const codec = bound({ fields })
    return (at) => codec.decode(framed[at])
  },
  'troupe encode': () => {
    const codec = bound()
    return (at) => codec.encode(records[at])
  },
  'avsc decode': () => {
    const read = bareReader(schema)
    const bytes = framed.map((each) => each.subarray(5))
    return (at) => read(bytes[at])
  },
  'avsc part': () => {
    const read = bareReader(partSchema)
    const bytes = framed.map((each) => each.subarray(5))
    return (at) => read(bytes[at])
  },
  'avsc encode': () => {
    const type = bareType(schema)
    return (at) => type.toBuffer(records[at])
  },
  'kafkajs decode': () => {
    const registry = registryClient()
    const type = avsc.Type.forSchema(schema)
    const bytes = inNumbers.map((each) => Buffer.concat([framed[0].subarray(0, 5), type.toBuffer(each)]))
    return (at) => registry.decode(bytes[at], { AVRO: { readerSchema: schema } })
  },
  'kafkajs compiled': () => {
    const registry = registryClient()
    const type = avsc.Type.forSchema(schema)
    const bytes = inNumbers.map((each) => Buffer.concat([framed[0].subarray(0, 5), type.toBuffer(each)]))
    return (at) => registry.decode(bytes[at], { AVRO: { readerSchema: type } })
  },
  'kafkajs encode': () => {
    const registry = registryClient()
    return (at) => registry.encode(SCHEMA_ID, inNumbers[at])
  },
}

export async function run({ settings, meter }) {
  const step = ways[settings.way]()
  const isAsync = step(0) instanceof Promise
  const perTurn = isAsync ? 100 : PER_TURN
  let isRunning = true
  const loop = async () => {
    while (isRunning) {
      for (let time = 0; time < perTurn; time += 1) {
        if (isAsync) await step(time % RECORDS)
        else step(time % RECORDS)
      }
      meter.count(perTurn)
      await turn()
    }
  }
  void loop()
  return () => {
    isRunning = false
  }
}
