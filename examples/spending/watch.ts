/** Adds up what each customer has spent, and tells once when it passes the limit. */
import { defineHandler, done, state } from 'troupe'
import { alerts, payments } from './flows.ts'

const LIMIT_CENTS = 100_000
const DAY_MS = 24 * 60 * 60 * 1000

export default defineHandler({
  input: payments,
  outputs: [alerts],
  state: {
    // Of each customer. Whoever pays nothing for 30 days begins at 0 again.
    spent: state<number>({ initial: () => 0, ttlMs: 30 * DAY_MS }),
  },
  handle({ cents }, { key: customer, state: { spent } }) {
    const before = spent.get()
    const spentCents = before + cents
    spent.set(spentCents)
    const hasPassed = before <= LIMIT_CENTS && spentCents > LIMIT_CENTS
    return done(hasPassed ? [alerts.record({ customer: customer ?? '', spentCents }, { key: customer })] : [])
  },
})
