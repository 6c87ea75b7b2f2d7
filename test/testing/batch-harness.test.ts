import { expect, expectTypeOf, test } from 'vitest'
import { defineBatchHandler } from '../../src/actors/handlers/batch-handler.ts'
import { done, retry, skip } from '../../src/actors/handlers/handler.ts'
import { RetryableError } from '../../src/errors.ts'
import { text } from '../../src/streams/flows/codec.ts'
import { topic } from '../../src/streams/flows/flow.ts'
import type { BatchHarness } from '../../src/testing/batch-harness.ts'
import { createHarness } from '../../src/testing/harness.ts'

interface Order {
  readonly id: number
  readonly do?: 'busy' | 'throw' | 'lose one' | 'write elsewhere' | 'all again' | 'hang'
}

const orders = topic<Order>('orders')
const receipts = topic<string>('receipts', { value: text })
const elsewhere = topic<string>('elsewhere', { value: text })

const handler = defineBatchHandler({
  input: orders,
  outputs: [receipts],
  setup: () => ({ calls: [] as number[] }),
  handle(records, { setup }) {
    setup.calls.push(records.length)
    const asked = (what: Order['do']): boolean => records.some(({ value }) => value.do === what)
    if (asked('throw')) return Promise.reject(new RetryableError('away'))
    if (asked('all again')) return retry(70)
    if (asked('hang')) return new Promise(() => undefined)
    const outcomes = records.map(({ attempt, key, value }) => {
      if (value.id < 0) return skip()
      if (value.do === 'busy') return retry(50)
      if (value.do === 'write elsewhere') return done([elsewhere.record('x')])
      return done([receipts.record(`${value.id}, try ${attempt}, call ${setup.calls.length}`, { key })])
    })
    return asked('lose one') ? outcomes.slice(1) : outcomes
  },
})

test('returns what the handler says of each value, in one call', async () => {
  const harness = createHarness(handler)
  expectTypeOf(harness).toEqualTypeOf<BatchHarness<Order>>()
  expect(await harness.sendAll([{ id: 1 }, { id: -1 }, { id: 2, do: 'busy' }], [{ key: 'k', attempt: 3 }])).toEqual([
    done([receipts.record('1, try 3, call 1', { key: Buffer.from('k') })]),
    skip(),
    retry(50),
  ])
  expect(await harness.sendAll([{ id: 2 }])).toEqual([done([receipts.record('2, try 1, call 2', { key: null })])])
  await harness.close()
})

test('one outcome for all is that of each', async () => {
  expect(await createHarness(handler).sendAll([{ id: 1, do: 'all again' }, { id: 2 }])).toEqual([retry(70), retry(70)])
})

test('what does not decode is a dead letter, and the others go on', async () => {
  const harness = createHarness(handler)
  const [garbage, sound] = await harness.sendAllBytes([Buffer.from('{'), Buffer.from('{"id":-1}')])
  expect([garbage!.type, sound]).toEqual(['dead-letter', skip()])
  expect((await harness.sendAllBytes([null])).map(({ type }) => type)).toEqual(['dead-letter'])
})

test.each([
  ['throws', 'throw', { message: 'away' }],
  [
    'says too little',
    'lose one',
    { code: 'OUTCOME_INVALID', message: expect.stringContaining('1 outcome for 2 records') as unknown },
  ],
  ['writes where it must not', 'write elsewhere', { code: 'ENCODE_FAILED' }],
  ['does not return', 'hang', { code: 'HANDLER_TIMEOUT' }],
] as const)('rejects where the handler %s', async (_, what, error) => {
  const harness = createHarness(handler, { handlerTimeoutMs: 20 })
  await expect(harness.sendAll([{ id: 1 }, { id: 2, do: what }])).rejects.toMatchObject(error)
})
