/** Makes up events, a share of them broken in every way that events can be. The same seed and clock give the same events. */
import { createRandom, pick, type Random } from '../pipeline/random.ts'
import type { ShopEvent } from './flows.ts'
import { UNLUCKY_USER } from './plans.ts'

export interface FakeEvent {
  /** The user's id as text; null for some of the broken ones. */
  readonly key: string | null
  readonly value: Buffer | null
  /** What is wrong with it; undefined for a good event. */
  readonly flaw: string | undefined
}

export interface FakeEventOptions {
  readonly seed: number
  /** 0..1 */
  readonly brokenShare: number
  readonly now: () => number
}

const USERS = 5000

export function createFakeEvents({ seed, brokenShare, now }: FakeEventOptions): () => FakeEvent {
  const random = createRandom(seed)
  const startMs = now()
  let count = 0

  return () => {
    count += 1
    const user = pickUser(random)
    const [type, makeData] = pick(types, random)
    const event: ShopEvent = {
      // The start is part of it, so that another run makes other events.
      event_id: `${startMs.toString(36)}-${seed}-${count}`,
      event_type: type,
      user_id: user,
      timestamp: new Date(now()).toISOString(),
      data: makeData(random),
    }
    if (random() >= brokenShare) return { key: String(user), value: toJson(event), flaw: undefined }
    const [flaw, damage] = pick(flaws, random)
    return { key: random() < 0.3 ? null : String(user), value: damage(event), flaw }
  }
}

function pickUser(random: Random): number {
  const user = 1 + Math.floor(random() * USERS)
  return user === UNLUCKY_USER ? USERS + 1 : user
}

const types: readonly (readonly [type: string, makeData: (random: Random) => ShopEvent['data']])[] = [
  ['page.viewed', (random) => ({ path: `/products/${Math.floor(random() * 5000)}` })],
  ['cart.filled', (random) => ({ product: Math.floor(random() * 5000), count: 1 + Math.floor(random() * 3) })],
  ['order.placed', (random) => ({ cents: 100 + Math.floor(random() * 20_000), currency: 'EUR' })],
  ['user.greeted', () => ({ text: 'café, déjà vu', nested: { list: [1, null, 'x'] } })],
]

const flaws: readonly (readonly [flaw: string, damage: (good: ShopEvent) => Buffer | null])[] = [
  ['no value', () => null],
  ['not JSON', (good) => toJson(good).subarray(0, 30)],
  ['a list', (good) => toJson([good])],
  ['no event_id', (good) => toJson({ ...good, event_id: undefined })],
  ['event_id is empty', (good) => toJson({ ...good, event_id: '' })],
  ['no event_type', (good) => toJson({ ...good, event_type: null })],
  ['user_id is text', (good) => toJson({ ...good, user_id: String(good.user_id) })],
  ['a time that is none', (good) => toJson({ ...good, timestamp: 'yesterday' })],
  ['no data', (good) => toJson({ ...good, data: undefined })],
  ['data that is a list', (good) => toJson({ ...good, data: [] })],
  ['nothing but data', (good) => toJson({ data: good.data })],
  ['a user at whom a service fails', (good) => toJson({ ...good, user_id: UNLUCKY_USER })],
]

function toJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}
