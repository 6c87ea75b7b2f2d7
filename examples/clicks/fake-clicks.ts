/**
 * Makes up clicks, a share of them broken in every way that clicks can be. The same seed and clock
 * give the same clicks.
 */
import { createRandom, pick, type Random } from '../pipeline/random.ts'

export interface FakeClick {
  /** The user's id as text; null for some of the broken ones. */
  readonly key: string | null
  readonly value: Buffer | null
  readonly headers: Readonly<Record<string, string | string[]>>
  /** What is wrong with it; undefined for a good click. */
  readonly flaw: string | undefined
}

export interface FakeClickOptions {
  readonly seed: number
  /** 0..1 */
  readonly brokenShare: number
  readonly now: () => number
}

type Fields = Record<string, unknown>

const USERS = 10_000
/** Share of clicks that repeat the user and time of the click before: two tabs opened at once. The last one keeps the row. */
const TWIN_SHARE = 0.002

export function createFakeClicks({ seed, brokenShare, now }: FakeClickOptions): () => FakeClick {
  const random = createRandom(seed)
  const lastTimes = new Float64Array(USERS + 1)
  let previous: Fields | undefined

  function makeGoodFields(): Fields {
    if (previous !== undefined && random() < TWIN_SHARE) return { ...previous, url: makeUrl(random) }
    const user = 1 + Math.floor(random() * USERS)
    // One click a user and millisecond, so that user and time tell clicks apart.
    const timeMs = Math.max(now(), (lastTimes[user] ?? 0) + 1)
    lastTimes[user] = timeMs
    previous = {
      user_id: user,
      session_id: user * 1000 + (Math.floor(timeMs / 1_800_000) % 1000),
      timestamp: writeTime(timeMs, random),
      url: makeUrl(random),
      ip: makeAddress(random),
    }
    return previous
  }

  return () => {
    const fields = makeGoodFields()
    const key = String(fields['user_id'])
    const headers: FakeClick['headers'] = random() < 0.1 ? { source: 'web', tag: ['a', 'b'] } : {}
    if (random() >= brokenShare) return { key, value: toJson(fields), headers, flaw: undefined }
    const [flaw, damage] = pick(flaws, random)
    return { key: random() < 0.3 ? null : key, value: damage(fields), headers, flaw }
  }
}

const flaws: readonly (readonly [flaw: string, damage: (good: Fields) => Buffer | null])[] = [
  ['no value', () => null],
  ['empty', () => Buffer.alloc(0)],
  ['not JSON', (good) => toJson(good).subarray(0, 40)],
  ['a JSON array', (good) => toJson([good])],
  ['a JSON number', () => toJson(42)],
  ['JSON null', () => toJson(null)],
  ['no user_id', (good) => toJson({ ...good, user_id: undefined })],
  ['user_id is text', (good) => toJson({ ...good, user_id: String(good['user_id']) })],
  ['user_id is a fraction', (good) => toJson({ ...good, user_id: 1.5 })],
  ['user_id is beyond 2^53', (good) => replaceText(good, /"user_id":\d+/, '"user_id":9007199254740993')],
  ['a time that is none', (good) => toJson({ ...good, timestamp: 'yesterday' })],
  ['a day that is none', (good) => toJson({ ...good, timestamp: '2026-02-30T12:00:00Z' })],
  ['a time without a zone', (good) => toJson({ ...good, timestamp: '2026-02-03T12:00:00' })],
  ['an address that is none', (good) => toJson({ ...good, ip: '300.1.2.3' })],
  ['a host name for an address', (good) => toJson({ ...good, ip: 'localhost' })],
  ['an address with a zone', (good) => toJson({ ...good, ip: 'fe80::1%eth0' })],
  ['bytes that are no UTF-8', (good) => Buffer.concat([toJson(good).subarray(0, -2), Buffer.from([0xff, 0x22, 0x7d])])],
]

function toJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}

function replaceText(fields: Fields, pattern: RegExp, text: string): Buffer {
  return Buffer.from(JSON.stringify(fields).replace(pattern, text))
}

function makeUrl(random: Random): string {
  const page = pick(['', 'cart', 'café', 'products/', 'search?q='], random)
  return `https://shop.example/${page}${page.endsWith('/') || page.endsWith('=') ? String(Math.floor(random() * 5000)) : ''}`
}

function makeAddress(random: Random): string {
  const byte = (): string => String(Math.floor(random() * 256))
  const group = (): string => Math.floor(random() * 0x10000).toString(16)
  const kind = random()
  if (kind < 0.8) return `${String(1 + Math.floor(random() * 223))}.${byte()}.${byte()}.${byte()}`
  if (kind < 0.95) return `${pick(['2001:4860', '2a00:1450', '2606:4700', '240e:e0'], random)}::${group()}:${group()}`
  return pick(
    [`10.${byte()}.0.1`, `192.168.${byte()}.7`, '127.0.0.1', '::1', `fe80::${group()}`, `fd00::${group()}`],
    random,
  )
}

const zones: readonly (readonly [name: string, offsetMinutes: number])[] = [
  ['Z', 0],
  ['+02:00', 120],
  ['-05:00', -300],
  ['+05:30', 330],
]

function writeTime(timeMs: number, random: Random): string {
  const [name, offsetMinutes] = pick(zones, random)
  return new Date(timeMs + offsetMinutes * 60_000).toISOString().replace('Z', name)
}
