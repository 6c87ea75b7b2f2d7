/** What starts and commands rely on of topics and groups, as an operator sees them: on the fake broker and on real Kafka. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TestContext } from 'vitest'
import type { BrokerAdmin, NewTopic } from '../../src/streams/admin-port.ts'
import type { BrokerWorld } from './contract-world.ts'
import { Member, numbered, until } from './contract-world.ts'

type Ending = Pick<TestContext, 'onTestFinished'>

export function describeAdminContract(
  name: string,
  makeWorld: () => Promise<BrokerWorld>,
  { concurrent = false }: { readonly concurrent?: boolean } = {},
): void {
  describe(`admin contract: ${name}`, { concurrent }, () => {
    let world: BrokerWorld
    beforeAll(async () => {
      world = await makeWorld()
    })
    afterAll(() => world.end())

    const connected = async (test: Ending, groupId = world.uniqueName('group')): Promise<BrokerAdmin> => {
      const admin = world.broker(groupId).admin()
      test.onTestFinished(() => admin.disconnect())
      await admin.connect()
      return admin
    }

    /** A group with one member, which has committed 3 in partition 0 of two topics each. */
    const givenGroup = async (
      test: Ending,
    ): Promise<{ groupId: string; topics: readonly [string, string]; member: Member; admin: BrokerAdmin }> => {
      const groupId = world.uniqueName('group')
      const topics = [world.uniqueName('one'), world.uniqueName('other')] as const
      for (const topic of topics) {
        await world.createTopic(topic, 2)
        await world.append(topic, numbered(0, 3))
      }
      const member = await Member.join(world.broker(groupId), topics)
      test.onTestFinished(() => member.leave())
      await until('all records', () => member.records.length === 6)
      member.storeAll('map')
      const committed = (): Set<string> =>
        new Set(
          member.commits
            .filter(({ result }) => result === 'accepted')
            .flatMap(({ positions }) => positions.map(({ topic }) => topic)),
        )
      await until('commits of both topics', () => committed().size === 2)
      return { groupId, topics, member, admin: await connected(test, groupId) }
    }

    it('makes a topic with its partitions and settings, once', async (test) => {
      const admin = await connected(test)
      const wanted: NewTopic = {
        topic: world.uniqueName('changelog'),
        partitions: 3,
        settings: { 'cleanup.policy': 'compact', 'delete.retention.ms': '123456' },
      }
      expect(await admin.createTopic(wanted)).toBe(true)
      expect(await admin.createTopic({ ...wanted, partitions: 5 })).toBe(false)
      await untilThere(admin, wanted.topic)
      const described = await admin.describeTopics([wanted.topic, world.uniqueName('missing')])
      expect([...described].map(([topic, { partitions }]) => [topic, partitions])).toEqual([[wanted.topic, 3]])
      expect(await admin.topicSettings(wanted.topic, ['cleanup.policy', 'delete.retention.ms'])).toEqual(
        new Map([
          ['cleanup.policy', 'compact'],
          ['delete.retention.ms', '123456'],
        ]),
      )
    })

    it('tells the settings that nobody has set as the brokers have them', async (test) => {
      const admin = await connected(test)
      const topic = world.uniqueName('plain')
      await world.createTopic(topic, 1)
      expect(await admin.topicSettings(topic, ['cleanup.policy'])).toEqual(new Map([['cleanup.policy', 'delete']]))
    })

    it('deletes topics, those that are not there as well; one made again under the name is another', async (test) => {
      const admin = await connected(test)
      const topic = world.uniqueName('changelog')
      const missing = world.uniqueName('missing')
      await admin.createTopic({ topic, partitions: 1, settings: {} })
      await untilThere(admin, topic)
      const before = (await admin.describeTopics([topic])).get(topic)!.id
      await admin.deleteTopics([missing, topic])
      expect(await admin.describeTopics([topic])).toEqual(new Map())
      await admin.deleteTopics([topic])
      // The brokers may take a while until the name is free.
      const deadline = Date.now() + 60_000
      while (!(await admin.createTopic({ topic, partitions: 2, settings: {} })) && Date.now() < deadline)
        await sleep(50)
      await untilThere(admin, topic)
      const after = (await admin.describeTopics([topic])).get(topic)!
      expect(after.partitions).toBe(2)
      expect(after.id).not.toBeNull()
      expect(after.id).not.toBe(before)
    })

    it('names the members of a group that live, and nobody of one that is empty or unknown', async (test) => {
      const { groupId, member, admin } = await givenGroup(test)
      expect(await admin.groupMembers(groupId)).toHaveLength(1)
      expect(await admin.groupMembers(world.uniqueName('unknown'))).toEqual([])
      await member.leave()
      expect(await admin.groupMembers(groupId)).toEqual([])
    })

    it('tells what a group has committed in the topics that are asked for', async (test) => {
      const { groupId, topics, admin } = await givenGroup(test)
      const [topic] = topics
      expect(await admin.committedPositions(groupId, [topic])).toEqual([{ topic, partition: 0, position: 3 }])
      const all = await admin.committedPositions(groupId, topics)
      expect(all.map((each) => each.topic).sort()).toEqual([...topics].sort())
      expect(await admin.committedPositions(groupId, [world.uniqueName('missing')])).toEqual([])
      expect(await admin.committedPositions(world.uniqueName('unknown'), topics)).toEqual([])
    })

    it('forgets what a group has committed, and refuses to while members live', async (test) => {
      const { groupId, topics, member, admin } = await givenGroup(test)
      await expect(admin.deleteGroup(groupId)).rejects.toThrow()
      expect(await admin.committedPositions(groupId, topics)).toHaveLength(2)
      await member.leave()
      await admin.deleteGroup(groupId)
      expect(await admin.committedPositions(groupId, topics)).toEqual([])
      await admin.deleteGroup(groupId)
    })

    it('answers nothing any more once it is disconnected, which it takes twice', async (test) => {
      const admin = await connected(test)
      await Promise.all([admin.disconnect(), admin.disconnect()])
      await expect(admin.describeTopics([world.uniqueName('any')])).rejects.toMatchObject({
        code: 'BROKER_UNREACHABLE',
      })
      const unused = world.broker(world.uniqueName('group')).admin()
      await unused.disconnect()
    })
  })
}

/** Brokers hear of a new topic one after the other. */
async function untilThere(admin: BrokerAdmin, topic: string): Promise<void> {
  const deadline = Date.now() + 60_000
  while (!(await admin.describeTopics([topic])).has(topic)) {
    if (Date.now() > deadline) throw new Error(`${topic} is not there after a minute`)
    await sleep(20)
  }
}
