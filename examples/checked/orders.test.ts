import { done } from 'troupe'
import { createHarness } from 'troupe/testing'
import { expect, test } from 'vitest'
import total, { totals } from './orders.ts'

const harness = createHarness(total)
const order = { id: 'o-1', items: [{ sku: 'cup', cents: 250 }], placedAt: '2026-03-01T17:45:00Z' }
const send = async (value: unknown) => await harness.sendBytes(Buffer.from(JSON.stringify(value)))

test('the handler has what comes out of the schema', async () => {
  expect(await send(order)).toEqual(done([totals.record({ id: 'o-1', cents: 250, hour: 17 }, { key: 'o-1' })]))
})

test('what the schema refuses is a dead letter that says where', async () => {
  expect(await send({ ...order, items: [{ sku: 'cup', cents: -1 }] })).toMatchObject({
    type: 'dead-letter',
    reason: expect.stringContaining('items[0].cents: ') as string,
  })
})
