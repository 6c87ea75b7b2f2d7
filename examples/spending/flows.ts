/** Payments by customer: the key says who has paid. */
import { json, text, topic } from 'troupe'

export interface Payment {
  readonly cents: number
}

/** A customer has passed the limit with this payment. */
export interface Alert {
  readonly customer: string
  readonly spentCents: number
}

function checkPayment(value: unknown): Payment {
  const { cents } = (value ?? {}) as Partial<Payment>
  if (!Number.isSafeInteger(cents)) throw new Error('no payment: cents has to be an integer')
  return value as Payment
}

export const payments = topic('payments', { key: text, value: json(checkPayment) })

export const alerts = topic<Alert>('alerts')
