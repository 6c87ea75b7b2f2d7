/** One look-up for the customers of many orders. */
import { RetryableError, deadLetter, defineBatchHandler, done } from 'troupe'
import { namedOrders, orders } from './flows.ts'

export default defineBatchHandler({
  input: orders,
  outputs: [namedOrders],
  setup: () => ({ url: process.env['CUSTOMER_SERVICE'] ?? 'http://localhost:8080/customers' }),
  async handle(records, { setup, signal }) {
    const customers = new Set(records.map(({ value }) => value.customer))
    const response = await fetch(`${setup.url}?ids=${[...customers].map(encodeURIComponent).join(',')}`, { signal })
    if (!response.ok) throw new RetryableError(`the customer service says ${response.status}`)
    // It answers with those that it has found, in an order of its own.
    const names = new Map(Object.entries((await response.json()) as Record<string, string>))
    return records.map(({ key, value }) => {
      const name = names.get(value.customer)
      return name === undefined
        ? deadLetter(`no customer ${value.customer}`)
        : done([namedOrders.record({ ...value, name }, { key })])
    })
  },
})
