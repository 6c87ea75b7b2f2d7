import { describe, expect, test } from 'vitest'
import { isTroupeError } from '../../../src/errors.ts'
import { silentLog } from '../../../src/log.ts'
import type { Contract, KnownSchemas } from '../../../src/streams/flows/contract.ts'
import { text, type Codec } from '../../../src/streams/flows/codec.ts'
import { topic } from '../../../src/streams/flows/flow.ts'
import { openProducer, type Producer, type ProducerParts } from '../../../src/streams/producing/producer.ts'
import { SendQueue, sendDefaults, type DeliveryReport } from '../../../src/streams/producing/send-queue.ts'
import type { NeededSchema, SchemaPort } from '../../../src/streams/registry/schema-port.ts'
import { FakeBroker } from '../../../src/testing/broker/fake-broker.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { settled } from '../../support/settled.ts'

const orders = topic('orders', { value: text })
const topics = [orders] as const
type Limits = NonNullable<ProducerParts<typeof topics>['limits']>

interface World {
  readonly clock: ManualClock
  readonly broker: FakeBroker
  readonly producer: Producer<typeof topics>
  /** Values in the log of a partition. */
  readonly values: (partition?: number) => string[]
  readonly writes: () => number
}

async function opened(limits: Limits = {}, parts: Partial<ProducerParts<typeof topics>> = {}): Promise<World> {
  const clock = new ManualClock()
  let writes = 0
  const broker = new FakeBroker({
    clock,
    observe: (event) => {
      if (event.type === 'write') writes += 1
    },
  })
  broker.createTopic('orders', 1)
  const producer = await settled(clock, openProducer({ broker, clock, topics, limits, ...parts }))
  const values = (partition = 0): string[] =>
    broker.log({ topic: 'orders', partition }).records.map(({ value }) => Buffer.from(value!).toString())
  return { clock, broker, producer, values, writes: () => writes }
}

const order = (value: string, key = 'k') => orders.record(value, { key })

/** What became of it: a report, or the code of its error. */
function fateOf(promise: Promise<unknown>): { readonly is: () => unknown; readonly says: () => string } {
  let fate: unknown = 'pending'
  let says = ''
  promise.then(
    (value) => (fate = value),
    (error: unknown) => {
      fate = isTroupeError(error) ? error.code : error
      says = error instanceof Error ? error.message : ''
    },
  )
  return { is: () => fate, says: () => says }
}

