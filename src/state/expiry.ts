/**
 * Finds values that are too old, a stretch of the store at a time. Nobody can see them any more, so when they are deleted is
 * only a matter of room; an index by time would cost each value more than that.
 *
 * By the stream time of the position: whatever record is still to be handled has a later one, so it would not see them either.
 */
import type { StateShape } from './state-shape.ts'
import { StateValue } from './state-value.ts'
import type { StateStore } from './store.ts'

interface TimedState {
  readonly at: number
  readonly ttlMs: number
  readonly prefix: Uint8Array
  /** What comes after all of its keys. */
  readonly end: Uint8Array
}

export interface ExpiredKey {
  readonly at: number
  /** As latin-1. */
  readonly key: string
}

/** Looked through by one checkpoint, at most. */
const MAX_KEYS = 256
const MAX_BYTES = 64 * 1024
/** A round begins when stream time has gone on by this share of the shortest `ttlMs`. */
const ROUND_SHARE = 1 / 8

const none: readonly ExpiredKey[] = []

export class Expiry {
  readonly #timed: readonly TimedState[]
  readonly #roundMs: number
  /** Which of them it is at, and where; null: between two rounds. */
  #place: { readonly index: number; readonly from: Uint8Array } | null = null
  /** Stream time from which the next round may begin. */
  #nextRoundAt = Number.NEGATIVE_INFINITY

  /** `prefixes` of their keys in the store. */
  constructor(shapes: readonly StateShape[], prefixes: readonly Uint8Array[]) {
    this.#timed = shapes.flatMap(({ ttlMs }, at) => {
      const prefix = prefixes[at]!
      return ttlMs === null ? [] : [{ at, ttlMs, prefix, end: after(prefix) }]
    })
    this.#roundMs = Math.min(...this.#timed.map(({ ttlMs }) => ttlMs)) * ROUND_SHARE
  }

  /** Of the next stretch. */
  find(store: StateStore, streamTime: number | null): readonly ExpiredKey[] {
    if (this.#timed.length === 0 || streamTime === null) return none
    if (this.#place === null) {
      if (streamTime < this.#nextRoundAt) return none
      this.#nextRoundAt = streamTime + this.#roundMs
      this.#place = { index: 0, from: this.#timed[0]!.prefix }
    }
    const { from, index } = this.#place
    const { at, end, prefix, ttlMs } = this.#timed[index]!
    const limit = Math.max(
      1,
      Math.min(MAX_KEYS, Math.floor((MAX_BYTES * store.keyCount) / Math.max(1, store.byteCount))),
    )
    const entries = store.scan({ from, to: end }, limit)
    this.#place = this.#placeAfter(entries.length < limit ? undefined : entries.at(-1)?.[0], index)
    return entries.flatMap(([key, bytes]) => {
      const { timeMs } = StateValue.read(bytes)
      if (timeMs === null || streamTime - timeMs < ttlMs) return none
      return [{ at, key: Buffer.from(key.subarray(prefix.byteLength)).toString('latin1') }]
    })
  }

  #placeAfter(
    last: Uint8Array | undefined,
    index: number,
  ): { readonly index: number; readonly from: Uint8Array } | null {
    if (last !== undefined) return { index, from: Buffer.concat([last, Uint8Array.of(0)]) }
    const next = this.#timed[index + 1]
    return next === undefined ? null : { index: index + 1, from: next.prefix }
  }
}

/** The least key that none with this prefix comes after: names are ASCII, so their last byte can grow. */
function after(prefix: Uint8Array): Uint8Array {
  const end = Uint8Array.from(prefix)
  end[end.length - 1]! += 1
  return end
}
