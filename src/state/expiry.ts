/**
 * Finds values that are too old, a stretch of the store behind each checkpoint. Nobody can see them any more, so when they are
 * deleted is only a matter of room; an index by time would cost each value more than that.
 *
 * By the stream time of a position: whatever record is still to be handled has a later one, so it would not see them either.
 *
 * A stretch is a multiple of what has changed meanwhile, or a store that takes new keys all the time would grow without bound:
 * with `STRETCH` times as many it has at most a third more than what is not too old, and an eighth of the time in between.
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

/** Looked through behind each checkpoint, for each key that has changed in it. */
const STRETCH = 4
/** And besides, of entries that take no more than so many bytes. */
const MORE_KEYS = 256
const MORE_BYTES = 64 * 1024
/** Looked through at once, as far as the store gives so few. */
const KEYS_A_STEP = 256
/** A round begins when stream time has gone on by this share of the shortest `ttlMs`. */
const ROUND_SHARE = 1 / 8

export class Expiry {
  readonly #timed: readonly TimedState[]
  readonly #roundMs: number
  /** null: between two rounds. */
  #round: { readonly place: WalkPlace | null } | null = null
  /** Stream time from which the next round may begin. */
  #nextRoundAt = Number.NEGATIVE_INFINITY
  /** Entries that may still be looked through; below 0: the store has given more than was asked for. */
  #allowed = 0

  /** `prefixes` of their keys in the store. */
  constructor(shapes: readonly StateShape[], prefixes: readonly Uint8Array[]) {
    this.#timed = shapes.flatMap(({ ttlMs }, at) => (ttlMs === null ? [] : [{ at, ttlMs, prefix: prefixes[at]! }]))
    this.#roundMs = Math.min(...this.#timed.map(({ ttlMs }) => ttlMs)) * ROUND_SHARE
  }

  /** Of the next stretch, step by step; in between the store may be written. `changed`: keys since the last stretch. */
  *find(store: StateStore, streamTime: number, changed: number): Generator<readonly ExpiredKey[]> {
    if (this.#timed.length === 0) return
    const fitting = Math.max(1, Math.floor((MORE_BYTES * store.keyCount) / Math.max(1, store.byteCount)))
    const more = STRETCH * changed + Math.min(MORE_KEYS, fitting)
    this.#allowed = Math.min(this.#allowed, 0) + more
    while (this.#allowed > 0) {
      if (this.#round === null) {
        if (streamTime < this.#nextRoundAt) return
        this.#nextRoundAt = streamTime + this.#roundMs
        this.#round = { place: null }
      }
      const { entries, next } = store.walk(this.#round.place, Math.min(this.#allowed, KEYS_A_STEP), TIME_AT_BYTES)
      this.#round = next === null ? null : { place: next }
      this.#allowed -= entries.length
      yield entries.flatMap(([key, bytes]) => this.#expiredOf(key, bytes, streamTime) ?? [])
    }
  }

  isExpired(at: number, { timeMs }: StateValue, streamTime: number): boolean {
    const state = this.#timed.find((each) => each.at === at)
    return state !== undefined && timeMs !== null && streamTime - timeMs >= state.ttlMs
  }

  #expiredOf(key: Uint8Array, bytes: Uint8Array, streamTime: number): ExpiredKey | null {
    const state = this.#timed.find(({ prefix }) => beginsWith(key, prefix))
    if (state === undefined || !this.isExpired(state.at, StateValue.read(bytes), streamTime)) return null
    return { at: state.at, key: Buffer.from(key.subarray(state.prefix.byteLength)).toString('latin1') }
  }
}

function beginsWith(key: Uint8Array, prefix: Uint8Array): boolean {
  if (key.byteLength < prefix.byteLength) return false
  for (let at = 0; at < prefix.byteLength; at += 1) if (key[at] !== prefix[at]) return false
  return true
}
