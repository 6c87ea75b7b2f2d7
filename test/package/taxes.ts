import { defineHandler, done } from 'troupe'
import { orders, receipts } from './flows.js'

export default defineHandler({
  input: orders,
  outputs: [receipts],
  handle: ({ id, total }) => done([receipts.upsert({ id, tax: total / 4 })]),
})
