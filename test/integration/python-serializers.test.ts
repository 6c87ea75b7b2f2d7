/** What Python's Confluent serializers write and read, and we: by a registry that is not ours, and through Kafka. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { defineApp, defineHandler, done, startSupervisor, topic } from 'troupe'
import { avro } from 'troupe/avro'
import { silentLog } from '../../src/log.ts'
import { describePythonContract } from '../contract/python-serializers.ts'
import { oneOfEachKind } from '../contract/python-values.ts'
import { KafkaProbe, uniqueName } from '../support/kafka-probe.ts'
import { PythonPeer, pythonIsAvailable } from '../support/python-peer.ts'
import { bootstrapServers, kafkaIsAvailable } from '../support/real-kafka.ts'
import { registryIsAvailable, startRealRegistry } from '../support/real-registry.ts'

describe.skipIf(!pythonIsAvailable || !registryIsAvailable)("Python's Confluent serializers", () => {
  let registry: Awaited<ReturnType<typeof startRealRegistry>>
  beforeAll(async () => {
    registry = await startRealRegistry()
  })
  afterAll(() => registry.stop())

  describe('by a real registry', () => {
    describePythonContract(() => registry.url, oneOfEachKind())
  })

  const order = {
    type: 'record',
    name: 'com.acme.Order',
    fields: [
      { name: 'id', type: 'long' },
      { name: 'total', type: { type: 'bytes', logicalType: 'decimal', precision: 20, scale: 2 } },
      { name: 'at', type: { type: 'long', logicalType: 'timestamp-micros' } },
    ],
  } as const
  const doubled = { ...order, name: 'com.acme.Doubled' } as const

  test.skipIf(!kafkaIsAvailable)(
    'a producer in Python, an app of ours, a consumer in Python: through Kafka',
    async (it) => {
      const probe = new KafkaProbe(bootstrapServers)
      const [input, output] = [uniqueName('python-orders'), uniqueName('python-doubled')]
      for (const name of [input, output]) await probe.createTopic(name, 1)
      await probe.close()
      const peer = await PythonPeer.start(registry.url)
      it.onTestFinished(() => peer.stop())

      const time = 'datetime.datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=datetime.timezone.utc)'
      const record = (id: string, total: string): string => `{'id': ${id}, 'total': Decimal('${total}'), 'at': ${time}}`
      await peer.produce({
        ...{ brokers: bootstrapServers, topic: input, key: 'k', schema: JSON.stringify(order) },
        values: [record('9007199254740993', '-12.30'), record('-9223372036854775808', '90071992547409.93')],
      })

      const doubledOrders = topic(output, { value: avro(doubled) })
      const double = defineHandler({
        input: topic(input, { value: avro(order) }),
        outputs: [doubledOrders],
        handle: ({ at, id, total }) => {
          const cents = String(BigInt(total.replace('.', '')) * 2n)
          return done([doubledOrders.record({ id, total: cents.replace(/(..)$/, '.$1'), at }, { key: 'k' })])
        },
      })
      const app = defineApp({
        kafka: { brokers: bootstrapServers, groupId: input },
        schemaRegistry: { url: registry.url },
        registerSchemas: 'on-start',
        actors: [{ name: 'double', handler: double }],
        http: { port: 0 },
      })
      const supervisor = await startSupervisor(app, { log: silentLog })
      it.onTestFinished(() => supervisor.stop())

      const consumed = await peer.consume({ brokers: bootstrapServers, topic: output, group: output, count: 2 })
      expect(consumed).toEqual([
        record('9007199254740993', '-24.60'),
        record('-9223372036854775808', '180143985094819.86'),
      ])
    },
  )
})
