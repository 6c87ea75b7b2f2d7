/** The reader's part of the broker contract: what a restore of state has to be able to rely on. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import type { TestContext } from 'vitest'
import type { Broker } from '../../src/streams/broker.ts'
import type { BrokerReader, StartPosition } from '../../src/streams/broker-port.ts'
import type { SourceRecord } from '../../src/streams/record.ts'
import type { BrokerWorld } from './contract-world.ts'
import { Member, bytesOf, numbered, textOf, until } from './contract-world.ts'

interface Given {
  readonly world: BrokerWorld
  readonly topic: string
  readonly groupId: string
  readonly broker: Broker
  readonly reader: BrokerReader
  /** A start in a partition of the topic. */
  readonly from: (position: StartPosition['position'], partition?: number) => StartPosition
}

export function describeReaderContract(currentWorld: () => BrokerWorld): void {
  const given = async (test: Pick<TestContext, 'onTestFinished'>, wanted: number): Promise<Given> => {
    const world = currentWorld()
    const topic = world.uniqueName('changes')
    const groupId = world.uniqueName('group')
    await world.createTopic(topic, world.partitions ?? wanted)
    const broker = world.broker(groupId)
    const reader = broker.reader('restore')
    test.onTestFinished(() => reader.disconnect())
    await reader.connect()
    return {
      world,
      topic,
      groupId,
      broker,
      reader,
      from: (position, partition = 0) => ({ topic, partition, position }),
    }
  }

  it('reads the partitions it is told to from where it is told to, in order, and no others', async (test) => {
    const { world, topic, reader, from } = await given(test, 4)
    for (const partition of [0, 1, 2, 3]) await world.append(topic, numbered(partition, 600))
    reader.assign([from('earliest', 0), from(450, 1), from('latest', 2)])
    await readUntil(reader, () => reader.position(from(0, 2)) !== null)
    reader.assign([from('earliest', 0), from(450, 1), from(600, 2)])
    await world.append(topic, numbered(2, 1, 'late'))
    const records = await readUntil(reader, (taken) => taken.length === 600 + 150 + 1)
    const values = (partition: number): string[] =>
      records.filter((each) => each.partition === partition).map(({ value }) => textOf(value))
    expect(values(0)).toEqual(Array.from({ length: 600 }, (_, i) => `v${i}`))
    expect(values(1)).toEqual(Array.from({ length: 150 }, (_, i) => `v${450 + i}`))
    expect(values(2)).toEqual(['late0'])
  })

  it('follows more partitions beside those it reads, pauses some, and reads those no more that it is told to leave', async (test) => {
    const { world, topic, reader, from } = await given(test, 4)
    for (const partition of [0, 1, 2]) await world.append(topic, numbered(partition, 10))
    const places = (records: readonly SourceRecord[]): number[][] =>
      records.map(({ offset, partition }) => [partition, offset])
    reader.follow([from(5, 0)])
    expect(places(await readUntil(reader, (taken) => taken.length === 5))).toEqual([5, 6, 7, 8, 9].map((at) => [0, at]))
    reader.follow([from(8, 1), from(7, 2)])
    reader.pause([from(0, 2)])
    await world.append(topic, numbered(0, 2, 'more'))
    const both = await readUntil(reader, (taken) => taken.length === 4)
    expect(places(both).toSorted()).toEqual([
      [0, 10],
      [0, 11],
      [1, 8],
      [1, 9],
    ])
    reader.unfollow([from(0, 0)])
    await world.append(topic, numbered(0, 5, 'left'))
    reader.resume([from(0, 2)])
    expect(places(await readUntil(reader, (taken) => taken.length === 3))).toEqual([7, 8, 9].map((at) => [2, at]))
    expect([reader.position(from(0, 0)), reader.position(from(0, 1))]).toEqual([null, 10])
    // Again, from somewhere else.
    reader.follow([from(9, 1)])
    reader.follow([from(14, 0)])
    const again = await readUntil(reader, (taken) => taken.length === 4)
    expect(places(again).toSorted()).toEqual([
      [0, 14],
      [0, 15],
      [0, 16],
      [1, 9],
    ])
  })

  it('reads beside the members of the group: takes nothing from them, and commits nothing', async (test) => {
    const { world, topic, broker, reader, from } = await given(test, 2)
    await world.append(topic, numbered(0, 5))
    const member = await Member.join(broker, [topic])
    test.onTestFinished(() => member.leave())
    await until('all records', () => member.records.length === 5)
    reader.assign([from('earliest')])
    expect(await readUntil(reader, (taken) => taken.length === 5)).toHaveLength(5)
    await reader.disconnect()
    await world.append(topic, numbered(0, 1, 'more'))
    await until('the record after', () => member.records.length === 6)
    expect(member.events.map(({ type }) => type)).toEqual(['assign'])
    expect(await member.consumer.committed([{ topic, partition: 0 }])).toMatchObject([{ position: null }])
  })

  it('stands behind what it has handed over, and at the end of what holds nothing', async (test) => {
    const { world, topic, reader, from } = await given(test, 2)
    await world.append(topic, numbered(0, 9))
    const [full, empty] = [from('earliest', 0), from('earliest', 1)]
    expect(reader.position(full)).toBeNull()
    reader.assign([full, empty])
    let taken = 0
    while (reader.position(empty) === null || taken < 9) {
      const records = await reader.poll(2, 50)
      expect(records.length).toBeLessThanOrEqual(2)
      taken += records.length
      if (taken > 0) expect(reader.position(full)).toBe(taken)
    }
    expect(reader.position(full)).toBe(9)
    expect(reader.position(empty)).toBe(0)
    expect(await reader.watermarks(full)).toEqual({ low: 0, high: 9 })
  })

  it('hands over nothing of an assignment once there is another', async (test) => {
    const { world, topic, reader, from } = await given(test, 2)
    for (const partition of [0, 1]) await world.append(topic, numbered(partition, 500))
    reader.assign([from('earliest', 0)])
    await reader.poll(10, 1000)
    const polling = reader.poll(500, 1000)
    reader.assign([from(490, 1)])
    const records = [...(await polling), ...(await readUntil(reader, () => reader.position(from(0, 1)) === 500))]
    expect(records.map(({ partition, offset }) => [partition, offset])).toEqual(
      Array.from({ length: 10 }, (_, i) => [1, 490 + i]),
    )
    expect(reader.position(from(0, 0))).toBeNull()
  })

  it('hands over what was committed, and stands at the high watermark though aborted records and markers come last', async (test) => {
    const { world, topic, reader, from } = await given(test, 1)
    if (world.beginTransaction === undefined) return test.skip()
    for (const end of ['commit', 'abort', 'commit', 'abort'] as const) {
      const transaction = await world.beginTransaction(topic, [`${end}-a`, `${end}-b`])
      await transaction[end]()
    }
    // Two records and a marker each.
    const { high } = await untilHigh(() => reader.watermarks(from(0)), 12)
    reader.assign([from('earliest')])
    const records = await readUntil(reader, () => reader.position(from(0)) === high)
    expect(records.map(({ value }) => textOf(value))).toEqual(['commit-a', 'commit-b', 'commit-a', 'commit-b'])
  })

  it('stands before an open transaction, below the high watermark, and goes on when it ends', async (test) => {
    const { world, topic, reader, from } = await given(test, 1)
    if (world.beginTransaction === undefined) return test.skip()
    await world.append(topic, numbered(0, 3, 'before'))
    const transaction = await world.beginTransaction(topic, ['held'])
    // Whoever writes without a transaction is held back with it.
    await world.append(topic, numbered(0, 1, 'after'))
    expect(await reader.watermarks(from(0))).toEqual({ low: 0, high: 5 })
    reader.assign([from('earliest')])
    const before = await readUntil(reader, (taken) => taken.length === 3)
    for (let polls = 0; polls < 10; polls += 1) expect(await reader.poll(10, 50)).toEqual([])
    expect(reader.position(from(0))).toBe(3)
    await transaction.commit()
    const after = await readUntil(reader, () => reader.position(from(0)) === 6)
    expect([...before, ...after].map(({ value }) => textOf(value))).toEqual([
      'before0',
      'before1',
      'before2',
      'held',
      'after0',
    ])
  })

  it('names what cannot pass by itself: no such partition, a position that is not in its log', async (test) => {
    const { world, topic, reader, from } = await given(test, 1)
    await world.append(topic, numbered(0, 5))
    await expect(reader.watermarks(from(0, 99))).rejects.toMatchObject({ code: 'TOPIC_MISSING' })
    reader.assign([from(1000)])
    await expect(readUntil(reader, () => false)).rejects.toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' })
    reader.assign([from('earliest')])
    expect(await readUntil(reader, (taken) => taken.length === 5)).toHaveLength(5)
  })

  it('waits for a record that comes later', async (test) => {
    const { world, topic, reader, from } = await given(test, 1)
    reader.assign([from('earliest')])
    await readUntil(reader, () => reader.position(from(0)) === 0)
    const polling = readUntil(reader, (taken) => taken.length === 1)
    await world.append(topic, [{ topic, partition: 0, key: bytesOf('k'), value: null }])
    const [record] = await polling
    expect([textOf(record!.key), record!.value]).toEqual(['k', null])
  })

  it('has one poll at a time, and answers nothing any more once it is disconnected', async (test) => {
    const { reader, broker, from } = await given(test, 1)
    reader.assign([from('earliest')])
    await readUntil(reader, () => reader.position(from(0)) === 0)
    const polling = reader.poll(10, 30_000)
    await expect(reader.poll(10, 0)).rejects.toMatchObject({ code: 'INTERNAL' })
    await Promise.all([reader.disconnect(), reader.disconnect()])
    expect(await polling).toEqual([])
    expect(await reader.poll(10, 1000)).toEqual([])
    await expect(reader.watermarks(from(0))).rejects.toMatchObject({ code: 'BROKER_UNREACHABLE' })
    expect(() => reader.assign([])).toThrow('not connected')
    const unused = broker.reader('unused')
    await unused.disconnect()
  })
}

/** Polls until `isDone` says so of all records taken. */
async function readUntil(
  reader: BrokerReader,
  isDone: (taken: readonly SourceRecord[]) => boolean,
): Promise<SourceRecord[]> {
  const taken: SourceRecord[] = []
  const deadline = Date.now() + 60_000
  while (!isDone(taken)) {
    if (Date.now() > deadline) throw new Error(`not read after a minute; ${taken.length} records were`)
    taken.push(...(await reader.poll(500, 50)))
    // A reader that answers at once without records must not starve the others of this process.
    await new Promise(setImmediate)
  }
  return taken
}

/** Markers are written by the brokers, soon after a transaction has ended. */
async function untilHigh<Value extends { readonly high: number }>(
  ask: () => Promise<Value>,
  high: number,
): Promise<Value> {
  for (;;) {
    const answer = await ask()
    if (answer.high >= high) return answer
    await sleep(10)
  }
}
