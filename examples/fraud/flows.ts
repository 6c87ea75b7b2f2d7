/** The pipeline's topics and its table, typed: what a payment is, and what makes one suspicious. */
import { json, table, text, topic } from 'troupe'
import * as v from 'valibot'

export const MINUTE_MS = 60_000
/** So long payments may come out of order. */
export const GRACE_MS = 5_000
/** More payments of a card within a minute are suspicious. */
export const MOST_IN_A_MINUTE = 5
/** An amount that is so many times what the card usually pays is suspicious, … */
export const TIMES_THE_USUAL = 2
/** … once it has paid so often. */
export const USUAL_AFTER = 5

export const paymentShape = v.object({
  payment_id: v.pipe(v.string(), v.nonEmpty()),
  card: v.pipe(v.string(), v.nonEmpty()),
  cents: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  merchant: v.string(),
  country: v.string(),
  /** Milliseconds since the Unix epoch. */
  at: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
})

export type Payment = v.InferOutput<typeof paymentShape>

export interface ComparedPayment extends Payment {
  /** What the card has paid on average before; null: not often enough to say. */
  readonly usual_cents: number | null
}

export interface ScoredPayment extends ComparedPayment {
  /** How much it looks like fraud, from 0 to 1. */
  readonly score: number
}

export type Reason = 'pace' | 'amount'

export interface Alert extends ScoredPayment {
  /** How many the card has made in the minute up to this one. */
  readonly payments: number
  readonly reasons: readonly Reason[]
}

export interface AlertRow extends Omit<Alert, 'at' | 'reasons'> {
  readonly at: Date
  readonly reasons: string
}

/** Keys are the card. */
export const cardPayments = topic('card_payments', { key: text, value: json(paymentShape) })

export const comparedPayments = topic('compared_payments', {
  key: text,
  value: json<ComparedPayment>(),
  time: ({ at }) => at,
})

export const fraudAlerts = topic('fraud_alerts', { key: text, value: json<Alert>() })

export const alertTable = table<AlertRow>('fraud_alerts', {
  columns: {
    payment_id: 'text',
    card: 'text',
    at: 'timestamptz',
    cents: 'bigint',
    merchant: 'text',
    country: 'text',
    usual_cents: 'double precision',
    payments: 'integer',
    reasons: 'text',
    score: 'double precision',
  },
  key: ['payment_id'],
})

export const deadLetterTopic = 'card_payments_dlq'

/** What is suspicious about a payment; nothing where nothing is. `payments`: of its card, in the minute up to it. */
export function reasonsOf({ cents, usual_cents }: ComparedPayment, payments: number): Reason[] {
  const reasons: Reason[] = []
  if (payments > MOST_IN_A_MINUTE) reasons.push('pace')
  if (usual_cents !== null && cents > TIMES_THE_USUAL * usual_cents) reasons.push('amount')
  return reasons
}
