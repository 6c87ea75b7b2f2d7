/** Sends each order to a service that says when it has enough. */
import { defineHandler, done, ThrottledError, topic } from 'troupe'

export interface Order {
  readonly id: number
}

export const orders = topic<Order>('orders')

export default defineHandler({
  input: orders,
  setup: () => new URL(process.env['SHIPPING_URL'] ?? 'http://localhost:8080/orders'),
  async handle(order, { setup: url, signal, throttle }) {
    const answer = await fetch(url, { method: 'POST', body: JSON.stringify(order), signal })
    if (answer.status === 429) {
      const seconds = Number(answer.headers.get('retry-after') ?? 1)
      throw new ThrottledError('shipping has too much to do', { retryAfterMs: seconds * 1000 })
    }
    if (!answer.ok) throw new Error(`shipping says ${answer.status}`)
    // Taken, but the quota of this minute is used up.
    if (answer.headers.get('x-ratelimit-remaining') === '0') throttle(60_000)
    return done()
  },
})