describe('a record that is sent', () => {
  test('resolves when it is durable, with where it stands', async () => {
    const { clock, producer, values } = await opened()
    const first = fateOf(producer.send(order('a')))
    expect([first.is(), values()]).toEqual(['pending', []])
    await clock.advance(100)
    expect(values()).toEqual(['a'])
    const [{ timestamp }] = [first.is() as DeliveryReport]
    expect(first.is()).toEqual({ topic: 'orders', partition: 0, offset: 0, timestamp })
    expect(await settled(clock, producer.send(order('b')))).toMatchObject({ offset: 1 })
  })

  test('takes its key, headers, time and partition along', async () => {
    const { broker, clock, producer } = await opened()
    const sent = producer.send(orders.record('a', { key: 'k', headers: { h: 'v' }, timestamp: 1_600_000_000_000 }))
    expect(await settled(clock, sent)).toMatchObject({ timestamp: 1_600_000_000_000 })
    const [record] = broker.log({ topic: 'orders', partition: 0 }).records
    expect(record).toMatchObject({
      key: Buffer.from('k'),
      headers: [['h', Buffer.from('v')]],
      timestamp: 1_600_000_000_000,
    })
  })

  test('goes with those sent in the same turn, and with those sent while a batch was under way', async () => {
    const { clock, producer, writes } = await opened()
    for (let i = 0; i < 100; i += 1) void producer.send(order(`${i}`))
    await clock.settle()
    expect(writes()).toBe(1)
    for (let i = 0; i < 100; i += 1) void producer.send(order(`${i}`))
    await settled(clock, producer.flush())
    expect(writes()).toBe(2)
  })

  test('is refused alone, for its own reason; the others of its batch stand', async () => {
    const { broker, clock, producer, values } = await opened()
    broker.faults.refuseRecord = ({ value }) => (Buffer.from(value!).toString() === 'b' ? 'no b here' : null)
    const fates = ['a', 'b', 'c'].map((value) => fateOf(producer.send(order(value))))
    await settled(clock, producer.flush())
    expect(fates.map(({ is }) => (typeof is() === 'string' ? is() : 'durable'))).toEqual([
      'durable',
      'SINK_REFUSED',
      'durable',
    ])
    expect(values()).toEqual(['a', 'c'])
  })

  test('and is too large is refused with that code', async () => {
    const { clock, producer } = await opened()
    const sent = settled(clock, producer.send(order('x'.repeat(2_000_000))))
    await expect(sent).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE' })
  })

  test('and cannot be encoded is refused before anything is written', async () => {
    const { clock, producer, values } = await opened()
    await expect(producer.send(order(5 as unknown as string))).rejects.toMatchObject({ code: 'ENCODE_FAILED' })
    const foreign = topic('clicks', { value: text }).record('a') as unknown as ReturnType<typeof order>
    await expect(producer.send(foreign)).rejects.toThrow('topic clicks is not among `topics` of startProducer')
    await expect(producer.send(undefined as unknown as ReturnType<typeof order>)).rejects.toThrow('is no record')
    await clock.advance(1_000)
    expect(values()).toEqual([])
  })
})

describe('a batch that is sent', () => {
  test('resolves when all of it is durable, with a report each, in their order', async () => {
    const { clock, producer } = await opened()
    const reports = await settled(clock, producer.sendAll(['a', 'b', 'c'].map((value) => order(value))))
    expect(reports.map(({ offset }) => offset)).toEqual([0, 1, 2])
    expect(await producer.sendAll([])).toEqual([])
  })

  test('says how many of it were not written, and why the first was not', async () => {
    const { broker, clock, producer, values } = await opened()
    broker.faults.refuseRecord = ({ value }) => (Buffer.from(value!).toString() === 'b' ? 'no b here' : null)
    const sent = settled(clock, producer.sendAll(['a', 'b', 'c', 'b'].map((value) => order(value))))
    await expect(sent).rejects.toMatchObject({
      code: 'SINK_REFUSED',
      message: '2 of 4 records were not written; the first of them, record 1: no b here',
    })
    expect(values()).toEqual(['a', 'c'])
  })

  test('is not sent at all when one of it cannot be encoded', async () => {
    const { clock, producer, values } = await opened()
    const sent = producer.sendAll([order('a'), order(5 as unknown as string)])
    await expect(sent).rejects.toMatchObject({ code: 'ENCODE_FAILED' })
    await expect(sent).rejects.toThrow('record 1 of 2: ')
    await clock.advance(1_000)
    expect(values()).toEqual([])
  })
})

