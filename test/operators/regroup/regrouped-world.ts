/** An app that counts per minute and region, by way of a repartition topic, at a fake broker; and what a plain look at its input makes of it. */
import type { Front, Operator } from '../../../src/operators/operator.ts'
import { json, text } from '../../../src/streams/flows/codec.ts'
import { topic } from '../../../src/streams/flows/flow.ts'
import type { Engine } from '../../../src/supervisor/engine.ts'
import { ExactlyOnceWorld } from '../../streams/delivery/checkpoint/exactly-once-world.ts'

export const MINUTE_MS = 60_000
const GRACE_MS = 10_000
export const repartition = 'group-copy-repartition'

export interface Order {
  readonly region: string | null
  readonly cents: number
  readonly atMs: number
}

export const orders = topic('in', { value: json<Order>(), time: ({ atMs }) => atMs })
export const totals = topic('out', { key: text, value: text })

type Open = Readonly<Record<string, number>>

const closesAt = (startMs: number): number => startMs + MINUTE_MS + GRACE_MS
const minuteOf = ({ atMs }: Order): number => Math.floor(atMs / MINUTE_MS) * MINUTE_MS
const finalOf = (region: string, startMs: number, cents: number): string => `${startMs / MINUTE_MS} ${region} ${cents}`

export const perMinute = (front: Front): Operator => ({
  kind: 'operator',
  what: 'per minute',
  front,
  inputs: [orders],
  outputs: [totals],
  states: [{ name: 'open', codec: { ...json<unknown>(), name: 'minutes' }, ttlMs: null }],
  maxAdvanceMs: null,
  idleAfterMs: null,
  take({ key, keyText, sourceTimeMs, streamTimeMs, value }, kept) {
    if (keyText === null) return { effects: [{ effect: totals.record('aside null-key') }], aside: 'null-key' }
    const order = value as Order
    const startMs = minuteOf(order)
    if (closesAt(startMs) <= sourceTimeMs)
      return { effects: [{ effect: totals.record(`late ${String(key)} ${order.cents}`) }], aside: 'late' }
    if (closesAt(startMs) <= streamTimeMs) throw new Error('closed, and not late by its own source')
    const before = (kept.get(0, keyText) ?? {}) as Open
    const open = { ...before, [startMs]: (before[startMs] ?? 0) + order.cents }
    kept.set(0, keyText, open)
    kept.setTimer(keyText, Math.min(...Object.keys(open).map(Number).map(closesAt)))
    return { effects: [] }
  },
  due({ dueMs, key, keyText }, kept) {
    const open = kept.get(0, keyText) as Open
    const starts = Object.keys(open).map(Number)
    const left = Object.fromEntries(Object.entries(open).filter(([startMs]) => closesAt(Number(startMs)) > dueMs))
    const isEmpty = Object.keys(left).length === 0
    kept.set(0, keyText, isEmpty ? undefined : left)
    kept.setTimer(keyText, isEmpty ? null : Math.min(...Object.keys(left).map(Number).map(closesAt)))
    const region = String(key)
    return {
      effects: starts
        .filter((startMs) => closesAt(startMs) <= dueMs)
        .sort((a, b) => a - b)
        .map((startMs) => ({ effect: totals.record(finalOf(region, startMs, open[startMs] ?? 0), { key: region }) })),
    }
  },
})

export const byRegion: Front = { by: ({ region }: Order) => region }

export class RegroupedWorld extends ExactlyOnceWorld {
  constructor(partitions = 3) {
    super({ partitions })
  }

  count(name = 'a', operator = perMinute(byRegion), overrides: object = {}): Promise<Engine> {
    return this.start(name, {
      ...overrides,
      actor: { handler: operator, retry: { attempts: 3, backoffMs: 100, jitter: 0 } },
    })
  }

  order(partition: number, order: Order): void {
    this.broker.append('in', { value: JSON.stringify(order), key: 'o', partition })
  }

  /** The finals, without what went aside, in the order in which each region has them. */
  finals(): Record<string, string[]> {
    const byKey: Record<string, string[]> = {}
    for (const value of this.read()) {
      const [minute, region = ''] = value.split(' ')
      if (Number.isNaN(Number(minute))) continue
      ;(byKey[region] ??= []).push(value)
    }
    return byKey
  }
}

/** What each partition's records come to, when a minute is closed once all partitions with records are past it. */
export function expectedFinals(inputs: readonly (readonly Order[])[]): Record<string, string[]> {
  const sums = new Map<string, Map<number, number>>()
  let leastMs = Infinity
  for (const input of inputs) {
    let timeMs = -1
    for (const order of input) {
      timeMs = Math.max(timeMs, order.atMs)
      const startMs = minuteOf(order)
      if (order.region === null || closesAt(startMs) <= timeMs) continue
      const ofRegion = sums.get(order.region) ?? new Map<number, number>()
      ofRegion.set(startMs, (ofRegion.get(startMs) ?? 0) + order.cents)
      sums.set(order.region, ofRegion)
    }
    if (input.length > 0) leastMs = Math.min(leastMs, timeMs)
  }
  const finals: Record<string, string[]> = {}
  for (const [region, ofRegion] of sums) {
    const closed = [...ofRegion].filter(([startMs]) => closesAt(startMs) <= leastMs).sort(([a], [b]) => a - b)
    if (closed.length > 0) finals[region] = closed.map(([startMs, cents]) => finalOf(region, startMs, cents))
  }
  return finals
}
