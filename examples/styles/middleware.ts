/** A chain of steps, each with what the one before has made; any outcome ends it. What goes around a step is a wrapper. */
import {
  around,
  compose,
  deadLetter,
  defineHandler,
  done,
  type HandlerContext,
  type Outcome,
  type Wrapper,
} from 'troupe'
import { openCustomers, type Customers } from './customers.ts'
import { orders, receipts, type Order, type Receipt } from './flows.ts'

function checkAmount(order: Order): Order | Outcome {
  return Number.isSafeInteger(order.cents) ? order : deadLetter(`no amount: ${order.cents}`)
}

async function findCustomer(order: Order, { setup }: HandlerContext<Customers>): Promise<Receipt | Outcome> {
  const name = await setup.nameOf(order.customer)
  return name === undefined ? deadLetter(`no customer ${order.customer}`) : { ...order, name }
}

function publish(receipt: Receipt) {
  return done([receipts.record(receipt, { key: receipt.customer })])
}

const timed: Wrapper<Order, Receipt> = async (order, { log }, next) => {
  const startedAt = performance.now()
  try {
    return await next(order)
  } finally {
    log.debug({ ms: performance.now() - startedAt }, 'the customer was looked up')
  }
}

export default defineHandler({
  input: orders,
  outputs: [receipts],
  setup: openCustomers,
  handle: compose(checkAmount, around(findCustomer, timed), publish),
})