describe('while the brokers are away', () => {
  test('records wait, and go in their order when they are back, though acknowledgements were lost', async () => {
    const { broker, clock, producer, values } = await opened()
    broker.faults.isProducingUnavailable = true
    const sent = Array.from({ length: 20 }, (_, i) => fateOf(producer.send(order(`${i}`))))
    await clock.advance(3_000)
    for (let i = 20; i < 40; i += 1) sent.push(fateOf(producer.send(order(`${i}`))))
    await clock.advance(10_000)
    expect(sent.map(({ is }) => is())).toEqual(new Array(40).fill('pending'))
    expect(producer.trouble()?.forMs).toBeGreaterThan(10_000)
    broker.faults.isProducingUnavailable = false
    await settled(clock, producer.flush())
    expect(producer.trouble()).toBeNull()
    // What was written twice stands there twice, but nothing new behind something newer.
    expect([...new Set(values().toReversed())].toReversed()).toEqual(Array.from({ length: 40 }, (_, i) => `${i}`))
    expect(sent.every(({ is }) => typeof is() === 'object')).toBe(true)
  })

  test('a record is rejected after deliveryTimeoutMs, and is never written behind a later one', async () => {
    const { broker, clock, producer, values } = await opened({ deliveryTimeoutMs: 5_000 })
    broker.faults.areBrokersAway = true
    const first = fateOf(producer.send(order('first')))
    await clock.advance(4_000)
    const second = fateOf(producer.send(order('second')))
    await clock.advance(999)
    expect(first.is()).toBe('pending')
    await clock.advance(1)
    expect([first.is(), second.is()]).toEqual(['DELIVERY_TIMEOUT', 'pending'])
    expect(first.says()).toMatch(
      /A record for orders was not acknowledged within 5000 ms, and may be in it all the same: /,
    )
    broker.faults.areBrokersAway = false
    const before = values().length
    await settled(clock, producer.flush())
    expect(values().slice(before)).toEqual(['second'])
    expect(producer.pending).toEqual({ records: 0, bytes: 0, waiting: 0 })
  })

  test('retries end it before, where they are limited', async () => {
    const { broker, clock, producer, writes } = await opened({ retries: 2 })
    broker.faults.isProducingUnavailable = true
    const sent = fateOf(producer.send(order('a')))
    await clock.advance(60_000)
    expect([sent.is(), writes()]).toEqual(['SINK_UNAVAILABLE', 3])
  })
})

describe('room', () => {
  const limits = { maxPendingRecords: 2 }

  test('send waits for it, in line; what waits is written in its order', async () => {
    const { broker, clock, producer, values } = await opened(limits)
    broker.faults.isProducingUnavailable = true
    const sent = ['a', 'b', 'c', 'd', 'e'].map((value) => fateOf(producer.send(order(value))))
    await clock.advance(50)
    expect(producer.pending).toMatchObject({ records: 2, waiting: 3 })
    broker.faults.isProducingUnavailable = false
    await settled(clock, producer.flush())
    expect([...new Set(values())]).toEqual(['a', 'b', 'c', 'd', 'e'])
    expect(sent.every(({ is }) => typeof is() === 'object')).toBe(true)
  })

  test('trySend rejects without it, and does not overtake who waits', async () => {
    const { clock, producer } = await opened(limits)
    const sent = ['a', 'b'].map((value) => producer.trySend(order(value)))
    expect(producer.hasRoom).toBe(false)
    await expect(producer.trySend(order('c'))).rejects.toMatchObject({ code: 'PRODUCER_FULL' })
    await settled(clock, Promise.all(sent))
    expect(producer.hasRoom).toBe(true)
    expect(await settled(clock, producer.trySend(order('c')))).toMatchObject({ offset: 2 })
  })

  test('is bounded in bytes as well; what is larger than all of it goes alone', async () => {
    const { clock, producer, writes } = await opened({ maxPendingBytes: 10_000 })
    const sent = [50_000, 100, 50_000].map((bytes) => producer.send(order('x'.repeat(bytes))))
    await clock.settle()
    expect(producer.pending).toMatchObject({ records: 1, waiting: 2 })
    await settled(clock, Promise.all(sent))
    expect(writes()).toBe(3)
  })

  test('is told of to who waits for it', async () => {
    const { clock, producer } = await opened(limits)
    await producer.room()
    const sent = ['a', 'b'].map((value) => producer.send(order(value)))
    const room = fateOf(producer.room())
    await clock.settle()
    expect(room.is()).toBe('pending')
    await settled(clock, Promise.all(sent))
    expect(room.is()).toBeUndefined()
  })

  test('a record that got none within deliveryTimeoutMs says so', async () => {
    const { broker, clock, producer } = await opened({ ...limits, deliveryTimeoutMs: 5_000 })
    broker.faults.areBrokersAway = true
    const sent = ['a', 'b', 'c'].map((value) => fateOf(producer.send(order(value))))
    await clock.advance(5_000)
    expect(sent.map(({ is }) => is())).toEqual(new Array(3).fill('DELIVERY_TIMEOUT'))
    expect(sent[2]!.says()).toContain('and was not written')
  })
})

