/** The producer on a native client that fails on purpose, as the real one was seen to. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { systemClock } from '../../../../src/clock.ts'
import type { WriteAnswer } from '../../../../src/streams/broker-port.ts'
import type { NativeDeliveryReport, NativeError, NativeKafka } from '../../../../src/streams/kafka/native.ts'
import { KafkaBrokerProducer } from '../../../../src/streams/kafka/producer/producer.ts'
import type { OutputRecord } from '../../../../src/streams/record.ts'

interface Sent {
  readonly topic: string
  readonly key: Buffer | null
  readonly value: string
  readonly opaque: number | undefined
}

/** Says what becomes of a record: a code, null for durable, 'kept' for neither, ever. */
type Fate = (record: Sent, client: FakeClient) => number | null | 'kept'

/** The parts of the native producer that ours uses. Reports cross at most 100 in a turn, as the binding does it. */
class FakeClient {
  readonly config: Readonly<Record<string, unknown>>
  readonly #world: World
  readonly #listeners: [event: string, listener: (...args: never[]) => void][] = []
  #queue: Sent[] = []
  #kept = 0
  #isFatal = false

  constructor(config: Readonly<Record<string, unknown>>, world: World) {
    this.config = config
    this.#world = world
    world.clients.push(this)
  }

  on(event: string, listener: (...args: never[]) => void): void {
    this.#listeners.push([event, listener])
  }
  connect(_options: unknown, done: (error: null) => void): void {
    setImmediate(done, null)
  }
  getMetadata(_options: unknown, done: (error: null, metadata: unknown) => void): void {
    setImmediate(done, null, { topics: [{ name: 't', partitions: [0] }] })
  }
  isConnected(): boolean {
    return true
  }
  produce(topic: string, _partition: null, value: Uint8Array, key: Uint8Array, _time: null, opaque?: number): void {
    if (this.#isFatal) throw Object.assign(new Error('Local: Fatal error'), { code: -150 })
    this.#queue.push({ topic, key: Buffer.from(key), value: Buffer.from(value).toString(), opaque })
    this.#world.given.push(Buffer.from(value).toString())
  }
  flush(_timeoutMs: number, done: (error: NativeError | null) => void): void {
    const reports: [NativeError | null, NativeDeliveryReport][] = []
    for (const record of this.#queue.splice(0, this.#world.passes(this.#queue))) {
      const fate = this.#world.fate(record, this)
      if (fate === null) this.#world.log.push(record.value)
      if (fate === 'kept') this.#kept += 1
      else if (fate !== null || this.config['delivery.report.only.error'] === false) {
        const { topic, key, opaque } = record
        const report = { topic, key, partition: 0, ...(opaque === undefined ? {} : { opaque }) }
        reports.push([fate === null ? null : { code: fate, message: `error ${fate}` }, report])
      }
    }
    const crossing = (): void => {
      for (const [error, report] of reports.splice(0, 100)) this.#emit('delivery-report', error, report)
      if (reports.length > 0) setImmediate(crossing)
    }
    // The client has none left, and none has crossed yet.
    setImmediate(done, this.#kept + this.#queue.length > 0 ? { code: -185, message: 'timed out' } : null)
    if (reports.length > 0) setImmediate(crossing)
  }
  /** Stops for good, as at a refused batch. */
  stop(): void {
    this.#isFatal = true
    this.#emit('event.log', { severity: 0, fac: 'FATAL', message: '[thrd:main]: Fatal error: gap-less' })
  }
  #emit(event: string, ...args: unknown[]): void {
    for (const [each, listener] of this.#listeners) if (each === event) listener(...(args as never[]))
  }
  poll(): void {
    // Reports come by themselves here.
  }
  _disconnect(done: () => void): void {
    setImmediate(done)
  }
  get sendsSingly(): boolean {
    return this.config['batch.num.messages'] === 1
  }
}

class World {
  readonly clients: FakeClient[] = []
  /** Values of durable records, in order. */
  readonly log: string[] = []
  fate: Fate = () => null
  /** How many of these records get through in one flush. */
  passes: (queue: readonly Sent[]) => number = (queue) => queue.length
  /** Whose delivery the client was given, each time it was. */
  readonly given: string[] = []
  readonly producer: KafkaBrokerProducer

  constructor(deliveryTimeoutMs = 60_000) {
    const makeClient = (config: Record<string, unknown>): FakeClient => new FakeClient(config, this)
    const native = {
      Producer: function (config: Record<string, unknown>) {
        return makeClient(config)
      },
    } as unknown as NativeKafka
    this.producer = new KafkaBrokerProducer(
      native,
      {
        brokers: ['b:1'],
        groupId: 'g',
        groupProtocol: 'classic',
        client: {},
        commitIntervalMs: 100,
        maxPollIntervalMs: 1000,
        deliveryTimeoutMs,
        clock: systemClock,
        log: () => undefined,
      },
      'outputs',
    )
  }

  write(count: number, keys = 10, bytes = 0): Promise<readonly WriteAnswer[]> {
    return this.producer.write(
      Array.from({ length: count }, (_, i): OutputRecord => ({
        topic: 't',
        key: Buffer.from(`k${i % keys}`),
        value: Buffer.from(`${i}`.padEnd(bytes)),
      })),
    )
  }
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i}`)

describe('a batch', () => {
  // Case 57, and the deliberate break "trust flush() alone": flush says ok while most reports are still to come.
  test.each([50, 20_000])(
    'of %i records that all fail is known to have failed, though flush says otherwise',
    async (count) => {
      const world = new World()
      world.fate = () => 29
      // A key each: a failure says nothing of other keys.
      const results = await world.write(count, count)
      expect(results.filter((result) => result !== null)).toHaveLength(count)
      expect(world.log).toEqual([])
    },
    // 200 turns of the loop, each with a hundred reports.
    60_000,
  )

  test.each([50, 500])('of %i records of which one batch is refused: the rest is written in order', async (count) => {
    const world = new World()
    world.fate = ({ value }, client) => {
      if (client.sendsSingly) return value === '7' ? 87 : null
      if (Number(value) < 5) return null
      client.stop()
      return Number(value) < 20 ? 87 : -150
    }
    const results = await world.write(count)
    expect(results.findIndex((result) => result !== null)).toBe(7)
    expect(results.filter((result) => result !== null)).toHaveLength(1)
    expect([...new Set(world.log)]).toEqual(numbers(count).filter((value) => value !== '7'))
    // With a number for each record nothing is repeated.
    if (count === 50) expect(world.log).toHaveLength(49)
  })

  test.each([50, 500])('of %i records of which a client that has stopped keeps some: they go again', async (count) => {
    const world = new World()
    world.fate = ({ value }, client) => {
      if (client !== world.clients[0] && client !== world.clients[1]) return null
      if (Number(value) < 5) return null
      client.stop()
      return Number(value) % 2 === 0 ? 'kept' : -150
    }
    expect((await world.write(count)).every((result) => result === null)).toBe(true)
    expect([...new Set(world.log)].sort()).toEqual(numbers(count).sort())
  })

  test('that nobody acknowledges is given up, and the next one gets a new client', async () => {
    const world = new World(2_000)
    world.fate = () => 'kept'
    await expect(world.write(3)).rejects.toMatchObject({ code: 'SINK_UNAVAILABLE' })
    world.fate = () => null
    expect(await world.write(3)).toEqual([null, null, null])
    expect(world.log).toEqual(numbers(3))
  })

  test('with which every client stops at once is given up, and says why', async () => {
    const world = new World()
    world.fate = (_, client) => {
      client.stop()
      return -150
    }
    await expect(world.write(3)).rejects.toMatchObject({
      code: 'SINK_UNAVAILABLE',
      message: expect.stringMatching(/Fatal error: gap-less/) as string,
    })
  })

  test('under way when the producer ends does not keep it', async () => {
    const world = new World(60_000)
    await world.producer.connect()
    world.fate = () => 'kept'
    const writing = world.write(3).catch((error: unknown) => error)
    const startedAt = Date.now()
    await world.producer.disconnect()
    // Half of what it would be given otherwise.
    expect(Date.now() - startedAt).toBeLessThan(30_000)
    expect(await writing).toMatchObject({ code: 'SINK_UNAVAILABLE' })
  })
})

/** A line on which no time goes by. */
describe('on a fast line', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['Date', 'performance'] }))
  afterEach(() => void vi.useRealTimers())

  /** Whether the last of `writes` equal ones was reported on by failures only. */
  const isCheap = async (world: World, writes: number, count: number, bytes: number): Promise<boolean> => {
    const isFailuresOnly: unknown[] = []
    world.fate = (_, client) => {
      isFailuresOnly.push(client.config['delivery.report.only.error'])
      return null
    }
    for (let written = 0; written < writes; written += 1) await world.write(count, 10, bytes)
    return isFailuresOnly.slice(-count).every((each) => each === true)
  }

  test.each([
    [1000, 240],
    [1000, 300],
    [1000, 1000],
    [5000, 300],
  ])('batches of %i records of %i bytes soon go through the client that is cheaper for them', async (count, bytes) => {
    expect(await isCheap(new World(), 10, count, bytes)).toBe(true)
  })

  test('that fails at once nothing is learned of how much it takes', async () => {
    const world = new World()
    world.fate = (_, client) => {
      client.stop()
      return -150
    }
    for (let written = 0; written < 10; written += 1) {
      await expect(world.write(1000, 10, 1000)).rejects.toMatchObject({ code: 'SINK_UNAVAILABLE' })
    }
    expect(await isCheap(world, 1, 1000, 1000)).toBe(false)
  })
})

/** 300 records of 10 kB; at each flush, so each 250 ms, one of them gets through: 40 kB/s. */
describe('on a slow line', () => {
  const slow = (deliveryTimeoutMs: number): { world: World; records: readonly OutputRecord[] } => {
    const world = new World(deliveryTimeoutMs)
    world.passes = () => {
      vi.advanceTimersByTime(250)
      return 1
    }
    const value = (i: number): Buffer => Buffer.from(`${i}`.padEnd(10_000))
    const records = Array.from({ length: 300 }, (_, i): OutputRecord => ({
      topic: 't',
      key: Buffer.from(`k${i % 10}`),
      value: value(i),
    }))
    return { world, records }
  }
  beforeEach(() => void vi.useFakeTimers({ toFake: ['Date', 'performance'] }))
  afterEach(() => void vi.useRealTimers())

  test('a batch that takes longer than its deadline goes on while records are acknowledged, and none goes twice', async () => {
    const { world, records } = slow(5_000)
    let open = records
    const writes: number[] = []
    while (open.length > 0) {
      const answers: readonly unknown[] = await world.producer.write(open)
      open = open.filter((_, index) => answers[index] === 'again')
      writes.push(answers.length - open.length)
    }
    expect(world.log.map(Number)).toEqual(records.map((_, i) => i))
    expect(world.given).toHaveLength(300)
    // Each says soon what it has done: at 40 kB/s that is no more than some seconds' worth.
    expect(writes.length).toBeGreaterThan(5)
  })

  test('what was acknowledged before the line went dead stays acknowledged', async () => {
    const { world, records } = slow(5_000)
    let passed = 0
    world.passes = () => {
      vi.advanceTimersByTime(250)
      passed += 1
      return passed <= 30 ? 1 : 0
    }
    const answers: readonly unknown[] = await world.producer.write(records)
    expect(answers.slice(0, 30)).toEqual(new Array(30).fill(null))
    expect(new Set(answers.slice(30))).toEqual(new Set(['again']))
    await expect(world.producer.write(records.slice(30))).rejects.toMatchObject({ code: 'SINK_UNAVAILABLE' })
  })

  /** A batch of which record 7 is refused, so that each goes singly, until nothing is acknowledged any more. */
  const dyingWhileSingly = async (firstSingle: number, lastSingle: number) => {
    const world = new World(5_000)
    world.passes = (queue) => {
      vi.advanceTimersByTime(250)
      return queue.length
    }
    world.fate = ({ value }, client) => {
      const number = Number(value)
      if (client.sendsSingly) return number === 7 ? 87 : number > lastSingle ? 'kept' : null
      if (number < firstSingle) return null
      client.stop()
      return 87
    }
    const answers: readonly unknown[] = await world.write(50)
    return { answers, world }
  }

  test.each([30, 29])('what was sent singly before the line went dead behind record %i stays known', async (last) => {
    const { answers, world } = await dyingWhileSingly(5, last)
    expect(answers[7]).toMatchObject({ code: 'SINK_REFUSED' })
    expect(answers.filter((answer) => answer === null)).toHaveLength(last)
    expect(answers.slice(last + 1)).toEqual(new Array(49 - last).fill('again'))
    expect(new Set(world.log).size).toBe(world.log.length)
  })

  test('what was durable before records went singly stays so, though the first of those is not acknowledged', async () => {
    const { answers } = await dyingWhileSingly(5, 4)
    expect(answers).toEqual([...new Array<null>(5).fill(null), ...new Array<string>(45).fill('again')])
  })

  test('a line on which nothing is acknowledged is unavailable, also where records go singly', async () => {
    await expect(dyingWhileSingly(0, -1)).rejects.toMatchObject({ code: 'SINK_UNAVAILABLE' })
  })
})
