/** Handlers whose topics need schemas, under test without a registry. */
import { describe, expect, test } from 'vitest'
import { defineBatchHandler } from '../../src/actors/handlers/batch-handler.ts'
import { deadLetter, defineHandler, done } from '../../src/actors/handlers/handler.ts'
import { topic } from '../../src/streams/flows/flow.ts'
import { createHarness } from '../../src/testing/harness.ts'
import { headed, withId } from '../support/header-codec.ts'

const orders = topic('orders', { key: headed(), value: headed() })
const bills = topic('bills', { value: headed() })

const bill = defineHandler({
  input: orders,
  outputs: [bills],
  handle: ({ body, schema }, { key }) => done([bills.record({ body: [body, key?.body], schema })]),
})

describe('a handler whose topics need schemas', () => {
  test('is tested without a registry: what is sent is read by the schema that its topic names', async () => {
    const harness = createHarness(bill)
    const key = { body: 'a', schema: '' }
    expect(await harness.send({ body: { total: 3 }, schema: '' }, { key })).toEqual(
      done([bills.record({ body: [{ total: 3 }, 'a'], schema: '{}' })]),
    )
  })

  test('gets no record of another schema: that is a dead letter, which says so', async () => {
    const harness = createHarness(bill)
    const reason = expect.stringContaining('no schema of id 9') as string
    const outcome = await harness.sendBytes(withId(9, {}))
    expect(outcome).toEqual(deadLetter(reason))
  })

  test('in calls of many records, too', async () => {
    const handler = defineBatchHandler({
      input: orders,
      outputs: [bills],
      handle: (records) => records.map(({ value }) => done([bills.record(value)])),
    })
    const harness = createHarness(handler)
    const value = { body: 1, schema: '{}' }
    expect(await harness.sendAll([value, value])).toEqual([done([bills.record(value)]), done([bills.record(value)])])
    expect((await harness.sendAllBytes([withId(9, 1), withId(1, 1)]))[1]).toEqual(done([bills.record(value)]))
  })
})
