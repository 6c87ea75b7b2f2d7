import { table, topic } from 'troupe'

export const orders = topic<{ readonly id: string; readonly total: number }>('orders')
export const receipts = table<{ readonly id: string; readonly tax: number }>('receipts', {
  sink: 'receipts',
  columns: { id: 'text', tax: 'numeric' },
  key: ['id'],
})
