/**
 * What there has to be of the orders: which are broken, repeated or late, and what each region has sold in each minute. Computed
 * from the orders alone, as they stand in their topic, by plain loops: no window of Troupe's is in it.
 */
import { Marks, type Place } from '../pipeline/marks.ts'
import { Tally } from '../pipeline/tally.ts'
import { GRACE_MS, MAX_ADVANCE_MS, MINUTE_MS } from './flows.ts'
import { amountOf, centsOf } from './money.ts'

/** What the accounts need of an order. */
export interface ReadOrder {
  readonly order_id: string
  readonly region: string
  readonly currency: string
  readonly total: string
  readonly created_at: number
}

/** What a region has sold in a minute, as its topic says and as the table has to. */
export interface ReadSales {
  readonly region: string
  readonly minute: number
  readonly currency: string
  readonly orders: number
  readonly total: string
  readonly largest: string | null
}

export interface SalesNumbers {
  /** Records in the input topic. */
  readonly in: number
  /** How many of them are dead letters, … */
  readonly deadLettered: number
  /** … how many were there already, … */
  readonly repeats: number
  /** … and how many came out as orders, each once. */
  readonly unique: number
  /** Of those: how many came too late to count, … */
  readonly late: number
  /** … and how many count in the sales that came out. */
  readonly counted: number
  /** Minutes of a region and currency that came out, … */
  readonly results: number
  /** … and those that are not over yet. */
  readonly open: number
  /** Minutes that are over and did not come out, … */
  readonly missing: number
  /** … and those that say something else than the orders do. */
  readonly wrong: number
  /** Records that came out in none of the topics that they had to. */
  readonly lost: number
  /** Records in topics where they have no reason to be. */
  readonly strays: number
  /** What came out beyond the first time. */
  readonly duplicates: number
}

interface Sales {
  readonly minute: number
  orders: number
  cents: number
  largest: number
}

export class SalesLedger {
  readonly #beginMs: number
  readonly #places: Marks
  /** The greatest time of a partition's orders so far. −1: there was none. */
  readonly #streamTimes: number[]
  readonly #unique = new Tally()
  readonly #late = new Tally()
  readonly #deadLetters = new Tally()
  readonly #sales = new Map<string, Sales>()
  readonly #results = new Map<string, ReadSales>()
  #in = 0
  #repeats = 0
  #repeatedResults = 0

  /** `starts[partition]`: the first offset that counts. What came before, or is of a time before `beginMs`, is not this run's. */
  constructor(starts: readonly number[], beginMs: number) {
    this.#beginMs = beginMs
    this.#places = new Marks(starts)
    this.#streamTimes = starts.map(() => -1)
  }

  /** Inputs of which is known what has become of them, those that are late or count included. */
  get finished(): number {
    return this.#unique.seen + this.#deadLetters.seen + this.#repeats
  }

  /** All minutes that are over have come out. */
  get isComplete(): boolean {
    const { missing, lost } = this.read()
    return missing === 0 && lost === 0
  }

  /** What came out, as JSON. */
  *rows(): Generator<string> {
    for (const result of this.#results.values()) yield JSON.stringify(result)
  }

  /** In the order of their partition. undefined: it cannot be read. */
  noteOrder(place: Place, order: ReadOrder | undefined): void {
    if (this.#places.add(place, 1) !== 0) return
    this.#in += 1
    const before = this.#streamTimes[place.partition] ?? -1
    if (order === undefined || (before >= 0 && order.created_at - before > MAX_ADVANCE_MS)) {
      this.#deadLetters.expect(nameOf(place))
      return
    }
    const streamTimeMs = Math.max(before, order.created_at)
    this.#streamTimes[place.partition] = streamTimeMs
    if (!this.#unique.expect(order.order_id)) {
      this.#repeats += 1
      return
    }
    const minute = Math.floor(order.created_at / MINUTE_MS) * MINUTE_MS
    if (isOver(minute, streamTimeMs)) this.#late.expect(order.order_id)
    else this.#addUp(order, minute)
  }

  noteUnique(orderId: string): void {
    this.#unique.see(orderId)
  }

  noteLate(orderId: string): void {
    this.#late.see(orderId)
  }

  noteDeadLetter(origin: Place): void {
    this.#deadLetters.see(nameOf(origin))
  }

  noteResult(result: ReadSales): void {
    // Of a run before this one, whose last minutes are over by now.
    if (result.minute + MINUTE_MS <= this.#beginMs) return
    const key = keyOf(result, result.minute)
    if (this.#results.has(key)) this.#repeatedResults += 1
    else this.#results.set(key, result)
  }

  read(): SalesNumbers {
    const tallies = [this.#unique, this.#late, this.#deadLetters]
    const sumOf = (count: (tally: Tally) => number): number => tallies.reduce((sum, tally) => sum + count(tally), 0)
    return {
      in: this.#in,
      deadLettered: this.#deadLetters.seen,
      repeats: this.#repeats,
      unique: this.#unique.seen,
      late: this.#late.seen,
      ...this.#compareResults(),
      lost: sumOf((tally) => tally.missing),
      strays: sumOf((tally) => tally.stray),
      duplicates: sumOf((tally) => tally.repeated) + this.#repeatedResults,
    }
  }

  #addUp({ currency, region, total }: ReadOrder, minute: number): void {
    const key = keyOf({ region, currency }, minute)
    const cents = centsOf(total)
    const sales = this.#sales.get(key)
    if (sales === undefined) {
      this.#sales.set(key, { minute, orders: 1, cents, largest: cents })
      return
    }
    sales.orders += 1
    sales.cents += cents
    sales.largest = Math.max(sales.largest, cents)
  }

  #compareResults(): Pick<SalesNumbers, 'counted' | 'results' | 'open' | 'missing' | 'wrong'> {
    // A minute is over when it is so in each partition.
    const timeMs = Math.min(...this.#streamTimes)
    const numbers = { counted: 0, results: this.#results.size, open: 0, missing: 0, wrong: 0 }
    for (const [key, sales] of this.#sales) {
      const result = this.#results.get(key)
      if (result === undefined) {
        if (isOver(sales.minute, timeMs)) numbers.missing += 1
        else numbers.open += 1
      } else {
        numbers.counted += result.orders
        if (!isRight(result, sales)) numbers.wrong += 1
      }
    }
    for (const key of this.#results.keys()) if (!this.#sales.has(key)) numbers.wrong += 1
    return numbers
  }
}

function isOver(minute: number, timeMs: number): boolean {
  return timeMs >= minute + MINUTE_MS + GRACE_MS
}

function isRight({ largest, orders, total }: ReadSales, sales: Sales): boolean {
  return orders === sales.orders && total === amountOf(sales.cents) && largest === amountOf(sales.largest)
}

function keyOf({ currency, region }: Pick<ReadSales, 'region' | 'currency'>, minute: number): string {
  return `${region}/${currency}/${String(minute)}`
}

function nameOf({ offset, partition }: Place): string {
  return `${String(partition)}/${String(offset)}`
}
