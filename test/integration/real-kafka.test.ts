import { existsSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import Kafka from '@confluentinc/kafka-javascript'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  KafkaProbe,
  committedOffsets,
  createTopic,
  groupMembers,
  headerText,
  kafkaIsAvailable,
  produceAll,
  readAll,
  startKafka,
  uniqueName,
  bootstrapServers,
} from '../support/real-kafka.ts'
import type { KafkaCluster } from '../support/real-kafka.ts'

const records = (count: number, prefix = '') =>
  Array.from({ length: count }, (_, index) => ({ key: `key-${index % 50}`, value: `${prefix}${index}` }))

describe.skipIf(!kafkaIsAvailable)('one broker', () => {
  it('gives back what was produced: bytes, headers, nulls, and order within a partition', async () => {
    const topic = uniqueName('round-trip')
    await createTopic(topic, 4)
    await produceAll(topic, records(5000))
    const binary = Buffer.from([0xff, 0x00, 0xfe])
    await produceAll(topic, [
      { key: binary, value: null, partition: 2, timestamp: 1_700_000_000_000 },
      { value: binary, partition: 2, headers: [['source', 'test'], ['bytes', binary]] }, // prettier-ignore
    ])

    const read = await readAll(topic)
    expect(read).toHaveLength(5002)
    expect(new Set(read.map((each) => each.partition))).toEqual(new Set([0, 1, 2, 3]))
    for (const partition of [0, 1, 2, 3]) {
      const offsets = read.filter((each) => each.partition === partition).map((each) => each.offset)
      expect(offsets).toEqual(offsets.map((_, index) => index))
    }
    const [tombstone, last] = read.filter((each) => each.partition === 2).slice(-2)
    expect(tombstone).toMatchObject({ key: binary, value: null, timestamp: 1_700_000_000_000, headers: [] })
    expect(last).toMatchObject({ key: null, value: binary })
    expect(headerText(last!, 'source')).toBe('test')
    expect(last!.headers).toEqual([
      ['source', Buffer.from('test')],
      ['bytes', binary],
    ])
  })

  it('puts a key where Java clients put it', async () => {
    const topic = uniqueName('murmur2')
    await createTopic(topic, 12)
    // Hashes from Kafka's own test of its murmur2 (UtilsTest).
    const hashes = {
      '21': -973932308,
      foobar: -790332482,
      'a-little-bit-long-string': -985981536,
      'a-little-bit-longer-string': -1486304829,
      lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8: -58897971,
      abc: 479470107,
    }
    const expected = Object.fromEntries(Object.entries(hashes).map(([key, hash]) => [key, (hash & 0x7fffffff) % 12]))
    await produceAll(
      topic,
      Object.keys(hashes).map((key) => ({ key, value: key })),
    )
    const placed = (await readAll(topic)).map((each) => [each.key?.toString(), each.partition] as const)
    expect(Object.fromEntries(placed)).toEqual(expected)
  })

  it('reads over transaction markers and aborted records to the end', async () => {
    const topic = uniqueName('gaps')
    await createTopic(topic, 1)
    const probe = new KafkaProbe(bootstrapServers)
    const producer = probe.kafka.producer({ transactionalId: topic, idempotent: true, maxInFlightRequests: 1 })
    await producer.connect()
    for (const [value, commits] of [
      ['one', true],
      ['two', false],
      ['three', true],
      ['four', false],
    ] as const) {
      // prettier-ignore
      const transaction = await producer.transaction()
      await transaction.send({ topic, messages: [{ key: 'k', value }] })
      await (commits ? transaction.commit() : transaction.abort())
    }
    await producer.disconnect()
    await probe.close()
    const values = async (isolation: 'read_committed' | 'read_uncommitted') =>
      (await readAll(topic, { isolation })).map((each) => each.value?.toString())
    expect(await values('read_committed')).toEqual(['one', 'three'])
    expect(await values('read_uncommitted')).toEqual(['one', 'two', 'three', 'four'])
  })

  it('reads over what compaction has removed', async () => {
    const topic = uniqueName('compacted')
    await createTopic(topic, 1, {
      'cleanup.policy': 'compact',
      'segment.ms': '100',
      'min.cleanable.dirty.ratio': '0.01',
    })
    await produceAll(topic, records(500, 'old '))
    await produceAll(topic, records(500, 'new '))
    await sleep(150)
    await produceAll(topic, [{ key: 'last', value: 'last' }])
    const values = async () => (await readAll(topic)).map((each) => each.value?.toString())
    const survivors = records(500, 'new ').slice(-50)
    await expect.poll(values, { interval: 250 }).toEqual([...survivors.map((each) => each.value), 'last'])
  })

  it('reads a hundred thousand records within seconds', async () => {
    const topic = uniqueName('many')
    await createTopic(topic, 12)
    await produceAll(topic, records(100_000))
    expect(await readAll(topic)).toHaveLength(100_000)
  })

  it('waits until as many records are there as were asked for', async () => {
    const topic = uniqueName('waits')
    await createTopic(topic, 2)
    const reading = readAll(topic, { until: 200 })
    await produceAll(topic, records(100))
    await produceAll(topic, records(100))
    expect(await reading).toHaveLength(200)
    await expect(readAll(topic, { until: 201, timeoutMs: 300 })).rejects.toThrow('has 200 records, not 201')
  })

  it('tells what a group has committed and who is in it', async () => {
    const topic = uniqueName('group')
    const group = uniqueName('readers')
    await createTopic(topic, 3)
    expect(await committedOffsets(group, topic)).toEqual(
      [0, 1, 2].map((partition) => ({ partition, position: null, metadata: '' })),
    )
    expect(await groupMembers(group)).toEqual([])

    const probe = new KafkaProbe(bootstrapServers)
    const consumer = probe.kafka.consumer({ groupId: group, sessionTimeout: 60_000, heartbeatInterval: 500 })
    await consumer.connect()
    await consumer.subscribe({ topics: [topic] })
    const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve))
    await consumer.run({ autoCommit: false, eachMessage: async () => {} })
    await joined
    await consumer.commitOffsets([{ topic, partition: 1, offset: '7', metadata: 'a note' }])
    expect(await committedOffsets(group, topic)).toContainEqual({ partition: 1, position: 7, metadata: 'a note' })
    const members = await groupMembers(group)
    expect(members.map((each) => each.assignment)).toEqual([{ [topic]: [0, 1, 2] }])
    await consumer.disconnect()
    await probe.close()
  })
})

