/**
 * What there has to be of the payments: which are broken, what is usual for each card, and which are suspicious. Computed from the
 * payments alone, as they stand in their topic, by plain loops: no window of Troupe's is in it.
 */
import { Marks, type Place } from '../pipeline/marks.ts'
import { Tally } from '../pipeline/tally.ts'
import { GRACE_MS, MINUTE_MS, USUAL_AFTER, reasonsOf, type Alert, type ComparedPayment, type Payment } from './flows.ts'
import { growForest, scoreOf, type Forest } from './score.ts'

export interface FraudNumbers {
  /** Records in the input topic. */
  readonly in: number
  /** How many of them are dead letters, … */
  readonly deadLettered: number
  /** … and how many came out compared with what is usual. */
  readonly compared: number
  /** Payments that raised an alert, … */
  readonly alerts: number
  /** … for too many in a minute, … */
  readonly byPace: number
  /** … for an amount that is not usual; some for both. */
  readonly byAmount: number
  /** Suspicious payments whose minute is not over yet, … */
  readonly open: number
  /** … or is, and there is no alert. */
  readonly missing: number
  /** Alerts that say something else than the payments do, or have no reason. */
  readonly wrong: number
  /** Records that are in none of the topics that they have to be in. */
  readonly lost: number
  /** Records in topics where they have no reason to be. */
  readonly strays: number
  /** What came out beyond the first time. */
  readonly duplicates: number
}

interface Paid {
  cents: number
  payments: ComparedPayment[]
}

export class FraudLedger {
  readonly #beginMs: number
  readonly #places: Marks
  /** The greatest time of a partition's payments so far. −1: there was none. */
  readonly #streamTimes: number[]
  readonly #compared = new Tally()
  readonly #deadLetters = new Tally()
  readonly #cards = new Map<string, Paid>()
  readonly #alerts = new Map<string, Alert>()
  readonly #forest: Forest = growForest()
  #in = 0
  #repeatedAlerts = 0

  /** `starts[partition]`: the first offset that counts. What came before, or is of a time before `beginMs`, is not this run's. */
  constructor(starts: readonly number[], beginMs: number) {
    this.#beginMs = beginMs
    this.#places = new Marks(starts)
    this.#streamTimes = starts.map(() => -1)
  }

  /** Inputs that are compared or dead letters. */
  get finished(): number {
    return this.#compared.seen + this.#deadLetters.seen
  }

  /** All that is suspicious has come out, where its minute is over. */
  get isComplete(): boolean {
    const { lost, missing } = this.read()
    return missing === 0 && lost === 0
  }

  /** The alerts that came out, as JSON. */
  *rows(): Generator<string> {
    for (const alert of this.#alerts.values()) yield JSON.stringify({ ...alert, reasons: alert.reasons.join() })
  }

  /** In the order of their partition. undefined: it cannot be one, or is under another card's key. */
  notePayment(place: Place, payment: Payment | undefined): void {
    if (this.#places.add(place, 1) !== 0) return
    this.#in += 1
    if (payment === undefined) {
      this.#deadLetters.expect(`${String(place.partition)}/${String(place.offset)}`)
      return
    }
    this.#streamTimes[place.partition] = Math.max(this.#streamTimes[place.partition] ?? -1, payment.at)
    const paid = this.#cards.get(payment.card) ?? { cents: 0, payments: [] }
    this.#cards.set(payment.card, paid)
    const count = paid.payments.length
    const compared = { ...payment, usual_cents: count < USUAL_AFTER ? null : paid.cents / count }
    paid.cents += payment.cents
    paid.payments.push(compared)
    this.#compared.expect(nameOf(compared))
  }

  noteCompared(payment: ComparedPayment): void {
    this.#compared.see(nameOf(payment))
  }

  noteDeadLetter(origin: Place): void {
    this.#deadLetters.see(`${String(origin.partition)}/${String(origin.offset)}`)
  }

  noteAlert(alert: Alert): void {
    // Of a run before this one, whose last minutes are over by now.
    if (alert.at < this.#beginMs) return
    if (this.#alerts.has(alert.payment_id)) this.#repeatedAlerts += 1
    else this.#alerts.set(alert.payment_id, alert)
  }

  read(): FraudNumbers {
    const tallies = [this.#compared, this.#deadLetters]
    const sumOf = (count: (tally: Tally) => number): number => tallies.reduce((sum, tally) => sum + count(tally), 0)
    const alerts = [...this.#alerts.values()]
    return {
      in: this.#in,
      deadLettered: this.#deadLetters.seen,
      compared: this.#compared.seen,
      alerts: alerts.length,
      byPace: alerts.filter(({ reasons }) => reasons.includes('pace')).length,
      byAmount: alerts.filter(({ reasons }) => reasons.includes('amount')).length,
      ...this.#compareAlerts(),
      lost: sumOf((tally) => tally.missing),
      strays: sumOf((tally) => tally.stray),
      duplicates: sumOf((tally) => tally.repeated) + this.#repeatedAlerts,
    }
  }

  #compareAlerts(): Pick<FraudNumbers, 'open' | 'missing' | 'wrong'> {
    // A minute is over when it is so in each partition.
    const timeMs = Math.min(...this.#streamTimes)
    const numbers = { open: 0, missing: 0, wrong: 0 }
    let found = 0
    for (const expected of this.#suspicious()) {
      const alert = this.#alerts.get(expected.payment_id)
      if (alert !== undefined) {
        found += 1
        if (textOf(alert) !== textOf(expected)) numbers.wrong += 1
      } else if (timeMs > expected.at + GRACE_MS) {
        numbers.missing += 1
      } else {
        numbers.open += 1
      }
    }
    numbers.wrong += this.#alerts.size - found
    return numbers
  }

  /** The alerts that there have to be, card by card. */
  *#suspicious(): Generator<Alert> {
    for (const { payments } of this.#cards.values()) {
      const byTime = payments.toSorted((a, b) => a.at - b.at)
      let first = 0
      for (const [index, payment] of byTime.entries()) {
        while ((byTime[first]?.at ?? Infinity) < payment.at - MINUTE_MS) first += 1
        const count = index - first + 1
        const reasons = reasonsOf(payment, count)
        if (reasons.length > 0) {
          yield { ...payment, score: scoreOf(payment, this.#forest), payments: count, reasons }
        }
      }
    }
  }
}

/** All that it says: what came out with something else is a stray, and what had to is lost. */
function nameOf({ at, card, cents, country, merchant, payment_id, usual_cents }: ComparedPayment): string {
  return [payment_id, card, cents, at, merchant, country, usual_cents].join(' ')
}

function textOf(alert: Alert): string {
  return `${nameOf(alert)} ${String(alert.score)} ${String(alert.payments)} ${alert.reasons.join()}`
}
