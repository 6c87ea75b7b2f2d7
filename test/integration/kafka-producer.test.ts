/** What only a real Kafka does to a producer: limits of topics, brokers that stop, rights. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import type { TestContext } from 'vitest'
import type { BrokerProducer, WriteAnswer } from '../../src/streams/broker-port.ts'
import { createKafkaBroker } from '../../src/streams/kafka/broker.ts'
import type { KafkaBrokerOptions } from '../../src/streams/kafka/broker-options.ts'
import type { OutputRecord } from '../../src/streams/record.ts'
import { Member, bytesOf, textOf, until } from '../contract/contract-world.ts'
import { KafkaProbe, uniqueName } from '../support/kafka-probe.ts'
import { bootstrapServers, kafkaIsAvailable, startKafka } from '../support/real-kafka.ts'
import { limitProducer } from '../support/producer-quota.ts'
import { testOptions } from './kafka-world.ts'

describe.skipIf(!kafkaIsAvailable)('producer on real Kafka', { concurrent: true }, () => {
  const probe = new KafkaProbe(bootstrapServers)
  afterAll(() => probe.close())

  const producerOn = async (
    test: Pick<TestContext, 'onTestFinished'>,
    servers: string,
    options: Partial<KafkaBrokerOptions> = {},
  ): Promise<BrokerProducer> => {
    const producer = createKafkaBroker({ ...testOptions(servers, uniqueName('group')), ...options }).producer('outputs')
    test.onTestFinished(() => producer.disconnect())
    await producer.connect()
    return producer
  }

  const codes = (results: readonly WriteAnswer[]): Record<string, number> => {
    const counts: Record<string, number> = {}
    for (const result of results) {
      const code = result instanceof Error ? String(Reflect.get(result, 'code')) : (result ?? 'durable')
      counts[code] = (counts[code] ?? 0) + 1
    }
    return counts
  }

  const records = (topic: string, count: number, value: (i: number) => Uint8Array | null): OutputRecord[] =>
    Array.from({ length: count }, (_, i) => ({ topic, key: bytesOf(`k${i % 50}`), value: value(i) }))

  it('knows of each of 20,000 records that fail at once', async (test) => {
    const topic = uniqueName('small')
    await probe.createTopic(topic, 4, { 'max.message.bytes': '1000' })
    const producer = await producerOn(test, bootstrapServers)
    const results: WriteAnswer[] = []
    let open = records(topic, 20_000, (i) => Buffer.alloc(2000 + (i % 7), 'x'))
    // On a busy machine a write may leave some of it to the next one.
    while (open.length > 0) {
      const answers = await producer.write(open)
      results.push(...answers.filter((answer) => answer !== 'again'))
      open = open.filter((_, index) => answers[index] === 'again')
    }
    expect(codes(results)).toEqual({ RECORD_TOO_LARGE: 20_000 })
    expect(String(results[0])).toMatch(/2\d{3} bytes for small-.*too large/)
    expect(await probe.readAll(topic)).toEqual([])
    // And goes on as if nothing had been.
    expect(codes(await producer.write(records(topic, 10, () => bytesOf('fits'))))).toEqual({ durable: 10 })
  })

  it('refuses a record without a key for a compacted topic, and keeps the others in order', async (test) => {
    const topic = uniqueName('compacted')
    await probe.createTopic(topic, 2, { 'cleanup.policy': 'compact' })
    const producer = await producerOn(test, bootstrapServers)
    for (const count of [50, 1000]) {
      const all = records(topic, count, (i) => bytesOf(`${count}-${i}`)).map((record, i) =>
        i % 10 === 0 ? { ...record, key: null } : record,
      )
      expect(codes(await producer.write(all))).toEqual({ SINK_REFUSED: count / 10, durable: count - count / 10 })
      const logged = (await probe.readAll(topic)).filter(({ value }) => textOf(value).startsWith(`${count}-`))
      for (let key = 1; key < 50; key += 7) {
        const values = logged.filter((each) => textOf(each.key) === `k${key}`).map(({ value }) => textOf(value))
        const expected = all.filter((each) => each.key !== null && textOf(each.key) === `k${key}`)
        expect([...new Set(values)]).toEqual(expected.map(({ value }) => textOf(value)))
      }
    }
  })

  it('refuses a partition that does not exist and a record beyond the limit of the client', async (test) => {
    const topic = uniqueName('topic')
    await probe.createTopic(topic, 1)
    const producer = await producerOn(test, bootstrapServers)
    const results = await producer.write([
      { topic, key: null, value: bytesOf('a') },
      { topic, key: null, value: bytesOf('b'), partition: 7 },
      { topic, key: null, value: Buffer.alloc(2_000_000) },
      { topic, key: null, value: bytesOf('c') },
    ])
    expect(results.map((result) => result === null)).toEqual([true, false, false, true])
    expect((await probe.readAll(topic)).map(({ value }) => textOf(value))).toEqual(['a', 'c'])
  })

  it('writes null headers as null, and a header that is called __proto__', async (test) => {
    const topic = uniqueName('topic')
    await probe.createTopic(topic, 1)
    const producer = await producerOn(test, bootstrapServers)
    const headers = [
      ['none', null],
      ['__proto__', bytesOf('p')],
    ] as const
    await producer.write([{ topic, key: null, value: null, headers }])
    const [record] = await probe.readAll(topic)
    expect(record!.headers.find(([name]) => name === 'none')?.[1]).toBeNull()
    const member = await Member.join(createKafkaBroker(testOptions(bootstrapServers, uniqueName('group'))), [topic])
    test.onTestFinished(() => member.leave())
    await until('the record', () => member.records.length === 1)
    expect(member.records[0]!.headers.map(([name, value]) => [name, textOf(value)])).toEqual([
      ['none', ''],
      ['__proto__', 'p'],
    ])
  })

  // R2: as a whole the batch takes longer than its deadline, and nothing of it could be committed before.
  it('gets on where the brokers take 80 kB a second: each record goes once, and is soon known to be durable', async (test) => {
    const topic = uniqueName('slow')
    await probe.createTopic(topic, 1)
    const clientId = uniqueName('client')
    await limitProducer(bootstrapServers, `${clientId}-outputs`, 80_000)
    const producer = await producerOn(test, bootstrapServers, { clientId, deliveryTimeoutMs: 15_000 })
    const all = records(topic, 320, (i) => Buffer.from(`${i}`.padEnd(10_000)))
    let open = all
    let writes = 0
    while (open.length > 0) {
      const answers = await producer.write(open)
      expect(answers.filter((answer) => answer instanceof Error)).toEqual([])
      open = open.filter((_, index) => answers[index] === 'again')
      writes += 1
    }
    expect(writes).toBeGreaterThan(1)
    const values = (await probe.readAll(topic)).map(({ value }) => Number(textOf(value)))
    expect(values).toEqual(all.map((_, i) => i))
  }, 120_000)

  it('waits out a broker that stops for a while, gives up when it is gone, and goes on when it is back', async (test) => {
    const kafka = await startKafka()
    test.onTestFinished(() => kafka.stop())
    const [broker] = kafka.brokers
    const own = new KafkaProbe(kafka.bootstrapServers)
    test.onTestFinished(() => own.close())
    const topic = uniqueName('topic')
    await own.createTopic(topic, 1)
    // The one gives up soon; the other waits longer than a busy machine takes.
    const impatient = await producerOn(test, kafka.bootstrapServers, { deliveryTimeoutMs: 4000 })
    const patient = await producerOn(test, kafka.bootstrapServers, { deliveryTimeoutMs: 60_000 })
    const write = (text: string, producer = impatient): Promise<readonly WriteAnswer[]> =>
      producer.write([0, 1, 2].map((i) => ({ topic, key: bytesOf('k'), value: bytesOf(`${text}${i}`) })))
    expect(codes(await write('before', patient))).toEqual({ durable: 3 })

    broker!.pause()
    const writing = write('during', patient)
    await sleep(2000)
    broker!.resume()
    expect(codes(await writing)).toEqual({ durable: 3 })

    await broker!.kill()
    for (let i = 0; i < 2; i += 1) {
      await expect(write('gone')).rejects.toMatchObject({ code: 'SINK_UNAVAILABLE' })
    }
    await broker!.start()
    const deadline = Date.now() + 120_000
    for (;;) {
      try {
        expect(codes(await write('gone'))).toEqual({ durable: 3 })
        break
      } catch (error) {
        if (Date.now() > deadline) throw error
      }
    }
    const values = (await own.readAll(topic)).map(({ value }) => textOf(value))
    const expected = ['before', 'during', 'gone'].flatMap((text) => [0, 1, 2].map((i) => `${text}${i}`))
    expect([...new Set(values)]).toEqual(expected)

    // A write that is under way when the producer ends does not keep it.
    await broker!.kill()
    const last = write('last', patient).catch((error: unknown) => error)
    const startedAt = Date.now()
    await patient.disconnect()
    expect(await last).toMatchObject({ code: 'SINK_UNAVAILABLE' })
    // Half of what it would be given otherwise.
    expect(Date.now() - startedAt).toBeLessThan(30_000)
  })
})
