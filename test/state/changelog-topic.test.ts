import { describe, expect, test } from 'vitest'
import { silentLog } from '../../src/log.ts'
import { prepareChangelogs, type Changelog } from '../../src/state/changelog-topic.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { FakeAdmin } from '../support/fake-admin.ts'

const topic = 'shop-count-changelog'
const compact = new Map([['cleanup.policy', 'compact']])

class World {
  readonly admin = new FakeAdmin()
  readonly clock = new ManualClock()
  actors = [{ actor: 'count', input: 'orders' }]

  constructor() {
    this.admin.topics.set('orders', { id: 'o1', partitions: 4 })
  }

  /** The changelog is there. */
  have(partitions: number, settings: ReadonlyMap<string, string> = compact): this {
    this.admin.topics.set(topic, { id: 'c1', partitions })
    this.admin.settings.set(topic, settings)
    return this
  }

  async prepare(): Promise<ReadonlyMap<string, Changelog>> {
    const sizes = { maxRecordBytes: 1_000_000, batchBytes: 100_000 }
    const options = { groupId: 'shop', brokers: 'kafka:9092', ...sizes, clock: this.clock, log: silentLog }
    let isOver = false
    const prepared = prepareChangelogs(this.actors, { ...options, admin: this.admin }).finally(() => (isOver = true))
    prepared.catch(() => undefined)
    await this.clock.runUntil(() => isOver)
    return await prepared
  }
}

describe('a changelog', () => {
  test('that is missing is made, compacted, with as many partitions as the input', async () => {
    const world = new World()
    const made = await world.prepare()
    expect(world.admin.done).toEqual([`create ${topic}`])
    expect(world.admin.settings.get(topic)).toEqual(compact)
    expect(made.get('count')).toMatchObject({ topic, partitions: 4, id: `${topic}-id` })
  })

  test('that another process makes at the same moment is taken as it is', async () => {
    const world = new World()
    world.admin.onCreate = () => world.have(4)
    expect((await world.prepare()).get('count')).toMatchObject({ id: 'c1' })
    expect(world.admin.done).toEqual([])
  })

  test('that another has made, and committed beside, since it was looked for is taken as it is', async () => {
    const world = new World()
    world.admin.committedPositions = () => {
      // Not all brokers know of it at once.
      world.clock.after(500, () => world.have(4))
      return Promise.resolve([{ topic: 'orders', partition: 2, position: 41 }])
    }
    expect((await world.prepare()).get('count')).toMatchObject({ id: 'c1' })
    expect(world.admin.done).toEqual([])
  })

  test('that is missing while positions are committed is lost, and none is made in its place', async () => {
    const world = new World()
    world.admin.committed = [{ topic: 'orders', partition: 2, position: 41 }]
    await expect(world.prepare()).rejects.toMatchObject({
      code: 'CHANGELOG_LOST',
      message: expect.stringContaining('orders/2@41') as string,
    })
    expect(world.admin.done).toEqual([])
  })

  test('that is missing though there are positions, as of an app that has kept no state so far, is told with the ways to begin', async () => {
    const world = new World()
    world.admin.committed = [{ topic: 'orders', partition: 2, position: 41 }]
    await expect(world.prepare()).rejects.toThrow(
      /has kept no state so far, .*`troupe reset` handles the input again.*a new kafka\.groupId with startFrom latest/,
    )
  })

  test('that this user may not make is told with the command that makes it', async () => {
    const world = new World()
    world.admin.mayCreate = false
    await expect(world.prepare()).rejects.toMatchObject({
      code: 'TOPIC_NOT_ALLOWED',
      message: expect.stringContaining(
        `kafka-topics --bootstrap-server kafka:9092 --create --topic ${topic} --partitions 4 --config cleanup.policy=compact`,
      ) as string,
    })
  })

  test.each([3, 8])('of 4 partitions cannot belong to an input of %i', async (partitions) => {
    const world = new World().have(4)
    world.admin.topics.set('orders', { id: 'o1', partitions })
    await expect(world.prepare()).rejects.toMatchObject({
      code: 'CHANGELOG_UNFIT',
      message: expect.stringContaining(`orders has ${partitions} partitions`) as string,
    })
  })

  test.each(['delete', 'compact,delete'])('whose cleanup.policy is %s would lose state', async (policy) => {
    const world = new World().have(4, new Map([['cleanup.policy', policy]]))
    await expect(world.prepare()).rejects.toMatchObject({
      code: 'CHANGELOG_UNFIT',
      message: expect.stringContaining('--add-config cleanup.policy=compact') as string,
    })
  })

  test('tells how long deletions stay in it, and what it takes', async () => {
    const settings = new Map([...compact, ['delete.retention.ms', '60000'], ['max.message.bytes', '2097164']])
    const world = new World().have(4, settings)
    expect((await world.prepare()).get('count')).toMatchObject({
      deleteRetentionMs: 60_000,
      limit: { bytes: 999_900, setting: 'message.max.bytes in kafka.client' },
    })
  })

  test('that takes less than our own client does says so itself', async () => {
    const world = new World().have(4, new Map([...compact, ['max.message.bytes', '300000']]))
    expect((await world.prepare()).get('count')).toMatchObject({
      limit: { bytes: 299_900, setting: `max.message.bytes of topic ${topic}` },
    })
  })

  test('that would refuse batches of small records is refused, with both settings', async () => {
    const world = new World().have(4, new Map([...compact, ['max.message.bytes', '99999']]))
    await expect(world.prepare()).rejects.toMatchObject({
      code: 'CHANGELOG_UNFIT',
      message: expect.stringMatching(/99999 bytes .*max\.message\.bytes.*producer\.batchBytes is 100000/) as string,
    })
  })

  test('of brokers that do not tell settings is taken as it is, with what brokers have by default', async () => {
    const world = new World().have(4)
    world.admin.tellsSettings = false
    expect((await world.prepare()).get('count')).toMatchObject({ deleteRetentionMs: 86_400_000 })
  })

  test('that does not fit is told together with all others that do not', async () => {
    const world = new World().have(3)
    world.actors = [...world.actors, { actor: 'sum', input: 'payments' }]
    await expect(world.prepare()).rejects.toMatchObject({
      message: expect.stringMatching(/count.*; .*payments/) as string,
    })
  })
})
