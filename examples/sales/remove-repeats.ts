/** The first of two actors: lets each order through once, by its id. It is in front because a sum cannot tell what it has seen. */
import { defineDedup } from 'troupe'
import { MAX_ADVANCE_MS, REPEATED_WITHIN_MS, orders, uniqueOrders } from './flows.ts'

export default defineDedup({
  input: orders,
  id: (order) => order.order_id,
  withinMs: REPEATED_WITHIN_MS,
  maxAdvanceMs: MAX_ADVANCE_MS,
  output: uniqueOrders,
})
