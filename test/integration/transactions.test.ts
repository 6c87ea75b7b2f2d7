/** What only a real Kafka does to transactions: limits of topics and requests, members that are gone, rights. */
import { afterAll, describe, expect, test } from 'vitest'
import type { TestContext } from 'vitest'
import type { Broker } from '../../src/streams/broker.ts'
import { createKafkaBroker } from '../../src/streams/kafka/broker.ts'
import type { KafkaBrokerOptions } from '../../src/streams/kafka/broker-options.ts'
import type { OutputRecord } from '../../src/streams/record.ts'
import { TransactionError, type TransactionalProducer } from '../../src/streams/transaction-port.ts'
import { Member, bytesOf, textOf, until } from '../contract/contract-world.ts'
import { KafkaProbe, bootstrapServers, kafkaIsAvailable, uniqueName } from '../support/real-kafka.ts'
import { testOptions } from './kafka-world.ts'

const protocols = { classic: {}, 'KIP-848': { groupProtocol: 'consumer' } } as const satisfies Record<
  string,
  Partial<KafkaBrokerOptions>
>

describe.skipIf(!kafkaIsAvailable)('transactions on real Kafka', { concurrent: true }, () => {
  const probe = new KafkaProbe(bootstrapServers)
  afterAll(() => probe.close())

  type Finish = Pick<TestContext, 'onTestFinished'>

  const brokerOf = (group: string, options: Partial<KafkaBrokerOptions> = {}): Broker =>
    createKafkaBroker({ ...testOptions(bootstrapServers, group), ...options })

  const producerOf = async (on: Finish, broker: Broker, transactionalId: string): Promise<TransactionalProducer> => {
    const producer = broker.transactionalProducer({ transactionalId, transactionTimeoutMs: 15_000 })
    on.onTestFinished(() => producer.disconnect())
    await producer.connect()
    return producer
  }

  const topicOf = async (partitions: number, config: Record<string, string> = {}): Promise<string> => {
    const topic = uniqueName('topic')
    await probe.createTopic(topic, partitions, config)
    return topic
  }

  const joined = async (on: Finish, broker: Broker, topic: string, partitions: number): Promise<Member> => {
    const member = await Member.join(broker, [topic])
    on.onTestFinished(() => member.leave())
    await until('the assignment', () => member.assigned.size === partitions)
    return member
  }

  const record = (topic: string, value: string): OutputRecord => ({ topic, key: bytesOf('k'), value: bytesOf(value) })

  /** A commit is answered before all markers stand. */
  const valuesIn = async (topic: string, count: number): Promise<string[]> =>
    (await probe.readAll(topic, { until: count })).map(({ value }) => textOf(value))

  const faultOf = (step: Promise<unknown>): Promise<unknown> =>
    step.then(
      () => 'none',
      (error: unknown) => (error instanceof TransactionError ? error.fault : error),
    )

  test('of many records only those that are too large are named, and nothing is read of the trial', async (on) => {
    const topic = await topicOf(2, { 'max.message.bytes': '1000' })
    const producer = await producerOf(on, brokerOf(uniqueName('group')), uniqueName('id'))
    const outputs = Array.from({ length: 300 }, (_, i) => ({
      ...record(topic, i % 100 === 7 ? 'x'.repeat(2000 + i) : `v${i}`),
      key: bytesOf(`k${i}`),
    }))
    producer.begin()
    await producer.send(outputs)
    expect(await faultOf(producer.commit())).toBe('refused')
    await producer.abort()
    const results = await producer.tryRecords(outputs)
    expect(results.flatMap((result, i) => (result === null ? [] : [i]))).toEqual([7, 107, 207])
    expect(results[7]).toMatchObject({ code: 'RECORD_TOO_LARGE' })
    expect(await valuesIn(topic, 0)).toEqual([])
  })

  test('records that a topic takes alone and not in one batch go over in smaller ones', async (on) => {
    const topic = await topicOf(2, { 'max.message.bytes': '3000' })
    const producer = await producerOf(on, brokerOf(uniqueName('group')), uniqueName('id'))
    const outputs = Array.from({ length: 800 }, (_, i) => ({ ...record(topic, `v${i}`), key: bytesOf(`k${i}`) }))
    const faults: unknown[] = []
    for (;;) {
      producer.begin()
      await producer.send(outputs)
      const fault = await faultOf(producer.commit())
      if (fault === 'none') break
      faults.push(fault)
      await producer.abort()
      if (faults.length === 1) expect((await producer.tryRecords(outputs)).every((each) => each === null)).toBe(true)
      expect(producer.sendSmaller()).toBe(true)
      await producer.connect()
    }
    expect(new Set(faults)).toEqual(new Set(['refused']))
    expect(new Set(await valuesIn(topic, 800)).size).toBe(800)
  })

  test('a topic that is not there is refused at once, by its name', async (on) => {
    const topic = await topicOf(1)
    const missing = uniqueName('missing')
    const producer = await producerOf(on, brokerOf(uniqueName('group')), uniqueName('id'))
    const outputs = [record(topic, 'a'), record(missing, 'b')]
    producer.begin()
    await expect(producer.send(outputs)).rejects.toMatchObject({
      fault: 'refused',
      message: expect.stringContaining(missing) as string,
    })
    await producer.abort()
    expect(await producer.tryRecords(outputs)).toEqual([null, expect.objectContaining({ code: 'TOPIC_MISSING' })])
  })

  test('a quarter of a million records are one transaction, and the event loop turns meanwhile', async (on) => {
    const topic = await topicOf(4)
    const producer = await producerOf(on, brokerOf(uniqueName('group')), uniqueName('id'))
    const outputs = Array.from({ length: 250_000 }, (_, i) => ({ ...record(topic, `v${i}`), key: bytesOf(`k${i}`) }))
    let turns = 0
    let isSent = false
    const turn = (): void => {
      turns += 1
      if (!isSent) setImmediate(turn)
    }
    turn()
    producer.begin()
    await producer.send(outputs)
    isSent = true
    expect(turns).toBeGreaterThan(10)
    await producer.commit()
    // With one marker a partition.
    const total = async (): Promise<number> => (await probe.endOffsets(topic)).reduce((sum, end) => sum + end, 0)
    await on.expect.poll(total).toBe(250_000 + 4)
  })

  test.for(Object.entries(protocols))(
    'positions with long metadata, more than one request takes: %s',
    async ([, options], on) => {
      const topic = await topicOf(140)
      const group = uniqueName('group')
      const broker = brokerOf(group, options)
      const member = await joined(on, broker, topic, 140)
      const producer = await producerOf(on, broker, uniqueName('id'))
      const metadata = '\u4e00'.repeat(4000)
      const positions = Array.from({ length: 140 }, (_, partition) => ({
        topic,
        partition,
        position: partition,
        metadata,
      }))
      producer.begin()
      await producer.sendPositions(member.consumer, positions)
      await producer.commit()
      expect(await member.consumer.committed(positions)).toEqual(positions)
    },
  )

  test('metadata that the brokers do not keep is told apart', async (on) => {
    const topic = await topicOf(1)
    const broker = brokerOf(uniqueName('group'))
    const member = await joined(on, broker, topic, 1)
    const producer = await producerOf(on, broker, uniqueName('id'))
    producer.begin()
    const position = { topic, partition: 0, position: 1, metadata: 'x'.repeat(5000) }
    expect(await faultOf(producer.sendPositions(member.consumer, [position]))).toBe('metadata-too-long')
    await producer.abort()
    producer.begin()
    await producer.sendPositions(member.consumer, [{ ...position, metadata: 'short' }])
    await producer.commit()
    expect(await member.consumer.committed([position])).toMatchObject([{ position: 1, metadata: 'short' }])
  })

  test.for(Object.entries(protocols))(
    'a member that the group has given up commits nothing, though the brokers would take it: %s',
    async ([, options], on) => {
      const topic = await topicOf(1)
      const group = uniqueName('group')
      const broker = brokerOf(group, { ...options, maxPollIntervalMs: 6000, sessionTimeoutMs: 6000 })
      const member = await joined(on, broker, topic, 1)
      const producer = await producerOf(on, broker, uniqueName('id'))
      await member.stopPolling()
      await until('the loss', () => member.consumer.isAssignmentLost())
      producer.begin()
      await producer.send([record(await topicOf(1), 'lost')])
      const position = { topic, partition: 0, position: 7, metadata: '' }
      expect(await faultOf(producer.sendPositions(member.consumer, [position]))).toBe('not-a-member')
      await producer.abort()
      expect(await probe.committedOffsets(group, topic)).toMatchObject([{ position: null }])
    },
  )

  test('who takes the id ends what its predecessor left open, which is fenced until it connects again', async (on) => {
    const topic = await topicOf(1)
    const transactionalId = uniqueName('id')
    const broker = brokerOf(uniqueName('group'))
    const first = await producerOf(on, broker, transactionalId)
    first.begin()
    await first.send([record(topic, 'first')])
    const second = await producerOf(on, broker, transactionalId)
    expect(await faultOf(first.commit())).toBe('fenced')
    second.begin()
    await second.send([record(topic, 'second')])
    await second.commit()
    await first.connect()
    first.begin()
    await first.send([record(topic, 'again')])
    await first.commit()
    expect(await valuesIn(topic, 2)).toEqual(['second', 'again'])
  })

  test('what is committed is told once an open transaction with positions has ended', async (on) => {
    const topic = await topicOf(1)
    const broker = brokerOf(uniqueName('group'))
    const member = await joined(on, broker, topic, 1)
    const transactionalId = uniqueName('id')
    const left = await producerOf(on, broker, transactionalId)
    const position = { topic, partition: 0, position: 3, metadata: 'm' }
    left.begin()
    await left.sendPositions(member.consumer, [position])
    const asked = member.consumer.committed([position])
    const early = await Promise.race([asked, new Promise((resolve) => setTimeout(resolve, 1000, 'open'))])
    expect(early).toBe('open')
    await left.commit()
    expect(await asked).toEqual([position])
  })
})
