/** A handler that the compiler turns into CommonJS. */
import { defineHandler, done, table, topic } from 'troupe'

const receipts = table<{ readonly id: string; readonly tax: number }>('receipts', {
  sink: 'receipts',
  columns: { id: 'text', tax: 'numeric' },
  key: ['id'],
})

export default defineHandler({
  input: topic<{ readonly id: string; readonly total: number }>('orders'),
  outputs: [receipts],
  handle: ({ id, total }) => done([receipts.upsert({ id, tax: total / 4 })]),
})
