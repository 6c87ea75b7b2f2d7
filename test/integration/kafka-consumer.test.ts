/** What only a real Kafka has: logs that lose their beginning, members that are given up, limits, transactions. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import type { TestContext } from 'vitest'
import { createKafkaBroker } from '../../src/streams/kafka/broker.ts'
import type { KafkaBrokerOptions } from '../../src/streams/kafka/broker-options.ts'
import { Member, numbered, textOf, until } from '../contract/contract-world.ts'
import { KafkaProbe, uniqueName } from '../support/kafka-probe.ts'
import { bootstrapServers, kafkaIsAvailable, startKafka } from '../support/real-kafka.ts'
import { testOptions } from './kafka-world.ts'

/** The members of a test leave when it ends. */
type Ending = Pick<TestContext, 'onTestFinished'>

describe.skipIf(!kafkaIsAvailable)('consumer on real Kafka', { concurrent: true }, () => {
  const probe = new KafkaProbe(bootstrapServers)
  afterAll(() => probe.close())

  const given = async (
    partitions: number,
    config?: Record<string, string>,
  ): Promise<{ topic: string; groupId: string }> => {
    const topic = uniqueName('topic')
    await probe.createTopic(topic, partitions, config)
    return { topic, groupId: uniqueName('group') }
  }

  const join = async (
    test: Ending,
    topic: string,
    groupId: string,
    options: Partial<KafkaBrokerOptions> = {},
    change?: (member: Member) => void,
  ): Promise<Member> => {
    const broker = createKafkaBroker({ ...testOptions(bootstrapServers, groupId), ...options })
    const member = await Member.join(broker, [topic], change)
    test.onTestFinished(() => member.leave())
    return member
  }

  const append = (topic: string, partition: number, count: number, prefix?: string): Promise<void> =>
    probe.produceAll(
      topic,
      numbered(partition, count, prefix).map(({ value, key }) => ({ value, key, partition })),
    )

  const cutLog = async (topic: string, partition: number, low: number): Promise<void> => {
    const admin = await probe.admin()
    // kafkajs looks for the leader in what it knows already.
    await admin.fetchTopicOffsets(topic)
    await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(low) }] })
  }

  it('tells of a position that is not in the log, and of its partition', async (test) => {
    const { topic, groupId } = await given(2)
    for (const partition of [0, 1]) await append(topic, partition, 100)
    await cutLog(topic, 1, 50)
    const member = await join(test, topic, groupId, {}, (m) => (m.start = () => 10))
    await until('trouble', () => member.troubles.length > 0)
    expect(member.troubles[0]).toMatchObject({
      severity: 'fatal',
      code: 'OFFSET_OUT_OF_RANGE',
      partition: { topic, partition: 1 },
      message: expect.stringContaining('50 to 100') as string,
    })
    await until('the other partition', () => member.valuesOf(0).length === 90)
    expect(member.valuesOf(1)).toEqual([])
  })

  it('tells of it also when the log is cut while others bring records all the time', async (test) => {
    const { topic, groupId } = await given(2)
    await append(topic, 1, 2000)
    const member = await join(test, topic, groupId, { fetchMaxBytesPerPartition: 1000 }, (m) => (m.takes = 20))
    await until('records', () => member.valuesOf(1).length > 0)
    member.consumer.pause([{ topic, partition: 1 }])
    await cutLog(topic, 1, 1900)
    const ending = new AbortController()
    const busy = (async () => {
      while (!ending.signal.aborted) await append(topic, 0, 50).then(() => sleep(20))
    })()
    test.onTestFinished(async () => {
      ending.abort()
      await busy
    })
    await sleep(300)
    member.consumer.resume([{ topic, partition: 1 }])
    await until('trouble', () => member.troubles.length > 0)
    expect(member.troubles[0]).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE', partition: { topic, partition: 1 } })
  })

  it('passes markers and aborted records at the end of a log', async (test) => {
    const { topic, groupId } = await given(1)
    const producer = probe.kafka.producer({
      transactionalId: uniqueName('tx'),
      maxInFlightRequests: 1,
      idempotent: true,
    })
    await producer.connect()
    test.onTestFinished(() => producer.disconnect())
    for (const commits of [true, false]) {
      const transaction = await producer.transaction()
      await transaction.send({ topic, messages: [1, 2, 3].map((i) => ({ value: `${commits}${i}`, partition: 0 })) })
      await (commits ? transaction.commit() : transaction.abort())
    }
    const member = await join(test, topic, groupId)
    // Three records and a marker, three aborted records and a marker.
    await until('the end', () => member.ends.some(({ position }) => position === 8))
    expect(member.valuesOf(0)).toEqual(['true1', 'true2', 'true3'])
    expect(await member.consumer.watermarks({ topic, partition: 0 })).toEqual({ low: 0, high: 8 })
  })

  it('says which metadata is too long, commits the others, and its position without it', async (test) => {
    const { topic, groupId } = await given(3)
    for (const partition of [0, 1, 2]) await append(topic, partition, 5)
    const member = await join(test, topic, groupId)
    await until('all records', () => member.records.length === 15)
    const refused = member.consumer.storePositions([
      { topic, partition: 0, position: 1, metadata: 'x'.repeat(4095) },
      { topic, partition: 1, position: 2, metadata: 'x'.repeat(4096) },
      { topic, partition: 2, position: 3, metadata: 'short' },
    ])
    expect(refused).toEqual([])
    await until('reports on all', () => member.commits.flatMap(({ positions }) => positions).length >= 4)
    const resultOf = (partition: number): string[] =>
      member.commits.filter((r) => r.positions.some((p) => p.partition === partition)).map((r) => r.result)
    expect([resultOf(0), resultOf(1), resultOf(2)]).toEqual([['accepted'], ['too-large', 'accepted'], ['accepted']])
    const tooLarge = member.commits.find(({ result }) => result === 'too-large')
    expect(tooLarge?.positions.map(({ metadataLength }) => metadataLength)).toEqual([4096])
    const committed = await probe.committedOffsets(groupId, topic)
    expect(committed.map(({ position }) => position)).toEqual([1, 2, 3])
    // The client writes a NUL behind each metadata.
    expect(committed.map(({ metadata }) => metadata.length)).toEqual([4096, 1, 6])
  })

  it('commits the maps of many partitions, though all together they are too long for one commit', async (test) => {
    const { topic, groupId } = await given(300)
    const member = await join(test, topic, groupId)
    await until('all partitions', () => member.assigned.size === 300)
    const metadata = 'x'.repeat(4000)
    const partitions = [...member.assigned.values()]
    member.consumer.storePositions(partitions.map((each) => ({ ...each, position: 0, metadata })))
    await until('all committed', () => member.commits.flatMap(({ positions }) => positions).length === 300)
    expect(new Set(member.commits.map(({ result }) => result))).toEqual(new Set(['accepted']))
    const committed = await member.consumer.committed(partitions)
    expect(committed.filter((each) => each.position === 0 && each.metadata === metadata)).toHaveLength(300)
  })

  it.for(['classic', 'consumer'] as const)(
    'is given up when it does not poll, and knows (%s)',
    async (groupProtocol, test) => {
      const { topic, groupId } = await given(2)
      for (const partition of [0, 1]) await append(topic, partition, 5)
      const options = { groupProtocol, sessionTimeoutMs: 6000, maxPollIntervalMs: 6000 }
      const first = await join(test, topic, groupId, options)
      await until('all records', () => first.records.length === 10)
      await first.stopPolling()
      const second = await join(test, topic, groupId, options)
      await until('the other owns all', () => second.assigned.size === 2)
      await until('the first knows', () => first.consumer.isAssignmentLost())
      const positions = [0, 1].map((partition) => ({ topic, partition, position: 1, metadata: 'late' }))
      expect(first.consumer.storePositions(positions)).toHaveLength(2)
      await untilPolled(first, 'a revoke', () => first.events.at(-1)?.type === 'revoke')
      expect(first.events.at(-1)).toMatchObject({ lost: true })
      await first.consumer.disconnect()
      const committed = await second.consumer.committed([...second.assigned.values()])
      expect(committed.map(({ metadata }) => metadata)).toEqual(['', ''])
    },
  )

  it.for(['classic', 'consumer'] as const)(
    'keeps its partitions over a restart (static membership, %s)',
    async (groupProtocol, test) => {
      const { topic, groupId } = await given(4)
      const of = (groupInstanceId: string): Promise<Member> =>
        join(test, topic, groupId, { groupProtocol, groupInstanceId })
      const [first, other] = [await of('a'), await of('b')]
      await until('both members own half', () => first.assigned.size === 2 && other.assigned.size === 2)
      const before = other.events.length
      await first.leave()
      const again = await of('a')
      await until('its partitions', () => again.assigned.size === 2)
      expect([...again.assigned.keys()].sort()).toEqual([...first.assigned.keys()].sort())
      expect(other.events.length).toBe(before)
    },
  )

  it.for(['classic', 'consumer'] as const)(
    'ends one of two members with the same id (%s)',
    async (groupProtocol, test) => {
      const { topic, groupId } = await given(2)
      const of = (): Promise<Member> => join(test, topic, groupId, { groupProtocol, groupInstanceId: 'same' })
      const [older, newer] = [await of(), await of()]
      // The classic protocol fences the older one, the new protocol the newer one.
      const fenced = groupProtocol === 'classic' ? older : newer
      await until('trouble', () => fenced.troubles.length > 0)
      expect(fenced.troubles[0]).toMatchObject({ severity: 'fatal', code: 'FENCED' })
    },
  )

  // Case 6.
  it('ignores an answer to a revoke that a newer grant has overtaken (eager)', async (test) => {
    const { topic, groupId } = await given(2)
    const options = {
      assignmentStrategy: 'range' as const,
      client: { 'topic.metadata.refresh.interval.ms': 500 },
    }
    const first = await join(test, topic, groupId, options, (m) => m.held.add('revoke'))
    await until('all partitions', () => first.assigned.size === 2)
    await join(test, topic, groupId, options)
    await until('a revoke', () => first.events.at(-1)?.type === 'revoke')
    const revoke = first.events.at(-1)!
    // The client joins again because of the new partitions, without waiting for the answer.
    await (await probe.admin()).createPartitions({ topicPartitions: [{ topic, count: 4 }] })
    await until('a grant', () => first.events.at(-1)?.type === 'assign')
    expect(first.answer(revoke)).toBe(false)
    first.held.clear()
    for (let partition = 0; partition < 4; partition += 1) await append(topic, partition, 5)
    await until('its records', () => first.records.length >= 10)
    // The second member's join may take some of them away again.
    const granted = () => first.events.findLast(({ type }) => type === 'assign')!.partitions
    await until('its partitions', () => granted().every((each) => first.valuesOf(each.partition).length >= 5))
  })

  it('leaves when no broker answers, and the process may go on', async (test) => {
    const kafka = await startKafka()
    test.onTestFinished(() => kafka.stop())
    const own = new KafkaProbe(kafka.bootstrapServers)
    test.onTestFinished(() => own.close())
    const topic = uniqueName('topic')
    await own.createTopic(topic, 1)
    const options = testOptions(kafka.bootstrapServers, uniqueName('group'))
    const first = await Member.join(createKafkaBroker({ ...options, sessionTimeoutMs: 300_000 }), [topic])
    await until('the partition', () => first.assigned.size === 1)
    await kafka.brokers[0]!.kill()
    first.consumer.storePositions([{ topic, partition: 0, position: 0, metadata: 'late' }])
    // No broker comes back before it has.
    await first.leave()
    expect(first.consumer.storePositions([{ topic, partition: 0, position: 1, metadata: '' }])).toHaveLength(1)
    // What was stored is committed and the group is left once brokers are back, long before the session ends.
    await kafka.brokers[0]!.start()
    const second = await Member.join(createKafkaBroker(options), [topic])
    test.onTestFinished(() => second.leave())
    await until('the partition', () => second.assigned.size === 1)
    expect((await second.consumer.committed([{ topic, partition: 0 }]))[0]!.metadata).toBe('late')
  })

  it('reads compacted logs over their gaps', async (test) => {
    const { topic, groupId } = await given(1, {
      'cleanup.policy': 'compact',
      'segment.ms': '100',
      'min.cleanable.dirty.ratio': '0.01',
      'delete.retention.ms': '0',
    })
    for (let i = 0; i < 5; i += 1) {
      await probe.produceAll(topic, [{ key: 'same', value: `${i}`, partition: 0 }])
      await sleep(150)
    }
    const member = await join(test, topic, groupId)
    await until('the end', () => member.ends.some(({ position }) => position === 5))
    expect(textOf(member.records.at(-1)!.value)).toBe('4')
    expect(member.records.at(-1)!.offset).toBe(4)
  })
})

/** For one that does not poll by itself any more. */
async function untilPolled(member: Member, what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 120_000
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not so: ${what}`)
    await member.consumer.poll(10, 100)
  }
}
