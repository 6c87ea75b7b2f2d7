/** Calls a service for each order, and waits for it however long it is away. Meanwhile the orders of a customer keep their order. */
import { deadLetter, defineHandler, done, isTroupeError, topic } from 'troupe'

export interface Order {
  readonly id: string
  readonly cents: number
}

export const orders = topic<Order>('orders')

/** No fault of the order: later the same call may go well. */
export class BillingAway extends Error {}

/** It may also hang: then nothing comes back before the time-out of the handler. */
function isAway(error: unknown): boolean {
  return error instanceof BillingAway || (isTroupeError(error) && error.code === 'HANDLER_TIMEOUT')
}

export default defineHandler({
  input: orders,
  setup: () => process.env['BILLING_URL'] ?? 'http://localhost:8080',
  async handle(order, { setup: url, signal }) {
    // By PUT under the order's own name: an attempt that came through and was not answered does no harm when it is repeated.
    const request = { method: 'PUT', body: JSON.stringify(order), signal }
    const answer = await fetch(`${url}/charges/${order.id}`, request).catch((cause: unknown) => {
      throw new BillingAway('billing does not answer', { cause })
    })
    if (answer.status >= 500) throw new BillingAway(`billing answers ${answer.status}`)
    if (!answer.ok) return deadLetter(`billing refuses it: ${answer.status} ${await answer.text()}`)
    return done()
  },
  // Any other error has the actor's attempts, and then has failed for good: a mistake of ours must not hold its key for ever.
  onError: (error) => (isAway(error) ? { retry: 'unlimited' } : undefined),
})