test('lingerMs lets the first of a batch wait for others; a flush does not', async () => {
  const { clock, producer, writes } = await opened({ lingerMs: 50 })
  void producer.send(order('a'))
  await clock.advance(49)
  expect(writes()).toBe(0)
  await clock.advance(1)
  expect(writes()).toBe(1)
  await settled(clock, producer.flush())
  void producer.send(order('b'))
  void producer.flush()
  await clock.settle()
  expect(writes()).toBe(2)
})

test('a batch that is full is written, however many records come in every turn', async () => {
  const clock = new ManualClock()
  const written: number[] = []
  const write = (records: readonly unknown[]) => {
    written.push(records.length)
    return Promise.resolve(records.map(() => null))
  }
  const queue = new SendQueue({ ...sendDefaults, producer: { write }, clock, log: silentLog })
  const add = () => void queue.add({ topic: 'orders', key: null, value: Buffer.from('a') })
  let turns = 0
  const goOn = (): void => {
    turns += 1
    if (written.length === 0 && turns < 100) clock.after(0, goOn)
    add()
  }
  clock.after(0, goOn)
  for (let n = 0; n < 2_000; n += 1) add()
  await clock.settle()
  expect(turns).toBeLessThan(3)
})

describe('the end', () => {
  test('a stop finishes what is pending and takes nothing more', async () => {
    const { clock, producer, values } = await opened({ maxPendingRecords: 1 })
    const sent = ['a', 'b'].map((value) => fateOf(producer.send(order(value))))
    const stopped = producer.stop()
    await expect(producer.send(order('c'))).rejects.toMatchObject({ code: 'PRODUCER_STOPPED' })
    await expect(producer.room()).rejects.toMatchObject({ code: 'PRODUCER_STOPPED' })
    await settled(clock, Promise.all([stopped, producer.stop()]))
    expect(values()).toEqual(['a', 'b'])
    expect(sent.every(({ is }) => typeof is() === 'object')).toBe(true)
  })

  test('a stop rejects what the brokers have not taken by its drain, and ends', async () => {
    const { broker, clock, producer } = await opened({ drainTimeoutMs: 2_000 })
    broker.faults.areBrokersAway = true
    const sent = fateOf(producer.send(order('a')))
    const stopped = fateOf(producer.stop())
    await clock.advance(1_999)
    expect([sent.is(), stopped.is()]).toEqual(['pending', 'pending'])
    await clock.advance(100)
    expect([sent.is(), stopped.is()]).toEqual(['PRODUCER_STOPPED', undefined])
    expect(sent.says()).toContain('It may be in the topic all the same')
  })

  test('a kill rejects it at once, also within a stop', async () => {
    const { broker, clock, producer } = await opened()
    broker.faults.areBrokersAway = true
    const sent = fateOf(producer.send(order('a')))
    const stopped = fateOf(producer.stop())
    await clock.advance(100)
    await settled(clock, producer.kill())
    expect([sent.is(), stopped.is()]).toEqual(['PRODUCER_STOPPED', undefined])
    expect(clock.pendingTimers).toBe(0)
  })

  test('its signal stops it; aborted before the start has ended, the start rejects', async () => {
    const stop = new AbortController()
    const { clock, producer, values } = await opened({}, { signal: stop.signal })
    const sent = producer.send(order('a'))
    stop.abort()
    await expect(producer.send(order('b'))).rejects.toMatchObject({ code: 'PRODUCER_STOPPED' })
    await settled(clock, sent)
    expect(values()).toEqual(['a'])

    const early = new AbortController()
    const starting = opened({}, { signal: early.signal })
    early.abort()
    await expect(starting).rejects.toMatchObject({ code: 'START_STOPPED' })
  })
})

