/** One function that is called for each record. */
import { deadLetter, defineHandler, done } from 'troupe'
import { openCustomers } from './customers.ts'
import { orders, receipts } from './flows.ts'

export default defineHandler({
  input: orders,
  outputs: [receipts],
  setup: openCustomers,
  async handle(order, { key, setup: customers }) {
    if (!Number.isSafeInteger(order.cents)) return deadLetter(`no amount: ${order.cents}`)
    const name = await customers.nameOf(order.customer)
    if (name === undefined) return deadLetter(`no customer ${order.customer}`)
    return done([receipts.record({ ...order, name }, { key })])
  },
})
