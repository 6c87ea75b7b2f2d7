/** What the three handlers of this folder read and write: the same. */
import { json, text, topic } from 'troupe'

export interface Order {
  readonly id: string
  readonly customer: string
  readonly cents: number
}

export interface Receipt extends Order {
  readonly name: string
}

export const orders = topic('orders', { key: text, value: json<Order>() })
export const receipts = topic('receipts', { key: text, value: json<Receipt>() })
