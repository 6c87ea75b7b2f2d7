/** Records near the broker's limit, with nothing set but a dead-letter topic: on real Kafka, with the engine in this process. */
import { randomBytes } from 'node:crypto'
import { CompressionTypes } from 'kafkajs'
import { afterAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { TerminalError, bytes, defineHandler, done, topic } from '../../src/index.ts'
import { silentLog } from '../../src/log.ts'
import { EngineStats } from '../../src/metrics/stats.ts'
import { resolveOptions } from '../../src/options/resolve.ts'
import { createKafkaBroker } from '../../src/streams/kafka/broker.ts'
import { Engine } from '../../src/supervisor/engine.ts'
import { bootstrapServers, headerText, kafkaIsAvailable, KafkaProbe, uniqueName } from '../support/real-kafka.ts'
import { testOptions } from './kafka-world.ts'

/** What `max.message.bytes` is unless somebody sets it. */
const LIMIT = 1_048_588

describe.skipIf(!kafkaIsAvailable)('a record near the limit of the broker', () => {
  const probe = new KafkaProbe(bootstrapServers)
  afterAll(() => probe.close())

  /** Puts the record in and a small one behind it, and runs until both are behind the position. */
  async function handle(key: 'copy' | 'fail', value: Buffer, compression = CompressionTypes.None) {
    const name = uniqueName('large')
    const [input, output] = [topic(`${name}-in`, { value: bytes }), topic(`${name}-out`, { value: bytes })]
    const deadLetter = `${name}-dlq`
    await Promise.all([input.name, output.name, deadLetter].map((each) => probe.createTopic(each, 1)))
    const producer = await probe.producer()
    const headers = { trace: Buffer.from('1') }
    await producer.send({ topic: input.name, acks: -1, compression, messages: [{ key, value, headers }] })
    await producer.send({ topic: input.name, acks: -1, messages: [{ key: 'copy', value: 'small' }] })
    const handler = defineHandler({
      input,
      outputs: [output],
      handle(copied, { record }) {
        if (String(record.key) === 'fail') throw new TerminalError('is bad')
        return done([output.record(copied)])
      },
    })
    const app = resolveOptions({
      kafka: { brokers: bootstrapServers, groupId: name },
      actors: [{ name: 'copy', handler, deadLetter }],
    })
    const engine = await Engine.start({
      app,
      broker: createKafkaBroker(testOptions(bootstrapServers, name)),
      clock: systemClock,
      random: Math.random,
      log: silentLog,
      stats: new EngineStats(),
    })
    const committed = async (): Promise<unknown> => (await probe.committedOffsets(name, input.name))[0]?.position
    await expect.poll(committed, { interval: 100, timeout: 40_000 }).toBe(2)
    await engine.stop()
    return { letters: await probe.readAll(deadLetter), copies: await probe.readAll(output.name) }
  }

  test('is copied, if the broker takes it', async () => {
    const value = randomBytes(1_020_000)
    const { copies, letters } = await handle('copy', value)
    expect(letters).toEqual([])
    expect(copies.map((copy) => copy.value?.equals(value))).toEqual([true, false])
  })

  test.each([
    ['of 1,020,000 bytes', () => randomBytes(1_020_000), CompressionTypes.None, 'is bad'],
    ['of 5 MB that gzip made small', manyLines, CompressionTypes.GZIP, 'is bad'],
    // The protocol adds some 90 bytes to it; for ours there is no room.
    ['that fills its batch to the last byte', () => randomBytes(LIMIT - 100), CompressionTypes.None, undefined],
  ])('%s is dead-lettered as it came, and its partition goes on', async (_, make, compression, why) => {
    const value = make()
    const { copies, letters } = await handle('fail', value, compression)
    expect(copies.map((copy) => String(copy.value))).toEqual(['small'])
    expect(letters).toHaveLength(1)
    const [letter] = letters
    expect(String(letter?.key)).toBe('fail')
    expect(letter?.value?.equals(value)).toBe(true)
    expect(letter?.headers.slice(0, 1)).toEqual([['trace', Buffer.from('1')]])
    expect(letter && headerText(letter, 'troupe.error-message')).toBe(why)
  })

  test('of 5 MB whose copy is too large is dead-lettered, with who refused it and what to do', async () => {
    const { letters } = await handle('copy', manyLines(), CompressionTypes.GZIP)
    expect(letters).toHaveLength(1)
    const [letter] = letters
    expect(letter && headerText(letter, 'troupe.error-message')).toMatch(/5\d{6} bytes.*producer\.compression/)
  })
})

function manyLines(): Buffer {
  return Buffer.from(
    Array.from({ length: 120_000 }, (_, n) => `{"n":${n},"text":"one more, and still another"}`).join('\n'),
  )
}
