/**
 * Makes up payments by card: some cards are used in quick succession, some payments are far above what the card usually pays,
 * some come out of order, some are broken in every way that payments can be. The same seed and clock give the same payments.
 */
import { createRandom, pick, type Random } from '../pipeline/random.ts'
import type { Payment } from './flows.ts'

export interface FakePayment {
  /** The card; null for some of the broken ones. */
  readonly key: string | null
  readonly value: Buffer | null
  /** When it is sent. */
  readonly timestamp: number
  /** What is wrong with it; undefined for a good payment. */
  readonly flaw: string | undefined
}

export interface FakePaymentOptions {
  readonly seed: number
  /** 0..1 */
  readonly brokenShare: number
  readonly cards: number
  /** Of the payments' time. */
  readonly now: () => number
}

interface Card {
  readonly id: string
  readonly usualCents: number
  /** Its last payments. */
  readonly times: number[]
}

interface PlannedUse {
  readonly card: Card
  readonly atMs: number
}

/** Share of payments that are the first of several in quick succession. */
const BURST_SHARE = 0.002
const BURST_WITHIN_MS = 45_000
const LARGE_SHARE = 0.01
const DELAYED_SHARE = 0.02
const MAX_DELAY_MS = 3_000

const countries = ['DE', 'FR', 'PL', 'SE', 'US', 'BR'] as const
const MERCHANTS = 300

export function createFakePayments({ brokenShare, cards: count, now, seed }: FakePaymentOptions): () => FakePayment {
  const random = createRandom(seed)
  const beginMs = now()
  // Each run has cards of its own: what an earlier one has paid is not usual for them.
  const run = Math.floor(beginMs / 60_000).toString(36)
  const cards = Array.from({ length: count }, (_, index): Card => ({
    id: `${run}-${String(index + 1)}`,
    usualCents: 500 + Math.floor(random() * 20_000),
    times: [],
  }))
  const planned: PlannedUse[] = []
  let made = 0

  function planBurst(card: Card, fromMs: number): void {
    const uses = 3 + Math.floor(random() * 7)
    for (let use = 0; use < uses; use += 1) planned.push({ card, atMs: fromMs + random() * BURST_WITHIN_MS })
    planned.sort((a, b) => a.atMs - b.atMs)
  }

  return () => {
    const timestamp = now()
    made += 1
    const isPlanned = (planned[0]?.atMs ?? Infinity) <= timestamp
    const card = (isPlanned ? planned.shift()?.card : undefined) ?? pick(cards, random)
    const delayMs = random() < DELAYED_SHARE ? Math.ceil(random() * MAX_DELAY_MS) : 0
    const at = takeTime(card, Math.max(beginMs, timestamp - delayMs))
    if (!isPlanned && random() < BURST_SHARE) planBurst(card, timestamp)
    const payment = makePayment(`${run}-p${String(made)}`, card, at, random)
    if (random() >= brokenShare) return { key: card.id, value: toJson(payment), timestamp, flaw: undefined }
    const [flaw, damage] = pick(flaws, random)
    return { key: card.id, ...damage(payment), timestamp, flaw }
  }
}

/** One a card and millisecond, so that its payments can be told apart. */
function takeTime({ times }: Card, wantedMs: number): number {
  let at = wantedMs
  while (times.includes(at)) at += 1
  times.push(at)
  if (times.length > 50) times.shift()
  return at
}

function makePayment(id: string, { id: card, usualCents }: Card, at: number, random: Random): Payment {
  const times = random() < LARGE_SHARE ? 2 + random() * 8 : 0.6 + random() * 0.8
  return {
    payment_id: id,
    card,
    cents: Math.max(1, Math.round(usualCents * times)),
    merchant: `M-${String(100 + Math.floor(random() * MERCHANTS))}`,
    country: pick(countries, random),
    at,
  }
}

type Damage = (good: Payment) => { readonly key?: string | null; readonly value: Buffer | null }

const flaws: readonly (readonly [flaw: string, damage: Damage])[] = [
  ['no value', () => ({ value: null })],
  ['empty', () => ({ value: Buffer.alloc(0) })],
  ['not JSON', (good) => ({ value: toJson(good).subarray(0, 30) })],
  ['a list', (good) => ({ value: toJson([good]) })],
  ['no card', (good) => ({ value: toJson({ ...good, card: undefined }) })],
  ["another card's key", (good) => ({ key: `${good.card}0`, value: toJson(good) })],
  ['no key', (good) => ({ key: null, value: toJson(good) })],
  ['an amount that is text', (good) => ({ value: toJson({ ...good, cents: String(good.cents) }) })],
  ['half a cent', (good) => ({ value: toJson({ ...good, cents: good.cents + 0.5 }) })],
  ['nothing paid', (good) => ({ value: toJson({ ...good, cents: 0 }) })],
  ['no merchant', (good) => ({ value: toJson({ ...good, merchant: null }) })],
  ['a time that is text', (good) => ({ value: toJson({ ...good, at: new Date(good.at).toISOString() }) })],
  ['a time that was never set', (good) => ({ value: toJson({ ...good, at: 0 }) })],
]

function toJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}
