import { describe, expect, test } from 'vitest'
import { isTroupeError } from '../../src/errors.ts'
import { resolveProducerOptions } from '../../src/options/own-producer.ts'

const smallest = { kafka: { brokers: ['localhost:9092'] } }

function problemsOf(given: unknown, env?: Record<string, string>): string {
  try {
    resolveProducerOptions(given, env)
  } catch (error) {
    if (isTroupeError(error) && error.code === 'OPTIONS_INVALID') return error.message
    throw error
  }
  throw new Error('accepted')
}

describe('startProducer', () => {
  test('needs brokers alone; the rest is the safe way', () => {
    const { schemaRegistry, ...writing } = resolveProducerOptions(smallest)
    expect(schemaRegistry.url).toEqual([])
    expect(writing).toEqual({
      registerSchemas: 'never',
      kafka: { brokers: ['localhost:9092'], clientId: 'troupe', connectTimeoutMs: 15_000, client: {} },
      producer: {
        acks: 'all',
        lingerMs: 0,
        batchBytes: 1_000_000,
        compression: 'none',
        retries: 'unlimited',
        partitioner: 'murmur2_random',
      },
      maxPendingRecords: 10_000,
      maxPendingBytes: 33_554_432,
      deliveryTimeoutMs: 120_000,
      drainTimeoutMs: 30_000,
    })
    expect(problemsOf({})).toContain('kafka.brokers: is required')
  })

  test('takes kafka as an app has it, and a group is of no account', () => {
    const kafka = { brokers: 'a:1', groupId: 'g', groupProtocol: 'consumer', maxPollIntervalMs: 5, clientId: 'shop' }
    expect(resolveProducerOptions({ kafka }).kafka).toMatchObject({ brokers: ['a:1'], clientId: 'shop' })
  })

  test('takes a number of retries, 0 too, which an app does not', () => {
    expect(resolveProducerOptions({ ...smallest, producer: { retries: 0 } }).producer.retries).toBe(0)
    expect(resolveProducerOptions(smallest, { TROUPE_PRODUCER_RETRIES: '3' }).producer.retries).toBe(3)
  })

  test('tells all that is wrong at once: a misspelt name, fewer acks, a key of the engine, one said twice', () => {
    const told = problemsOf({
      kafka: { ...smallest.kafka, client: { acks: 1, 'linger.ms': 5 } },
      producer: { acks: 1, lingerMs: 5, compresion: 'lz4' },
      maxPendingRecrods: 5,
    })
    expect(told).toMatch(/^startProducer: 5 options are wrong:\n/)
    expect(told).toContain('producer.acks: 1 is not all, the only choice: with fewer,')
    expect(told).toContain('did you mean producer.compression?')
    expect(told).toContain('did you mean maxPendingRecords?')
    expect(told).toContain('kafka.client: the key acks belongs to the engine')
    expect(told).toContain('kafka.client: the key linger.ms and producer.lingerMs say the same; set one of them')
    expect(problemsOf('localhost:9092')).toContain('startProducer takes an object of options')
  })
})
