import { topic } from 'troupe'

export interface Order {
  readonly id: string
  readonly customer: string
}

export const orders = topic<Order>('orders')
export const namedOrders = topic<Order & { readonly name: string }>('named_orders')
