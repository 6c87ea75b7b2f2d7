/**
 * Finds values that are too old, a stretch of the store at a time. Nobody can see them any more, so when they are deleted is
 * only a matter of room; an index by time would cost each value more than that.
 *
 * By the stream time of the position: whatever record is still to be handled has a later one, so it would not see them either.
 */
import type { StateShape } from './state-shape.ts'
import { StateValue, TIME_AT_BYTES } from './state-value.ts'
import type { StateStore, WalkPlace } from './store.ts'

interface TimedState {
  readonly at: number
  readonly ttlMs: number
  readonly prefix: Uint8Array
}

export interface ExpiredKey {
  readonly at: number
  /** As latin-1. */
  readonly key: string
}

/** Looked through by one checkpoint, as far as the store does not give more in one step. */
const MAX_KEYS = 256
const MAX_BYTES = 64 * 1024
/** A round begins when stream time has gone on by this share of the shortest `ttlMs`. */
const ROUND_SHARE = 1 / 8

const none: readonly ExpiredKey[] = []

export class Expiry {
  readonly #timed: readonly TimedState[]
  readonly #roundMs: number
  /** Where a round through all of the store is, whatever the order of that; null: between two rounds. */
  #place: { readonly from: WalkPlace | null } | null = null
  /** Stream time from which the next round may begin. */
  #nextRoundAt = Number.NEGATIVE_INFINITY

  /** `prefixes` of their keys in the store. */
  constructor(shapes: readonly StateShape[], prefixes: readonly Uint8Array[]) {
    this.#timed = shapes.flatMap(({ ttlMs }, at) => {
      const prefix = prefixes[at]!
      return ttlMs === null ? [] : [{ at, ttlMs, prefix }]
    })
    this.#roundMs = Math.min(...this.#timed.map(({ ttlMs }) => ttlMs)) * ROUND_SHARE
  }

  /** Of the next stretch. */
  find(store: StateStore, streamTime: number | null): readonly ExpiredKey[] {
    if (this.#timed.length === 0 || streamTime === null) return none
    if (this.#place === null) {
      if (streamTime < this.#nextRoundAt) return none
      this.#nextRoundAt = streamTime + this.#roundMs
      this.#place = { from: null }
    }
    const limit = Math.max(
      1,
      Math.min(MAX_KEYS, Math.floor((MAX_BYTES * store.keyCount) / Math.max(1, store.byteCount))),
    )
    const { entries, next } = store.walk(this.#place.from, limit, TIME_AT_BYTES)
    this.#place = next === null ? null : { from: next }
    return entries.flatMap(([key, bytes]) => {
      const timed = this.#timed.find(({ prefix }) => beginsWith(key, prefix))
      if (timed === undefined) return []
      const { timeMs } = StateValue.read(bytes)
      if (timeMs === null || streamTime - timeMs < timed.ttlMs) return []
      return [{ at: timed.at, key: Buffer.from(key.subarray(timed.prefix.byteLength)).toString('latin1') }]
    })
  }
}

function beginsWith(key: Uint8Array, prefix: Uint8Array): boolean {
  return prefix.every((byte, at) => key[at] === byte)
}
