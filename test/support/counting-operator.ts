/** A small operator: how many records of a key come within a minute of its first one. */
import { nothing, type Operator } from '../../src/operators/operator.ts'
import { json, text } from '../../src/streams/flows/codec.ts'
import { topic } from '../../src/streams/flows/flow.ts'

export const MINUTE_MS = 60_000

export interface Count {
  readonly sinceMs: number
  readonly records: number
}

const clicks = topic('clicks', { key: text, value: json<{ page: string }>() })
export const counts = topic('counts', { key: text, value: json<number>() })
export const running = topic('running', { key: text, value: json<number>() })

const endless: { self?: unknown } = {}
endless.self = endless

/** What some pages leave in what is kept of their key. */
const unfit: Readonly<Record<string, object>> = {
  endless: { last: endless },
  large: { text: 'x'.repeat(1_100_000) },
}

export const counting: Operator = {
  kind: 'operator',
  what: 'counting',
  inputs: [clicks],
  outputs: [counts, running],
  states: [{ name: 'open', codec: { ...json<unknown>(), name: 'count of a minute' }, ttlMs: null }],
  maxAdvanceMs: null,
  idleAfterMs: null,
  take({ keyText, timeMs, value }, kept) {
    const { page } = value as { page: string }
    if (page === 'bad') throw new Error('no such page')
    if (page === 'nowhere') return { effects: [], deadLetter: 'it is nowhere' }
    if (page === 'future') return { effects: [], aside: 'far-future', deadLetter: 'it is too far ahead' }
    if (keyText === null) return { effects: [], aside: 'null-key' }
    const before = kept.get(0, keyText) as Count | undefined
    const count = { ...before, sinceMs: before?.sinceMs ?? timeMs, records: (before?.records ?? 0) + 1 }
    kept.set(0, keyText, page in unfit ? { ...count, ...unfit[page] } : count)
    kept.setTimer(keyText, count.sinceMs + MINUTE_MS)
    if (page !== 'tell') return nothing
    return { effects: [{ effect: running.record(count.records, { key: keyText }), lastOf: keyText }] }
  },
  due({ dueMs, keyText }, kept) {
    const { records } = kept.get(0, keyText) as Count
    kept.set(0, keyText, undefined)
    return { effects: [{ effect: counts.record(records, { key: keyText, timestamp: dueMs }) }] }
  },
}