describe.skipIf(!kafkaIsAvailable)('a group of the newer protocol', () => {
  it('shows its members and what they own', async () => {
    const topic = uniqueName('newer')
    const group = uniqueName('newer-readers')
    await createTopic(topic, 3)
    const consumer = new Kafka.KafkaConsumer(
      {
        'bootstrap.servers': bootstrapServers,
        'client.id': 'newcomer',
        'group.id': group,
        'group.protocol': 'consumer',
      },
      {},
    )
    await new Promise((resolve, reject) => {
      consumer.connect({}, (error: { message: string } | null) => {
        if (error) reject(new Error(error.message))
        else resolve(undefined)
      })
    })
    consumer.subscribe([topic])
    consumer.consume()
    await expect
      .poll(() => groupMembers(group), { interval: 200 })
      .toMatchObject([{ clientId: 'newcomer', assignment: { [topic]: [0, 1, 2] } }])
    await new Promise((resolve) => consumer.disconnect(resolve))
  })
})

describe.skipIf(!kafkaIsAvailable)('three brokers', () => {
  let cluster: KafkaCluster
  let probe: KafkaProbe

  beforeAll(async () => {
    cluster = await startKafka({ brokers: 3 })
    probe = new KafkaProbe(cluster.bootstrapServers)
  })

  afterAll(async () => {
    await probe.close()
    await cluster.stop()
    expect(existsSync(cluster.folder)).toBe(false)
  })

  it('keeps every acknowledged record while one of them is killed and comes back', async () => {
    const topic = uniqueName('replicated')
    await probe.createTopic(topic, 6)
    await probe.produceAll(topic, records(1000, 'before '))
    const [, victim] = cluster.brokers
    const pid = victim!.pid
    await victim!.kill()
    expect(victim!.pid).toBeUndefined()
    await probe.produceAll(topic, records(1000, 'without '))
    expect(await probe.readAll(topic)).toHaveLength(2000)

    await victim!.start()
    expect(victim!.pid).not.toBe(pid)
    await probe.produceAll(topic, records(1000, 'after '))
    const values = (await probe.readAll(topic)).map((each) => each.value?.toString())
    const expected = ['before ', 'without ', 'after ']
      .flatMap((prefix) => records(1000, prefix))
      .map((each) => each.value)
    expect(new Set(values)).toEqual(new Set(expected))
    expect(values).toHaveLength(3000)
  })
})

describe.skipIf(!kafkaIsAvailable)('a broker with TLS and SCRAM', () => {
  let cluster: KafkaCluster
  beforeAll(async () => {
    cluster = await startKafka({ tls: true, sasl: [{ username: 'alice', password: 'wonderland' }] })
  })
  afterAll(() => cluster.stop())

  it('lets in who has the password and trusts the right authority, nobody else', async () => {
    const connect = async (caFile: string | undefined, password: string) => {
      const probe = new KafkaProbe(cluster.bootstrapServers, {
        ssl: { ca: [readFileSync(caFile!)] },
        sasl: { mechanism: 'scram-sha-512', username: 'alice', password },
        retry: { retries: 1 },
      })
      try {
        const topic = uniqueName('secret')
        await probe.createTopic(topic, 1)
        await probe.produceAll(topic, [{ value: 'told' }])
        return (await probe.readAll(topic)).length
      } finally {
        await probe.close().catch(() => {})
      }
    }
    expect(await connect(cluster.caFile, 'wonderland')).toBe(1)
    await expect(connect(cluster.caFile, 'looking-glass')).rejects.toThrow(/[Aa]uthentication/)
    await expect(connect(cluster.wrongCaFile, 'wonderland')).rejects.toThrow(/certificate|self.signed/i)
  })
})
