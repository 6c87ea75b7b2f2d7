/** A class that is given what it depends on: another thing in a test than in the app. */
import { deadLetter, defineHandler, done, type HandlerContext } from 'troupe'
import { openCustomers, type Customers } from './customers.ts'
import { orders, receipts, type Order } from './flows.ts'

export class OrderHandler {
  readonly input = orders
  readonly outputs = [receipts] as const
  readonly #customers: Customers

  constructor(customers: Customers) {
    this.#customers = customers
  }

  async handle(order: Order, { key }: HandlerContext<unknown, string>) {
    if (!Number.isSafeInteger(order.cents)) return deadLetter(`no amount: ${order.cents}`)
    const name = await this.#customers.nameOf(order.customer)
    if (name === undefined) return deadLetter(`no customer ${order.customer}`)
    return done([receipts.record({ ...order, name }, { key })])
  }
}

export default defineHandler(new OrderHandler(openCustomers()))
