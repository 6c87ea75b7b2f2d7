/** The first handler: says of each payment what its card usually pays, and learns from it. */
import { deadLetter, defineHandler, done, state } from 'troupe'
import { USUAL_AFTER, cardPayments, comparedPayments } from './flows.ts'

const DAY_MS = 24 * 60 * 60 * 1000

interface Paid {
  readonly cents: number
  readonly payments: number
}

export default defineHandler({
  input: cardPayments,
  outputs: [comparedPayments],
  state: { paid: state<Paid>({ initial: () => ({ cents: 0, payments: 0 }), ttlMs: 90 * DAY_MS }) },
  handle(payment, { key: card, state: { paid } }) {
    if (card !== payment.card) return deadLetter(`of card ${payment.card} under key ${String(card)}`)
    const { cents, payments } = paid.get()
    paid.set({ cents: cents + payment.cents, payments: payments + 1 })
    const usual_cents = payments < USUAL_AFTER ? null : cents / payments
    return done([comparedPayments.record({ ...payment, usual_cents }, { key: card, timestamp: payment.at })])
  },
})
