import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { Kafka, logLevel } from 'kafkajs'
import { afterEach, describe, expect, it } from 'vitest'
import { startProducer, topic } from '../../src/index.ts'
import { EMBEDDED_PARTITIONS, startEmbeddedBroker, type EmbeddedBroker } from '../../src/embedded/embedded.ts'

const running: EmbeddedBroker[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((broker) => broker.stop()))
})

async function startBroker(brokers?: number): Promise<EmbeddedBroker> {
  const broker = await startEmbeddedBroker(brokers === undefined ? {} : { brokers })
  running.push(broker)
  return broker
}

describe('the embedded broker', () => {
  it('takes records and gives them to a group, with a client that is not ours', async () => {
    const broker = await startBroker()
    const kafka = new Kafka({ brokers: [broker.bootstrapServers], logLevel: logLevel.NOTHING })
    const producer = kafka.producer()
    await producer.connect()
    await producer.send({
      topic: 'letters',
      messages: Array.from('abcdefgh', (letter) => ({ key: letter, value: letter.toUpperCase() })),
    })
    await producer.disconnect()

    const consumer = kafka.consumer({ groupId: 'readers' })
    await consumer.connect()
    await consumer.subscribe({ topics: ['letters'], fromBeginning: true })
    const read = new Map<string, string>()
    const partitions = new Set<number>()
    await consumer.run({
      eachMessage: async ({ partition, message }) => {
        read.set(String(message.key), String(message.value))
        partitions.add(partition)
      },
    })
    await expect.poll(() => [...read.values()].sort().join('')).toBe('ABCDEFGH')
    expect(Math.max(...partitions)).toBeLessThan(EMBEDDED_PARTITIONS)
    await consumer.disconnect()
  })

  it('has the topics that it was asked for, so that Troupe alone can write the first record', async () => {
    const orders = topic('orders')
    const broker = await startEmbeddedBroker({ topics: ['orders', 'orders_dlq'] })
    running.push(broker)

    const producer = await startProducer({ kafka: { brokers: broker.bootstrapServers }, topics: [orders] })
    expect(await producer.send(orders.record({ id: 1 }, { key: 'a' }))).toMatchObject({ topic: 'orders' })
    await producer.stop()
  })

  it('makes topics when they are written, on as many brokers as wanted', async () => {
    const broker = await startBroker(3)
    expect(broker.bootstrapServers.split(',')).toHaveLength(3)
    const kafka = new Kafka({ brokers: broker.bootstrapServers.split(','), logLevel: logLevel.NOTHING })
    const producer = kafka.producer()
    await producer.connect()
    await producer.send({ topic: 'new', messages: [{ value: 'first' }] })
    await producer.disconnect()
    const admin = kafka.admin()
    await admin.connect()
    const { topics } = await admin.fetchTopicMetadata({ topics: ['new'] })
    expect(topics[0]!.partitions).toHaveLength(EMBEDDED_PARTITIONS)
    await admin.disconnect()
  })

  it('is gone after stop, which may be asked for twice', async () => {
    const broker = await startBroker()
    expect(await isListening(broker.bootstrapServers)).toBe(true)
    await Promise.all([broker.stop(), broker.stop()])
    await broker.stop()
    expect(await isListening(broker.bootstrapServers)).toBe(false)
  })

  it.each(['SIGKILL', 'SIGINT', 'exit'] as const)('is gone when the process it serves ends by %s', async (end) => {
    const owner = spawn(process.execPath, [fileURLToPath(new URL('owner.mjs', import.meta.url)), 'broker', end], {
      stdio: ['pipe', 'pipe', 'inherit'],
      detached: true,
    })
    const [line] = (await once(owner.stdout.setEncoding('utf8'), 'data')) as [string]
    const { bootstrapServers } = JSON.parse(line) as { bootstrapServers: string }
    expect(await isListening(bootstrapServers)).toBe(true)
    if (end === 'exit') owner.stdin.write('exit\n')
    // To the whole group, as a terminal does on Ctrl-C.
    else process.kill(-owner.pid!, end)
    await expect.poll(() => isListening(bootstrapServers)).toBe(false)
  })

  it('outlives a signal to the group of its owner, who may still have to drain', async () => {
    const owner = spawn(process.execPath, [fileURLToPath(new URL('owner.mjs', import.meta.url)), 'broker', 'stay'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      detached: true,
    })
    const [line] = (await once(owner.stdout.setEncoding('utf8'), 'data')) as [string]
    const { bootstrapServers } = JSON.parse(line) as { bootstrapServers: string }
    process.kill(-owner.pid!, 'SIGINT')
    process.kill(-owner.pid!, 'SIGTERM')
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(await isListening(bootstrapServers)).toBe(true)
    process.kill(owner.pid!, 'SIGKILL')
    await expect.poll(() => isListening(bootstrapServers)).toBe(false)
  })
})

async function isListening(address: string): Promise<boolean> {
  const [host, port] = address.split(',')[0]!.split(':')
  const socket = connect(Number(port), host)
  return (await new Promise((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
  }).finally(() => socket.destroy())) as boolean
}
