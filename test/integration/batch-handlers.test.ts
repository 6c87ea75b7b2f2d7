/** A batch handler on real Kafka, with the engine in this process. */
import { afterAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { defineBatchHandler, done, retry, text, topic } from '../../src/index.ts'
import { silentLog } from '../../src/log.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import { resolveOptions } from '../../src/options/resolve.ts'
import { createKafkaBroker } from '../../src/streams/kafka/broker.ts'
import { Engine } from '../../src/supervisor/engine.ts'
import { bootstrapServers, headerText, kafkaIsAvailable, KafkaProbe, uniqueName } from '../support/real-kafka.ts'
import { testOptions } from './kafka-world.ts'

describe.skipIf(!kafkaIsAvailable)('a batch handler', () => {
  const probe = new KafkaProbe(bootstrapServers)
  afterAll(() => probe.close())

  test('copies each record once, in the order of its key, and dead-letters the one that spoils its calls', async () => {
    const name = uniqueName('calls')
    const [input, output] = [topic(`${name}-in`, { value: text }), topic(`${name}-out`, { value: text })]
    const deadLetter = `${name}-dlq`
    await Promise.all([
      probe.createTopic(input.name, 3),
      probe.createTopic(output.name, 1),
      probe.createTopic(deadLetter, 1),
    ])
    const producer = await probe.producer()
    const messages = Array.from({ length: 1_000 }, (_, at) => ({
      key: `k${at % 37}`,
      value: at === 500 ? 'poison' : String(at),
    }))
    await producer.send({ topic: input.name, acks: -1, messages })
    const sizes: number[] = []
    const handler = defineBatchHandler({
      input,
      outputs: [output],
      maxRecords: 50,
      async handle(records) {
        sizes.push(records.length)
        await new Promise((resolve) => setTimeout(resolve, 5))
        if (records.some(({ value }) => value === 'poison')) throw new Error('poisoned')
        return records.map(({ attempt, key, value }) =>
          Number(value) % 100 === 7 && attempt === 1 ? retry(5) : done([output.record(value, { key })]),
        )
      },
    })
    const engine = await Engine.start({
      app: resolveOptions({
        kafka: { brokers: bootstrapServers, groupId: name },
        actors: [{ name: 'copy', handler, deadLetter, retry: { attempts: 2, backoffMs: 5 } }],
      }),
      broker: createKafkaBroker(testOptions(bootstrapServers, name)),
      clock: systemClock,
      random: Math.random,
      log: silentLog,
      stats: new EngineStats(),
    })
    const committed = async (): Promise<number> =>
      (await probe.committedOffsets(name, input.name)).reduce((sum, { position }) => sum + Number(position), 0)
    await expect.poll(committed, { interval: 100, timeout: 40_000 }).toBe(1_000)
    await engine.stop()
    const copies = (await probe.readAll(output.name)).map(({ value }) => Number(String(value)))
    expect([...copies].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 1_000 }, (_, at) => at).filter((at) => at !== 500),
    )
    for (let key = 0; key < 37; key += 1) {
      const own = copies.filter((at) => at % 37 === key)
      expect(own).toEqual([...own].sort((a, b) => a - b))
    }
    const letters = await probe.readAll(deadLetter)
    expect(letters.map((letter) => [String(letter.value), headerText(letter, 'troupe.attempts')])).toEqual([
      ['poison', '2'],
    ])
    expect(Math.max(...sizes)).toBe(50)
  })
})
