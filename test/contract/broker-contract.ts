/**
 * What the engine relies on of a broker port. The same suite runs against the fake broker, the
 * embedded cluster and real Kafka, so that what the simulation proves holds for more than the fake.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TestContext } from 'vitest'
import type { Broker } from '../../src/streams/broker.ts'
import { describeProducerContract } from './producer-contract.ts'
import { describeReaderContract } from './reader-contract.ts'
import type { BrokerWorld } from './contract-world.ts'
import { Member, bytesOf, numbered, textOf, until } from './contract-world.ts'

export interface ContractOptions {
  /** Several tests at a time: they wait more than they work. */
  readonly concurrent?: boolean
  /** Default true. */
  readonly producer?: boolean
  /** Default true. */
  readonly reader?: boolean
}

/** The members of a test leave when it ends. */
type Ending = Pick<TestContext, 'onTestFinished'>

export function describeBrokerContract(
  name: string,
  makeWorld: () => Promise<BrokerWorld>,
  { concurrent = false, producer = true, reader = true }: ContractOptions = {},
): void {
  describe(`broker contract: ${name}`, { concurrent }, () => {
    let world: BrokerWorld
    beforeAll(async () => {
      world = await makeWorld()
    })
    afterAll(() => world.end())

    const given = async (
      wanted: number,
    ): Promise<{ topic: string; groupId: string; broker: Broker; partitions: number }> => {
      const topic = world.uniqueName('topic')
      const groupId = world.uniqueName('group')
      const partitions = world.partitions ?? wanted
      await world.createTopic(topic, partitions)
      return { topic, groupId, broker: world.broker(groupId), partitions }
    }

    const joined = async (
      test: Ending,
      broker: Broker,
      topic: string,
      change?: (member: Member) => void,
    ): Promise<Member> => {
      const member = await Member.join(broker, [topic], change)
      test.onTestFinished(() => member.leave())
      return member
    }

    describeConsumerContract()
    describeGroupContract()
    if (producer) describeProducerContract(() => world)
    if (reader) describeReaderContract(() => world)

    function describeConsumerContract(): void {
      it('counts partitions, and leaves out topics that do not exist, without creating them', async (test) => {
        const { topic, broker, partitions } = await given(3)
        const missing = world.uniqueName('missing')
        const consumer = broker.consumer()
        test.onTestFinished(() => consumer.disconnect())
        await consumer.connect()
        for (let i = 0; i < 2; i += 1) {
          expect(await consumer.partitionCounts([topic, missing])).toEqual(new Map([[topic, partitions]]))
        }
      })

      it('describes topics that exist; where ids are told, no two topics have the same', async (test) => {
        const { topic, broker, partitions } = await given(3)
        const other = await given(3)
        const missing = world.uniqueName('missing')
        const consumer = broker.consumer()
        test.onTestFinished(() => consumer.disconnect())
        await consumer.connect()
        const described = await consumer.describeTopics([topic, other.topic, missing])
        expect([...described].map(([name, each]) => [name, each.partitions]).sort()).toEqual(
          [topic, other.topic].sort().map((name) => [name, partitions]),
        )
        const ids = [...described.values()].map(({ id }) => id)
        expect(new Set(ids).size).toBe(world.has.topicIds ? 2 : 1)
        expect(ids.includes(null)).toBe(!world.has.topicIds)
        expect(await consumer.describeTopics([topic])).toEqual(new Map([[topic, described.get(topic)]]))
      })

      it('assigns all partitions to the only member, and hands over nothing before the answer', async (test) => {
        const { topic, broker, partitions } = await given(3)
        await world.append(topic, numbered(1, 5))
        const member = await joined(test, broker, topic, (m) => m.held.add('assign'))
        await until('an assign event', () => member.events.length === 1)
        const [event] = member.events
        expect(event).toMatchObject({ type: 'assign', lost: false })
        expect(event!.partitions.map((each) => each.partition).sort()).toEqual([...Array(partitions).keys()])
        await sleep(200)
        expect(member.records).toEqual([])
        expect(member.answer(event!)).toBe(true)
        await until('all records', () => member.records.length === 5)
      })

      it('begins at the position given: earliest, latest or a number', async (test) => {
        const { topic, broker } = await given(3)
        for (const partition of [0, 1, 2]) await world.append(topic, numbered(partition, 10, 'old'))
        const member = await joined(test, broker, topic, (m) => {
          m.start = ({ partition }) => (['earliest', 'latest', 7] as const)[partition] ?? 'latest'
        })
        await until('the end of partition 1', () => member.ends.some(({ partition }) => partition === 1))
        await world.append(topic, numbered(1, 2, 'new'))
        await until('all records', () => member.records.length === 10 + 2 + 3)
        expect(member.valuesOf(0)).toHaveLength(10)
        expect(member.valuesOf(1)).toEqual(['new0', 'new1'])
        expect(member.valuesOf(2)).toEqual(['old7', 'old8', 'old9'])
      })

      it('hands over each record once, in offset order, with key, value, headers and time as they are', async (test) => {
        const { topic, broker } = await given(2)
        await world.append(topic, [
          { topic, partition: 0, key: bytesOf('k'), value: bytesOf('v'), timestamp: 1_600_000_000_123 },
          { topic, partition: 0, key: null, value: null },
          { topic, partition: 0, key: new Uint8Array(0), value: new Uint8Array(0) },
          {
            topic,
            partition: 0,
            key: bytesOf('h'),
            value: bytesOf('v'),
            headers: [
              ['a', bytesOf('1')],
              ['a', bytesOf('2')],
              ['b', new Uint8Array(0)],
            ],
          },
        ])
        await world.append(topic, numbered(1, 2000))
        const member = await joined(test, broker, topic)
        await until('all records', () => member.records.length === 2004)
        expect(member.valuesOf(1)).toEqual(Array.from({ length: 2000 }, (_, i) => `v${i}`))
        const [plain, tombstone, empty, headed] = member.records.filter(({ partition }) => partition === 0)
        expect(plain).toMatchObject({ topic, partition: 0, offset: 0, timestamp: 1_600_000_000_123, headers: [] })
        expect([textOf(plain!.key), textOf(plain!.value)]).toEqual(['k', 'v'])
        expect([tombstone!.key, tombstone!.value]).toEqual([null, null])
        expect([empty!.key?.byteLength, empty!.value?.byteLength]).toEqual([0, 0])
        expect(headed!.headers.map(([header, value]) => [header, textOf(value)])).toEqual([
          ['a', '1'],
          ['a', '2'],
          ['b', ''],
        ])
      })

      it('takes at most what is asked for', async (test) => {
        const { topic, broker } = await given(1)
        await world.append(topic, numbered(0, 50))
        const member = await joined(test, broker, topic, (m) => (m.takes = 4))
        await until('all records', () => member.records.length === 50)
        expect(member.mostTaken).toBe(4)
      })

      it('takes nothing while nothing may be taken, however long, and then loses and repeats nothing', async (test) => {
        const { topic, broker } = await given(3)
        for (const partition of [0, 1, 2]) await world.append(topic, numbered(partition, 300))
        const member = await joined(test, broker, topic, (m) => (m.takes = 10))
        await until('some records', () => member.records.length > 0)
        member.takes = 0
        await member.nextPoll()
        const before = member.records.length
        await sleep(2500)
        expect(member.records.length).toBe(before)
        member.takes = 500
        await until('all records', () => member.records.length >= 900)
        await sleep(200)
        for (const partition of [0, 1, 2]) {
          expect(member.valuesOf(partition)).toEqual(Array.from({ length: 300 }, (_, i) => `v${i}`))
        }
      })

      it('pauses a partition and not the others, and goes on where it was', async (test) => {
        const { topic, broker } = await given(2)
        await world.append(topic, [...numbered(0, 100), ...numbered(1, 100)])
        const member = await joined(test, broker, topic, (m) => (m.takes = 5))
        await until('records of partition 0', () => member.valuesOf(0).length > 0)
        member.consumer.pause([{ topic, partition: 0 }])
        member.takes = 500
        await until('partition 1', () => member.valuesOf(1).length === 100)
        await sleep(300)
        const paused = member.valuesOf(0).length
        await world.append(topic, [...numbered(0, 1, 'late'), ...numbered(1, 1, 'late')])
        await until('the late record of partition 1', () => member.valuesOf(1).includes('late0'))
        await sleep(300)
        expect(member.valuesOf(0)).toHaveLength(paused)
        member.consumer.resume([{ topic, partition: 0 }])
        await until('partition 0', () => member.valuesOf(0).includes('late0'))
        expect(member.valuesOf(0)).toEqual([...Array.from({ length: 100 }, (_, i) => `v${i}`), 'late0'])
      })

      it('brings nothing of a partition that is paused in the turn of its assignment, until it is resumed', async (test) => {
        const { topic, broker } = await given(2)
        await world.append(topic, [...numbered(0, 5), ...numbered(1, 5)])
        const member = await joined(test, broker, topic, (m) => m.held.add('assign'))
        await until('an assign event', () => member.events.length === 1)
        expect(member.answer(member.events[0]!)).toBe(true)
        member.consumer.pause([{ topic, partition: 0 }])
        await until('partition 1', () => member.valuesOf(1).length === 5)
        await world.append(topic, numbered(1, 1, 'late'))
        await until('the late record of partition 1', () => member.valuesOf(1).includes('late0'))
        expect(member.valuesOf(0)).toEqual([])
        member.consumer.resume([{ topic, partition: 0 }])
        await until('partition 0', () => member.valuesOf(0).length === 5)
      })

      it('tells the end of a partition, empty ones too', async (test) => {
        const { topic, broker, partitions } = await given(2)
        await world.append(topic, numbered(0, 5))
        const member = await joined(test, broker, topic)
        await until('all ends', () => new Set(member.ends.map((end) => end.partition)).size === partitions)
        await until('partition 0 at 5', () => member.ends.some((end) => end.partition === 0 && end.position === 5))
        expect(member.ends.find((end) => end.partition === 1)).toMatchObject({ topic, position: 0 })
      })

      it('knows where a log begins and ends', async (test) => {
        const { topic, broker } = await given(1)
        await world.append(topic, numbered(0, 5))
        const member = await joined(test, broker, topic)
        expect(await member.consumer.watermarks({ topic, partition: 0 })).toEqual({ low: 0, high: 5 })
      })

      it('refuses a second poll while one is outstanding, and ends polls when it disconnects', async (test) => {
        const { topic, broker } = await given(1)
        const member = await joined(test, broker, topic)
        await until('the end', () => member.ends.length > 0)
        await member.stopPolling()
        const polling = member.consumer.poll(10, 30_000)
        await expect(member.consumer.poll(10, 0)).rejects.toMatchObject({ code: 'INTERNAL' })
        await Promise.all([member.consumer.disconnect(), member.consumer.disconnect()])
        expect(await polling).toEqual([])
        expect(await member.consumer.poll(10, 1000)).toEqual([])
        expect(member.consumer.isAssignmentLost()).toBe(false)
        expect(member.consumer.storePositions([{ topic, partition: 0, position: 1, metadata: '' }])).toHaveLength(1)
      })
    }

    function describeGroupContract(): void {
      it('commits stored positions with their metadata, and says so', async (test) => {
        const { topic, groupId, broker } = await given(2)
        await world.append(topic, numbered(0, 5))
        const member = await joined(test, broker, topic)
        await until('all records', () => member.records.length === 5)
        expect(member.storeAll('map of 0')).toEqual([])
        await until('an accepted commit', () => member.commits.some(({ result }) => result === 'accepted'))
        expect(member.commits[0]!.positions).toMatchObject([{ topic, partition: 0 }])
        const other = world.broker(groupId).consumer()
        test.onTestFinished(() => other.disconnect())
        await other.connect()
        const asked = [0, 1].map((partition) => ({ topic, partition }))
        expect(await other.committed(asked)).toEqual([
          { topic, partition: 0, position: 5, metadata: 'map of 0' },
          { topic, partition: 1, position: null, metadata: '' },
        ])
      })

      it('commits new metadata of a position that stands', async (test) => {
        const { topic, broker } = await given(1)
        await world.append(topic, numbered(0, 5))
        const member = await joined(test, broker, topic)
        await until('all records', () => member.records.length === 5)
        for (const metadata of ['one', 'two', 'three']) {
          const accepted = () => member.commits.filter(({ result }) => result === 'accepted').length
          const before = accepted()
          member.consumer.storePositions([{ topic, partition: 0, position: 2, metadata }])
          await until(`a commit of ${metadata}`, () => accepted() > before)
          expect(await member.consumer.committed([{ topic, partition: 0 }])).toEqual([
            { topic, partition: 0, position: 2, metadata },
          ])
        }
      })

      it('keeps 4,095 characters of 15 bits each as they are', async (test) => {
        const { topic, broker } = await given(1)
        await world.append(topic, numbered(0, 1))
        const member = await joined(test, broker, topic)
        await until('the record', () => member.records.length === 1)
        const wide = String.fromCharCode(...Array.from({ length: 4095 }, (_, i) => 0x100 + ((i * 7919) % 0x8000)))
        // One unit of the broker's 4,096 is the byte that the client adds.
        member.storeAll(wide)
        await until('a commit', () => member.commits.length > 0)
        expect(member.commits[0]!.result).toBe('accepted')
        const [committed] = await member.consumer.committed([{ topic, partition: 0 }])
        expect(committed!.metadata).toBe(wide)
      })

      it('commits what was stored when it leaves', async (test) => {
        const { topic, groupId, broker } = await given(1)
        await world.append(topic, numbered(0, 5))
        const first = await joined(test, broker, topic)
        await until('all records', () => first.records.length === 5)
        first.storeAll('left')
        await first.leave()
        const second = world.broker(groupId).consumer()
        test.onTestFinished(() => second.disconnect())
        await second.connect()
        expect(await second.committed([{ topic, partition: 0 }])).toEqual([
          { topic, partition: 0, position: 5, metadata: 'left' },
        ])
      })

      it('refuses positions of partitions that are not ours, and takes the others', async (test) => {
        const { topic, broker } = await given(2)
        await world.append(topic, numbered(0, 5))
        const member = await joined(test, broker, topic)
        await until('all records', () => member.records.length === 5)
        const foreign = { topic: world.uniqueName('foreign'), partition: 0, position: 1, metadata: '' }
        const ours = { topic, partition: 0, position: 3, metadata: '' }
        expect(member.consumer.storePositions([foreign, ours])).toMatchObject([{ topic: foreign.topic, partition: 0 }])
        await until('a commit', () => member.commits.length > 0)
        expect((await member.consumer.committed([{ topic, partition: 0 }]))[0]!.position).toBe(3)
      })

      it('hands partitions to a second member after the first gave them back, with what it stored meanwhile', async (test) => {
        const { topic, groupId, broker } = await given(4)
        for (let partition = 0; partition < 4; partition += 1) await world.append(topic, numbered(partition, 10))
        const first = await joined(test, broker, topic, (m) => m.held.add('revoke'))
        await until('all records', () => first.records.length === 40)
        const second = await joined(test, world.broker(groupId), topic, (m) => (m.start = () => 10))
        await until('a revoke', () => first.events.some(({ type }) => type === 'revoke'))
        const revoke = first.events.find(({ type }) => type === 'revoke')!
        expect(revoke.lost).toBe(false)
        if (world.has.incrementalRebalance) expect(revoke.partitions).toHaveLength(2)
        // A drain takes its time: nobody else may have the partitions before it ends.
        await sleep(500)
        expect(second.assigned.size).toBe(0)
        expect(first.storeAll('hold')).toEqual([])
        expect(first.answer(revoke)).toBe(true)
        const [gone] = revoke.partitions
        expect(first.consumer.storePositions([{ ...gone!, position: 1, metadata: 'late' }])).toEqual([gone])
        first.held.clear()
        await until('both members own half', () => first.assigned.size === 2 && second.assigned.size === 2)
        const names = [...first.assigned.keys(), ...second.assigned.keys()]
        expect(new Set(names).size).toBe(4)
        if (world.has.commitsInHold) {
          expect(await second.consumer.committed(revoke.partitions)).toEqual(
            revoke.partitions.map((each) => ({ ...each, position: 10, metadata: 'hold' })),
          )
        }
      })

      it('gives partitions back to the member that stays', async (test) => {
        const { topic, groupId, broker } = await given(4)
        const first = await joined(test, broker, topic)
        await until('all partitions', () => first.assigned.size === 4)
        const second = await joined(test, world.broker(groupId), topic)
        await until('both members own half', () => first.assigned.size === 2 && second.assigned.size === 2)
        await second.leave()
        await until('all partitions again', () => first.assigned.size === 4)
        await world.append(
          topic,
          [0, 1, 2, 3].flatMap((partition) => numbered(partition, 3)),
        )
        await until('all records', () => first.records.length === 12)
      })

      it('does nothing on an answer to an event that is not the newest, or is answered already', async (test) => {
        const { topic, broker } = await given(2)
        await world.append(topic, numbered(0, 3))
        const member = await joined(test, broker, topic)
        await until('all records', () => member.records.length === 3)
        const [event] = member.events
        const partitions = event!.partitions
        expect(member.consumer.assign(event!.id, [{ ...partitions[0]!, position: 'earliest' }])).toBe(false)
        expect(member.consumer.unassign(event!.id, partitions)).toBe(false)
        expect(member.consumer.unassign(event!.id - 1, partitions)).toBe(false)
        expect(member.consumer.assign(event!.id + 1, [])).toBe(false)
        await world.append(topic, numbered(0, 1, 'more'))
        await until('the record after', () => member.records.length === 4)
      })

      it('notices a rebalance while nothing may be taken', async (test) => {
        const { topic, groupId, broker } = await given(4)
        for (let partition = 0; partition < 4; partition += 1) await world.append(topic, numbered(partition, 100))
        const first = await joined(test, broker, topic, (m) => (m.takes = 3))
        await until('some records', () => first.records.length > 0)
        first.takes = 0
        first.onRevoke = () => void first.storeAll()
        await sleep(2500)
        const second = await joined(test, world.broker(groupId), topic)
        await until('both members own half', () => first.assigned.size === 2 && second.assigned.size === 2)
        first.takes = 500
        const complete = (member: Member, partition: number): boolean => member.valuesOf(partition).includes('v99')
        for (const { partition } of first.assigned.values()) {
          await until(`partition ${partition}`, () => complete(first, partition))
          // Where everything is revoked, what was taken before comes again from the start.
          const all = Array.from({ length: 100 }, (_, i) => `v${i}`)
          expect(first.valuesOf(partition).slice(-100)).toEqual(all)
          if (world.has.incrementalRebalance) expect(first.valuesOf(partition)).toEqual(all)
        }
      })

      it('brings records of a partition that comes back, though it was paused when it went away', async (test) => {
        const { topic, groupId, broker } = await given(4)
        const first = await joined(test, broker, topic)
        await until('all partitions', () => first.assigned.size === 4)
        first.consumer.pause([...first.assigned.values()])
        const second = await joined(test, world.broker(groupId), topic)
        await until('both members own half', () => first.assigned.size === 2 && second.assigned.size === 2)
        const moved = [...second.assigned.values()]
        await second.leave()
        await until('all partitions again', () => first.assigned.size === 4)
        for (const { partition } of moved) await world.append(topic, numbered(partition, 3))
        for (const { partition } of moved) await until('its records', () => first.valuesOf(partition).length === 3)
      })

      it('leaves with an event nobody answered', async (test) => {
        const { topic, groupId, broker, partitions } = await given(2)
        const first = await Member.join(broker, [topic], (m) => m.held.add('assign'))
        await until('an assign event', () => first.events.length === 1)
        await first.leave()
        const second = await Member.join(world.broker(groupId), [topic], (m) => m.held.add('revoke'))
        await until('all partitions', () => second.assigned.size === partitions)
        const third = await joined(test, world.broker(groupId), topic)
        await until('a revoke', () => second.events.some(({ type }) => type === 'revoke'))
        await second.leave()
        await until('all partitions again', () => third.assigned.size === partitions)
      })
    }
  })
}