describe('the start', () => {
  test('names every topic that is missing, and what is no topic', async () => {
    const clock = new ManualClock()
    const broker = new FakeBroker({ clock })
    const missing = [topic('a'), topic('b')] as const
    await expect(settled(clock, openProducer({ broker, clock, topics: missing }))).rejects.toMatchObject({
      code: 'TOPIC_MISSING',
      message: 'The topics a, b do not exist.',
    })
    for (const wrong of [[], ['orders'], orders, undefined]) {
      const given = wrong as unknown as typeof topics
      await expect(openProducer({ broker, clock, topics: given })).rejects.toMatchObject({ code: 'OPTIONS_INVALID' })
    }
  })
})

/** Text behind the id of its schema, one byte. */
const contract: Contract<string> = {
  subjectsAt: ({ topic: name, part }) => [
    { subject: `${name}-${part}`, schema: { type: 'AVRO', name: 'Order', text: '"string"', references: [] } },
  ],
  bind: ({ topic: name, part }, schemas: KnownSchemas) => ({
    ...text,
    encode: (value) => Buffer.concat([Buffer.from([schemas.idOf(`${name}-${part}`)]), text.encode(value)]),
  }),
}
const unbound = (): never => {
  throw new Error('it was used unbound')
}
const kept: Codec<string> = { name: 'kept', encode: unbound, decode: unbound, contract }

class FakeSchemas implements SchemaPort {
  readonly asked: NeededSchema[] = []
  isClosed = false
  onNews = (): void => undefined
  refusal: Error | null = null
  prepare(needed: readonly NeededSchema[]): Promise<void> {
    this.asked.push(...needed)
    return this.refusal === null ? Promise.resolve() : Promise.reject(this.refusal)
  }
  idOf(subject: string): number {
    return subject === 'orders-value' ? 7 : 0
  }
  writerOf(): never {
    throw new Error('nothing is read')
  }
  whenKnown = (): (() => void) => () => undefined
  all = () => ({ ids: [], writers: [] })
  trouble = () => null
  close(): void {
    this.isClosed = true
  }
}

describe('a codec whose schemas a registry keeps', () => {
  const withSchemas = (schemas: SchemaPort | null) =>
    opened({}, { topics: [topic('orders', { value: kept })] as unknown as typeof topics, schemas })

  test('is bound at the start, to what the registry has for writing', async () => {
    const schemas = new FakeSchemas()
    const { clock, producer, values } = await withSchemas(schemas)
    expect(schemas.asked).toMatchObject([{ subject: 'orders-value', use: 'write' }])
    await settled(clock, producer.send(order('a')))
    expect(values()).toEqual(['\u0007a'])
    await settled(clock, producer.stop())
    expect(schemas.isClosed).toBe(true)
  })

  test('does not hold up a start that is aborted', async () => {
    const schemas = new FakeSchemas()
    schemas.prepare = () =>
      new Promise((_, reject) => {
        schemas.close = () => {
          schemas.isClosed = true
          reject(new Error('closed'))
        }
      })
    const stop = new AbortController()
    const clock = new ManualClock()
    const broker = new FakeBroker({ clock })
    broker.createTopic('orders', 1)
    const starting = fateOf(
      openProducer({ broker, clock, topics: [topic('orders', { value: kept })], schemas, signal: stop.signal }),
    )
    await clock.advance(1_000)
    stop.abort()
    await clock.advance(1_000)
    expect([starting.is(), schemas.isClosed]).toEqual(['START_STOPPED', true])
  })

  test('without a registry, or where it refuses, ends the start', async () => {
    await expect(withSchemas(null)).rejects.toMatchObject({ code: 'SCHEMA_REGISTRY_MISSING' })
    const schemas = new FakeSchemas()
    schemas.refusal = new Error('not compatible')
    await expect(withSchemas(schemas)).rejects.toThrow('not compatible')
    expect(schemas.isClosed).toBe(true)
  })
})
