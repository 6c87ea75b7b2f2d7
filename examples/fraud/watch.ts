/** The second: scores each payment on threads, and watches how many a card makes within a minute. */
import { defineAggregation, sliding } from 'troupe'
import {
  GRACE_MS,
  MINUTE_MS,
  alertTable,
  comparedPayments,
  fraudAlerts,
  reasonsOf,
  type ScoredPayment,
} from './flows.ts'
import { growForest, scoreOf } from './score.ts'

export default defineAggregation({
  input: comparedPayments,
  setup: () => growForest(), // once per thread
  prepare: (payment, { setup: forest }): ScoredPayment => ({ ...payment, score: scoreOf(payment, forest) }),
  window: sliding({ sizeMs: MINUTE_MS, graceMs: GRACE_MS }), // one for each payment, which ends with it
  markEveryMs: 5_000, // time goes much faster than the clock here: told every second, it would be more than the payments
  values: ({ count, last }) => ({ payments: count(), payment: last((payment) => payment) }),
  outputs: [fraudAlerts, alertTable],
  result({ key, values: { payment, payments } }) {
    const reasons = reasonsOf(payment, payments)
    if (reasons.length === 0) return []
    const alert = { ...payment, payments, reasons }
    return [
      fraudAlerts.record(alert, { key }),
      alertTable.upsert({ ...alert, at: new Date(payment.at), reasons: reasons.join() }),
    ]
  },
})
