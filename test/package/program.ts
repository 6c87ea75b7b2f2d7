/** A stranger's first program, compiled and run against the packed package by scripts/stranger.mjs. */
import assert from 'node:assert/strict'
import { deadLetter, defineHandler, done, topic } from 'troupe'
import { createHarness } from 'troupe/testing'

interface Order {
  readonly id: string
  readonly total: number
}

const orders = topic<Order>('orders')
const receipts = topic<Order & { readonly tax: number }>('receipts')

const handler = defineHandler({
  input: orders,
  outputs: [receipts],
  setup: () => ({ rate: 0.25 }),
  handle(order, { setup }) {
    if (order.total < 0) return deadLetter('a negative total')
    return done([receipts.record({ ...order, tax: order.total * setup.rate }, { key: order.id })])
  },
})

const harness = createHarness(handler)
assert.deepEqual(
  await harness.send({ id: 'a', total: 8 }),
  done([receipts.record({ id: 'a', total: 8, tax: 2 }, { key: 'a' })]),
)
assert.deepEqual(await harness.send({ id: 'b', total: -1 }), deadLetter('a negative total'))
