import { describe, expect, test } from 'vitest'
import { defineBatchHandler } from '../../../src/actors/handlers/batch-handler.ts'
import { HandlerRunner } from '../../../src/actors/handlers/handler-runner.ts'
import { defineHandler, done, type AnyRecordHandler } from '../../../src/actors/handlers/handler.ts'
import { silentLog } from '../../../src/log.ts'
import { bytes, json, text, type Codec } from '../../../src/streams/flows/codec.ts'
import { boundCodec, type KnownSchemas } from '../../../src/streams/flows/contract.ts'
import { EffectEncoder } from '../../../src/streams/flows/effect-encoder.ts'
import { topic } from '../../../src/streams/flows/flow.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { createHarness } from '../../../src/testing/harness.ts'

interface Account {
  readonly bank: string
  readonly number: number
}

const payments = topic('payments', { key: json<Account>(), value: text })
const account = { bank: 'a', number: 7 }

describe('a codec for keys', () => {
  test('writes them', () => {
    const encoder = new EffectEncoder([payments])
    expect(encoder.encode(payments.record('10', { key: account }))).toMatchObject({
      record: { key: Buffer.from('{"bank":"a","number":7}') },
    })
  })

  test.each([{}, { key: null }])('leaves out the key of %o', (options) => {
    expect(new EffectEncoder([payments]).encode(payments.record('10', options))).toMatchObject({
      record: { key: null },
    })
  })

  test('says what it cannot write', () => {
    const named = topic('named', { key: text, value: text })
    expect(() => new EffectEncoder([named]).encode(named.record('x', { key: 7 as never }))).toThrow(
      expect.objectContaining({
        code: 'ENCODE_FAILED',
        message: expect.stringContaining('topic named') as string,
        cause: expect.objectContaining({ message: 'the key could not be encoded as text' }) as Error,
      }) as Error,
    )
  })

  test('reads them, for handlers of single records and of batches', async () => {
    const seen: unknown[] = []
    const one = defineHandler({ input: payments, handle: (_, { key }) => (seen.push(key), done()) })
    const many = defineBatchHandler({
      input: payments,
      handle: (records) => (seen.push(...records.map(({ key }) => key)), done()),
    })
    await createHarness(one).send('10', { key: account })
    await createHarness(one).send('10', { key: null })
    await createHarness(many).sendAll(['10'], [{ key: account }])
    expect(seen).toEqual([account, null, account])
  })

  test('makes a dead letter of what it cannot read, also where the handler never looks', async () => {
    const runner = await HandlerRunner.open({
      handler: defineHandler({ input: payments, handle: () => done() }) as AnyRecordHandler,
      name: 'pay',
      handlerTimeoutMs: 1_000,
      idHeader: false,
      log: silentLog,
      clock: new ManualClock(),
    })
    const [key, value] = [Buffer.from('{'), Buffer.from('10')]
    const record = { topic: 'payments', partition: 0, offset: 0, timestamp: 1, key, value, headers: [] }
    expect(await runner.run(record, 1)).toMatchObject({
      type: 'dead-letter',
      error: { code: 'DECODE_FAILED', message: 'the key is not what codec json expects' },
    })
  })
})

test('without a codec for keys a handler gets their bytes', async () => {
  const seen: unknown[] = []
  const plain = topic('plain', { value: text })
  await createHarness(defineHandler({ input: plain, handle: (_, { key }) => (seen.push(key), done()) })).send('x', {
    key: 'k',
  })
  expect(seen).toEqual([Buffer.from('k')])
})

describe('a codec whose schemas a registry keeps', () => {
  const schemas = {} as KnownSchemas
  const numbered: Codec<string> = {
    ...text,
    name: 'numbered',
    contract: {
      subjectsAt: () => [],
      bind: (place, known) => ({
        ...text,
        encode: (value) => Buffer.from(`${known === schemas}:${place.topic}:${place.part}:${value}`),
      }),
    },
  }

  test('works where it is bound, by topic and part', () => {
    const both = topic('both', { key: numbered, value: numbered })
    expect(new EffectEncoder([both], schemas).encode(both.record('v', { key: 'k' }))).toMatchObject({
      record: { key: Buffer.from('true:both:key:k'), value: Buffer.from('true:both:value:v') },
    })
  })

  test('is refused where no registry is named', () => {
    expect(() => new EffectEncoder([topic('orders', { value: numbered })])).toThrow(
      expect.objectContaining({
        code: 'SCHEMA_REGISTRY_MISSING',
        message:
          'the values of topic orders are numbered, whose schemas a registry keeps, and none is named: set schemaRegistry.url',
      }) as Error,
    )
  })

  test('leaves all others as they are', () => {
    expect(boundCodec(bytes, { topic: 'x', part: 'value' }, undefined)).toBe(bytes)
  })
})
