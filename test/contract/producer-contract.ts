/** The producer's half of the broker contract. */
import { expect, it } from 'vitest'
import type { TestContext } from 'vitest'
import type { BrokerProducer, RecordPlace } from '../../src/streams/broker-port.ts'
import type { OutputRecord } from '../../src/streams/record.ts'
import type { BrokerWorld } from './contract-world.ts'
import { bytesOf, textOf } from './contract-world.ts'

export function describeProducerContract(currentWorld: () => BrokerWorld): void {
  const given = async (
    test: Pick<TestContext, 'onTestFinished'>,
    wanted: number,
    config?: Record<string, string>,
  ): Promise<{ world: BrokerWorld; topic: string; producer: BrokerProducer; partitions: number }> => {
    const world = currentWorld()
    const partitions = world.partitions ?? wanted
    const topic = world.uniqueName('outputs')
    await world.createTopic(topic, partitions, config)
    const producer = world.broker(world.uniqueName('group')).producer('outputs')
    test.onTestFinished(() => producer.disconnect())
    await producer.connect()
    return { world, topic, producer, partitions }
  }

  it('writes in the order given, for each key, small batches and large ones', async (test) => {
    const { world, topic, producer } = await given(test, 3)
    const record = (i: number): OutputRecord => ({ topic, key: bytesOf(`k${i % 10}`), value: bytesOf(`${i}`) })
    let next = 0
    for (const count of [1, 3, 2000, 5, 500, 1]) {
      const results = await producer.write(Array.from({ length: count }, () => record(next++)))
      expect(results).toEqual(new Array(count).fill(null))
    }
    const logged = await world.read(topic)
    expect(logged).toHaveLength(next)
    for (let key = 0; key < 10; key += 1) {
      const values = logged.filter((each) => textOf(each.key) === `k${key}`).map((each) => Number(textOf(each.value)))
      expect(values).toEqual(Array.from({ length: next / 10 }, (_, i) => i * 10 + key))
    }
  })

  it('keeps key, value, headers, time and partition, and tells null from empty', async (test) => {
    const { world, topic, producer } = await given(test, 3)
    const results = await producer.write([
      { topic, partition: 2, key: bytesOf('k'), value: bytesOf('v'), timestamp: 1_600_000_000_123 },
      { topic, partition: 2, key: null, value: null },
      { topic, partition: 2, key: new Uint8Array(0), value: new Uint8Array(0) },
      {
        topic,
        partition: 2,
        // A view into a larger buffer, as outputs of threads are.
        key: new Uint8Array(Buffer.from('xxkeyxx')).subarray(2, 5),
        value: new Uint8Array([0, 255, 128]),
        headers: [
          ['a', bytesOf('1')],
          ['a', bytesOf('2')],
          ['empty', new Uint8Array(0)],
        ],
      },
    ])
    expect(results).toEqual([null, null, null, null])
    const [plain, tombstone, empty, headed] = (await world.read(topic)).filter(({ partition }) => partition === 2)
    expect(plain!.timestamp).toBe(1_600_000_000_123)
    expect([textOf(plain!.key), textOf(plain!.value)]).toEqual(['k', 'v'])
    expect([tombstone!.key, tombstone!.value]).toEqual([null, null])
    expect([empty!.key?.byteLength, empty!.value?.byteLength]).toEqual([0, 0])
    expect([textOf(headed!.key), [...headed!.value!]]).toEqual(['key', [0, 255, 128]])
    expect(headed!.headers.map(([name, value]) => [name, value === null ? null : textOf(value)])).toEqual([
      ['a', '1'],
      ['a', '2'],
      ['empty', ''],
    ])
  })

  it('chooses partitions as Java does', async (test) => {
    const { world, topic, producer, partitions } = await given(test, 100)
    // murmur2 of these keys, from the tests of Kafka's own clients.
    const keys = ['21', 'foobar', 'a-little-bit-long-string', 'a-little-bit-longer-string', 'abc']
    const hashes = [-973932308, -790332482, -985981536, -1486304829, 479470107]
    await producer.write(keys.map((key) => ({ topic, key: bytesOf(key), value: bytesOf(key) })))
    const logged = await world.read(topic)
    keys.forEach((key, i) => {
      const found = logged.find((each) => textOf(each.value) === key)
      expect([key, found?.partition]).toEqual([key, (hashes[i]! & 0x7fffffff) % partitions])
    })
  })

  it('tells where each record stands, small batches and large ones, to who asks', async (test) => {
    const { world, topic, producer } = await given(test, 3)
    const missing = world.uniqueName('missing')
    let sent = 0
    for (const count of [1, 500]) {
      const records = Array.from({ length: count }, (_, i) => ({
        topic,
        key: bytesOf(`k${i % 7}`),
        value: bytesOf(`${sent + i}`),
        timestamp: 1_600_000_000_000 + i,
      }))
      sent += count
      const places = new Map<number, RecordPlace>()
      const unknown = { topic: missing, key: null, value: bytesOf('none') }
      await producer.write([...records, unknown], (index, place) => places.set(index, place))
      const logged = await world.read(topic)
      expect(places.size).toBe(count)
      for (const [index, place] of places) {
        const { partition, offset, timestamp } = logged.find(
          ({ value }) => textOf(value) === textOf(records[index]!.value),
        )!
        expect(place).toEqual({ partition, offset, timestamp: world.has.reportedTimes ? timestamp : place.timestamp })
      }
    }
  })

  it('refuses records of a topic that does not exist, and writes the others', async (test) => {
    const { world, topic, producer, partitions } = await given(test, 1)
    const missing = world.uniqueName('missing')
    const results = await producer.write([
      { topic, key: null, value: bytesOf('a') },
      { topic: missing, key: null, value: bytesOf('b') },
      { topic, key: null, value: bytesOf('c') },
    ])
    expect(results).toEqual([null, expect.objectContaining({ code: 'TOPIC_MISSING' }), null])
    expect((await world.read(topic)).map(({ value }) => textOf(value)).sort()).toEqual(['a', 'c'])
    expect(await producer.partitionCounts([topic, missing])).toEqual(new Map([[topic, partitions]]))
  })

  it('refuses what is too large for the topic, that record alone, and keeps the order of the rest', async (test) => {
    if (!currentWorld().has.topicLimits) test.skip()
    const { world, topic, producer } = await given(test, 2, { 'max.message.bytes': '2000' })
    for (const count of [20, 600]) {
      const records = Array.from({ length: count }, (_, i) => ({
        topic,
        key: bytesOf(`k${i % 4}`),
        value: i % 10 === 3 ? Buffer.alloc(3000, 'x') : bytesOf(`${count}-${i}`),
      }))
      const results = await producer.write(records)
      expect(results.map((result) => result !== null)).toEqual(records.map((_, i) => i % 10 === 3))
      const logged = (await world.read(topic)).filter(({ value }) => textOf(value).startsWith(`${count}-`))
      for (let key = 0; key < 4; key += 1) {
        const values = logged.filter((each) => textOf(each.key) === `k${key}`).map(({ value }) => textOf(value))
        const expected = records.filter((each, i) => textOf(each.key) === `k${key}` && i % 10 !== 3)
        // Of what shares a key with a refused record, the part already written may be there twice, as a stretch.
        expect(firsts(values)).toEqual(expected.map(({ value }) => textOf(value)))
      }
    }
  })

  it('refuses a second write while one is outstanding', async (test) => {
    const { topic, producer } = await given(test, 1)
    const writing = producer.write([{ topic, key: null, value: bytesOf('a') }])
    await expect(producer.write([{ topic, key: null, value: bytesOf('b') }])).rejects.toMatchObject({
      code: 'INTERNAL',
    })
    await writing
  })

  it('is unavailable once it is disconnected, which it takes twice', async (test) => {
    const { topic, producer } = await given(test, 1)
    await Promise.all([producer.disconnect(), producer.disconnect()])
    await expect(producer.write([{ topic, key: null, value: bytesOf('a') }])).rejects.toMatchObject({
      code: 'SINK_UNAVAILABLE',
    })
  })
}

/** Each value once, at its first place. */
function firsts(values: readonly string[]): string[] {
  return [...new Set(values)]
}
