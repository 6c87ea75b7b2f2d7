/** One bulk request over HTTP for many orders; the service answers for each of them. */
import { RetryableError, deadLetter, defineBatchHandler, done, retry } from 'troupe'
import { orders } from './flows.ts'

interface Answer {
  readonly status: 'stored' | 'busy' | 'refused'
  readonly reason?: string
}

export default defineBatchHandler({
  input: orders,
  maxRecords: 500,
  maxWaitMs: 20,
  setup: () => ({ url: process.env['ORDER_SERVICE'] ?? 'http://localhost:8080/orders' }),
  async handle(records, { setup, signal }) {
    const body = JSON.stringify(records.map(({ id, value }) => ({ ...value, idempotencyKey: id })))
    const response = await fetch(setup.url, { method: 'POST', body, signal }).catch((cause: unknown) => {
      throw new RetryableError('the order service cannot be reached', { cause })
    })
    // No order is at fault: all of them go again, together.
    if (response.status >= 500) throw new RetryableError(`the order service says ${response.status}`)
    // One of them may be: each goes again alone.
    if (!response.ok) throw new Error(`the order service says ${response.status}`)
    const answers = (await response.json()) as readonly Answer[]
    return answers.map(({ reason, status }) => {
      if (status === 'busy') return retry()
      return status === 'refused' ? deadLetter(reason ?? 'refused') : done()
    })
  },
})
