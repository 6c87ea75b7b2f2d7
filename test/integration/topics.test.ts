/** Partitions that are added to a topic, and a topic that is made anew, under a member that goes on: on real Kafka. */
import { afterAll, describe, expect, test } from 'vitest'
import { defineHandler, done } from '../../src/actors/handlers/handler.ts'
import { systemClock } from '../../src/clock.ts'
import { silentLog } from '../../src/log.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import { resolveOptions } from '../../src/options/resolve.ts'
import { text } from '../../src/streams/flows/codec.ts'
import { topic } from '../../src/streams/flows/flow.ts'
import { createKafkaBroker } from '../../src/streams/kafka/broker.ts'
import { Engine } from '../../src/supervisor/engine.ts'
import { KafkaProbe, bootstrapServers, kafkaIsAvailable, uniqueName, type NewRecord } from '../support/real-kafka.ts'
import { testOptions } from './kafka-world.ts'

const SOON = { interval: 100, timeout: 60_000 }

describe.skipIf(!kafkaIsAvailable)('topics that change, on real Kafka', () => {
  const probe = new KafkaProbe(bootstrapServers)
  afterAll(() => probe.close())

  async function start(input: string, startFrom: 'earliest' | 'latest'): Promise<{ engine: Engine; seen: string[] }> {
    const seen: string[] = []
    const handler = defineHandler({
      input: topic(input, { value: text }),
      handle: (value) => {
        seen.push(value)
        return done()
      },
    })
    const app = resolveOptions({
      kafka: { brokers: bootstrapServers, groupId: input },
      actors: [{ name: 'count', handler, startFrom }],
    })
    const client = { 'topic.metadata.refresh.interval.ms': 1000 }
    const broker = createKafkaBroker({ ...testOptions(bootstrapServers, input), client })
    const stats = new EngineStats()
    const engine = await Engine.start({ app, broker, clock: systemClock, random: Math.random, log: silentLog, stats })
    await expect.poll(() => engine.status().partitions.length, SOON).toBeGreaterThan(0)
    return { engine, seen }
  }
  const numbered = (prefix: string, count: number, partition: number): NewRecord[] =>
    Array.from({ length: count }, (_, n) => ({ value: `${prefix}${n}`, partition }))
  const countOf = (seen: readonly string[], prefix: string): number =>
    new Set(seen.filter((value) => value.startsWith(prefix))).size

  test('startFrom: latest skips no record of a partition that is added', { timeout: 120_000 }, async () => {
    const input = uniqueName('added')
    await probe.createTopic(input, 1)
    await probe.produceAll(input, numbered('old', 3, 0))
    const { engine, seen } = await start(input, 'latest')
    await expect.poll(async () => (await probe.committedOffsets(input, input))[0]?.position, SOON).toBe(3)
    await (await probe.admin()).createPartitions({ topicPartitions: [{ topic: input, count: 2 }] })
    await probe.renewProducer()
    await expect.poll(() => probe.partitionsOf(input), SOON).toHaveLength(2)
    await probe.produceAll(input, numbered('added', 4, 1))
    await expect.poll(() => countOf(seen, 'added'), SOON).toBe(4)
    expect(countOf(seen, 'old')).toBe(0)
    await engine.stop()
  })

  test.each([
    { startFrom: 'earliest', records: 150 },
    { startFrom: 'latest', records: 150 },
    { startFrom: 'earliest', records: 50 },
  ] as const)(
    'a topic that is deleted and made again is read from its beginning ($startFrom, $records records)',
    { timeout: 180_000 },
    async ({ startFrom, records }) => {
      const input = uniqueName('anew')
      await probe.createTopic(input, 1)
      const { engine, seen } = await start(input, startFrom)
      await expect
        .poll(async () => {
          await probe.produceAll(input, numbered('old', 1, 0))
          return countOf(seen, 'old')
        }, SOON)
        .toBe(1)
      await probe.produceAll(input, numbered('old', 100, 0))
      await expect.poll(() => countOf(seen, 'old'), SOON).toBe(100)
      await (await probe.admin()).deleteTopics({ topics: [input] })
      await probe.createTopic(input, 1)
      await probe.renewProducer()
      await probe.produceAll(input, numbered('new', records, 0))
      await expect.poll(() => countOf(seen, 'new'), SOON).toBe(records)
      await engine.stop()
    },
  )
})
