/** Orders as JSON that a schema checks: zod's here, and valibot's or arktype's in the same place. */
import { defineHandler, done, json, topic } from 'troupe'
import { z } from 'zod'

const orderSchema = z.object({
  id: z.string().min(1),
  items: z.array(z.object({ sku: z.string(), cents: z.int().positive() })).min(1),
  placedAt: z.iso.datetime().transform((text) => new Date(text)),
})

export const orders = topic('orders', { value: json(orderSchema) })
export const totals = topic<{ readonly id: string; readonly cents: number; readonly hour: number }>('totals')

export default defineHandler({
  input: orders,
  outputs: [totals],
  handle({ id, items, placedAt }) {
    const cents = items.reduce((sum, item) => sum + item.cents, 0)
    return done([totals.record({ id, cents, hour: placedAt.getUTCHours() }, { key: id })])
  },
})
