/**
 * Makes up orders: some come late, some twice, some broken in every way that orders can be. The same seed and clock give the
 * same orders.
 */
import { createRandom, pick, type Random } from '../pipeline/random.ts'
import { amountOf } from './money.ts'

export interface FakeOrder {
  /** The order's id. */
  readonly key: string
  /** JSON of it, which becomes Avro where it fits the schema. */
  readonly value: Buffer | null
  /** When it is sent, which is later than when it was placed where it is late. */
  readonly timestamp: number
  /** What is wrong with it; undefined for a good order. */
  readonly flaw: string | undefined
  /** It was sent before. */
  readonly isRepeat: boolean
}

export interface FakeOrderOptions {
  readonly seed: number
  /** 0..1 */
  readonly brokenShare: number
  /** Of the orders' time. */
  readonly now: () => number
}

/** Amounts are text, the time is milliseconds: as Avro has them, but for the bytes. */
interface OrderFields {
  readonly order_id: string
  readonly customer_id: number
  readonly region: string
  readonly items: readonly { readonly sku: string; readonly quantity: number; readonly unit_price: string }[]
  readonly total: string
  readonly currency: string
  readonly created_at: number
  readonly coupon: string | null
}

const DELAYED_SHARE = 0.02
const MAX_DELAY_MS = 30_000
const REPEATED_SHARE = 0.001
/** It comes again within this time, and is one of so many. */
const REPEATED_AFTER_MS = 5 * 60_000
const REMEMBERED = 200
/** There is none before it whose time tells that this one's is wrong. */
const ALL_HAVE_A_TIME = 2_000

const CUSTOMERS = 20_000
const ARTICLES = 500
/** A region may sell in more than one currency. */
const markets: readonly (readonly [region: string, currency: string])[] = [
  ['north', 'SEK'],
  ['north', 'EUR'],
  ['south', 'EUR'],
  ['east', 'PLN'],
  ['west', 'GBP'],
  ['overseas', 'USD'],
]

export function createFakeOrders({ brokenShare, now, seed }: FakeOrderOptions): () => FakeOrder {
  const random = createRandom(seed)
  const beginMs = now()
  const remembered: FakeOrder[] = []
  let made = 0

  return () => {
    const timestamp = now()
    made += 1
    while (isOver(remembered[0], timestamp) || remembered.length > REMEMBERED) remembered.shift()
    if (remembered.length > 0 && random() < REPEATED_SHARE) {
      return { ...pick(remembered, random), timestamp, isRepeat: true }
    }
    const delayMs = random() < DELAYED_SHARE ? Math.ceil(random() * MAX_DELAY_MS) : 0
    const order = makeOrder(Math.max(beginMs, timestamp - delayMs), random)
    const key = order.order_id
    if (random() < brokenShare) {
      const [flaw, damage] = pick(made > ALL_HAVE_A_TIME ? [...flaws, ...flawsInTime] : flaws, random)
      return { key, value: damage(order), timestamp, flaw, isRepeat: false }
    }
    const good = { key, value: toJson(order), timestamp, flaw: undefined, isRepeat: false }
    remembered.push(good)
    return good
  }
}

function isOver(order: FakeOrder | undefined, nowMs: number): boolean {
  return order !== undefined && nowMs - order.timestamp > REPEATED_AFTER_MS
}

function makeOrder(timeMs: number, random: Random): OrderFields {
  const [region, currency] = pick(markets, random)
  const items = Array.from({ length: 1 + Math.floor(random() * 3) }, () => ({
    sku: `A-${String(1000 + Math.floor(random() * ARTICLES))}`,
    quantity: 1 + Math.floor(random() * 4),
    cents: 95 + Math.floor(random() * 20_000),
  }))
  const cents = items.reduce((sum, item) => sum + item.quantity * item.cents, 0)
  return {
    order_id: makeId(timeMs, random),
    customer_id: 1 + Math.floor(random() * CUSTOMERS),
    region,
    items: items.map(({ sku, quantity, cents }) => ({ sku, quantity, unit_price: amountOf(cents) })),
    total: amountOf(cents),
    currency,
    created_at: timeMs,
    coupon: random() < 0.1 ? 'SPRING' : null,
  }
}

/** A UUID of version 7: its time first, so that runs of the same seed have other orders. */
function makeId(timeMs: number, random: Random): string {
  const hex = (digits: number): string =>
    Math.floor(random() * 16 ** digits)
      .toString(16)
      .padStart(digits, '0')
  const time = timeMs.toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hex(3)}-a${hex(3)}-${hex(6)}${hex(6)}`
}

type Damage = (good: OrderFields) => Buffer | null

/** None of them fits the schema. */
const flaws: readonly (readonly [flaw: string, damage: Damage])[] = [
  ['no value', () => null],
  ['empty', () => Buffer.alloc(0)],
  ['not JSON', (good) => toJson(good).subarray(0, 40)],
  ['a list', (good) => toJson([good])],
  ['no region', (good) => toJson({ ...good, region: undefined })],
  ['no time', (good) => toJson({ ...good, created_at: null })],
  ['a total that is a number', (good) => toJson({ ...good, total: Number(good.total) })],
  ['a total with three digits', (good) => toJson({ ...good, total: `${good.total}5` })],
  ['half an article', (good) => toJson({ ...good, items: [{ ...good.items[0], quantity: 0.5 }] })],
]

/** These do. */
const flawsInTime: typeof flaws = [
  ['a clock that is wrong', (good) => toJson({ ...good, created_at: Date.UTC(2099, 0, 1) })],
]

function toJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}
