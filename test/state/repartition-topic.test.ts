import { describe, expect, test } from 'vitest'
import { silentLog } from '../../src/log.ts'
import { prepareRepartitions, type Repartition } from '../../src/state/repartition-topic.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { FakeAdmin } from '../support/fake-admin.ts'

const topic = 'shop-sales-repartition'
const kept = { 'cleanup.policy': 'delete', 'retention.ms': '-1', 'retention.bytes': '-1' }

class World {
  readonly admin = new FakeAdmin()
  readonly clock = new ManualClock()

  constructor() {
    this.admin.topics.set('orders', { id: 'o1', partitions: 4 })
  }

  /** The topic is there. */
  have(partitions: number, settings: Readonly<Record<string, string>> = kept): this {
    this.admin.topics.set(topic, { id: 'r1', partitions })
    this.admin.settings.set(topic, new Map(Object.entries(settings)))
    return this
  }

  async prepare(): Promise<ReadonlyMap<string, Repartition>> {
    const { admin, clock } = this
    const options = { admin, groupId: 'shop', brokers: 'kafka:9092', clock, log: silentLog }
    let isOver = false
    const prepared = prepareRepartitions([{ actor: 'sales', input: 'orders', topic }], options).finally(
      () => (isOver = true),
    )
    prepared.catch(() => undefined)
    await this.clock.runUntil(() => isOver)
    return await prepared
  }
}

describe('a repartition topic', () => {
  test('that is missing is made, with as many partitions as the input, and no record goes by its age', async () => {
    const world = new World()
    const made = await world.prepare()
    expect(world.admin.done).toEqual([`create ${topic}`])
    expect(world.admin.settings.get(topic)).toEqual(new Map(Object.entries(kept)))
    expect(made.get('sales')).toMatchObject({ topic, partitions: 4, sources: 4 })
  })

  test('that is there may have partitions of its own number', async () => {
    expect((await new World().have(7).prepare()).get('sales')).toMatchObject({ partitions: 7, sources: 4 })
  })

  test('that is missing while positions are committed has lost records, and none is made in its place', async () => {
    const world = new World()
    world.admin.committed = [{ topic: 'orders', partition: 2, position: 41 }]
    await expect(world.prepare()).rejects.toMatchObject({ code: 'REPARTITION_UNFIT' })
    expect(world.admin.done).toEqual([])
  })

  test('that another has made, and committed beside, since it was looked for is taken as it is', async () => {
    const world = new World()
    world.admin.committedPositions = () => {
      world.clock.after(500, () => world.have(4))
      return Promise.resolve([{ topic: 'orders', partition: 2, position: 41 }])
    }
    expect((await world.prepare()).get('sales')).toMatchObject({ partitions: 4 })
  })

  test('that this user may not make is told with the command that makes it', async () => {
    const world = new World()
    world.admin.mayCreate = false
    await expect(world.prepare()).rejects.toThrow(
      /kafka-topics --bootstrap-server kafka:9092 --create --topic shop-sales-repartition --partitions 4 --config cleanup\.policy=delete --config retention\.ms=-1/,
    )
  })

  test.each([
    ['cleanup.policy', 'compact'],
    ['retention.ms', '604800000'],
    ['retention.bytes', '1000000'],
  ])('whose %s is %s would lose records, and is refused with the command that mends it', async (name, value) => {
    const world = new World().have(4, { ...kept, [name]: value })
    const wanted = (kept as Readonly<Record<string, string>>)[name] ?? ''
    await expect(world.prepare()).rejects.toMatchObject({
      code: 'REPARTITION_UNFIT',
      message: expect.stringContaining(`--add-config ${name}=${wanted}`) as string,
    })
  })

  test('of brokers that do not tell its settings is taken as it is', async () => {
    const world = new World().have(4)
    world.admin.tellsSettings = false
    expect((await world.prepare()).size).toBe(1)
  })
})
