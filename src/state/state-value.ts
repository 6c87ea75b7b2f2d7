/**
 * A value of a state, as changelog and stores have it:
 *
 *     form      1 byte: 0 as it is, 1 with a time
 *     time      8 bytes, where it has one: stream time when it was set, a double, big-endian
 *     payload   what the codec has written
 *
 * A value never changes: who sets another one makes another one. So what was frozen stays what it was.
 */
import { TroupeError } from '../errors.ts'
import type { Codec } from '../streams/flows/contract.ts'

const PLAIN = 0
const TIMED = 1
const TIME_BYTES = 8
const COUNTS = 1_024
/** Of a value's first bytes, so many tell its time. */
export const TIME_AT_BYTES = 1 + TIME_BYTES

/** More than a number takes. */
export const SMALL_VALUE_BYTES = 40

/** Stands for "nobody has read it yet"; a state may have undefined as little as JSON may. */
export const unread: unique symbol = Symbol('unread')

export class StateValue {
  /** Whole numbers below `COUNTS`: what counts is kept most, and all keys may share what never changes. */
  static readonly #counts: StateValue[] = []
  /** What the codec makes of it, where that is a primitive: it cannot be changed by whoever gets it. */
  live: unknown
  /** Stream time when it was set; null: its state forgets nothing. */
  readonly timeMs: number | null
  #bytes: Uint8Array | null
  /** What makes its bytes of it; null: it is a primitive of the default codec, or has them. */
  readonly #codec: Codec<unknown> | null

  private constructor(
    bytes: Uint8Array | null,
    live: unknown,
    timeMs: number | null,
    codec: Codec<unknown> | null = null,
  ) {
    this.#bytes = bytes
    this.live = live
    this.timeMs = timeMs
    this.#codec = codec
  }

  /** A number, boolean or null of the default codec: its bytes are made when somebody asks, which few do before it changes again. */
  static ofPrimitive(value: number | boolean | null, timeMs: number | null): StateValue {
    if (timeMs !== null || typeof value !== 'number' || !(value >= 0 && value < COUNTS) || !Number.isInteger(value)) {
      return new StateValue(null, value, timeMs)
    }
    // Of 0 and -0 the same is written.
    return (StateValue.#counts[value] ??= new StateValue(null, Math.abs(value), null))
  }

  /** The payload is copied: it may be somebody else's. */
  static ofPayload(payload: Uint8Array, timeMs: number | null): StateValue {
    return new StateValue(payloadBytes(payload, timeMs), unread, timeMs)
  }

  /** Of an operator, whose values never change once they are set: its bytes are made when a checkpoint asks for them. */
  static ofLive(value: unknown, codec: Codec<unknown>, timeMs: number | null): StateValue {
    return new StateValue(null, value, timeMs, codec)
  }

  /** The bytes are its own from now on. Throws CHANGELOG_UNREADABLE for a form of a later version. */
  static read(bytes: Uint8Array): StateValue {
    switch (bytes[0]) {
      case PLAIN:
        return new StateValue(bytes, unread, null)
      case TIMED: {
        const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
        return new StateValue(bytes, unread, view.getFloat64(1))
      }
      default: {
        const message = `a state has a value of form ${bytes[0] ?? 'none'}, which this version cannot read`
        throw new TroupeError('CHANGELOG_UNREADABLE', message)
      }
    }
  }

  /** A primitive whose bytes nobody has asked for: they are a few. */
  get isSmall(): boolean {
    return this.#bytes === null && this.#codec === null
  }

  /** Nobody has made its bytes, and nobody knows how many they are. */
  get isUnwritten(): boolean {
    return this.#bytes === null && this.#codec !== null
  }

  /** All of it, as the changelog has it. Of an operator's value it throws what its codec does. */
  get bytes(): Uint8Array {
    this.#bytes ??=
      this.#codec === null
        ? primitiveBytes(this.live as number | boolean | null, this.timeMs)
        : payloadBytes(encoded(this.live, this.#codec), this.timeMs)
    return this.#bytes
  }

  /** What the codec has written: a view. */
  get payload(): Uint8Array {
    return this.bytes.subarray(this.timeMs === null ? 1 : 1 + TIME_BYTES)
  }
}

function primitiveBytes(value: number | boolean | null, timeMs: number | null): Uint8Array {
  const text = String(value)
  const bytes = framed(text.length, timeMs)
  bytes.write(text, bytes.byteLength - text.length, 'latin1')
  return bytes
}

function encoded(value: unknown, codec: Codec<unknown>): Uint8Array {
  const payload: unknown = codec.encode(value)
  if (payload instanceof Uint8Array) return payload
  throw new TypeError(`codec ${codec.name} has made of a value ${typeof payload}, and bytes are needed`)
}

function payloadBytes(payload: Uint8Array, timeMs: number | null): Uint8Array {
  const bytes = framed(payload.byteLength, timeMs)
  bytes.set(payload, bytes.byteLength - payload.byteLength)
  return bytes
}

/** Room for a payload of so many bytes, and what comes before it. */
function framed(payloadBytes: number, timeMs: number | null): Buffer {
  if (timeMs === null) {
    const bytes = Buffer.allocUnsafe(1 + payloadBytes)
    bytes[0] = PLAIN
    return bytes
  }
  const bytes = Buffer.allocUnsafe(1 + TIME_BYTES + payloadBytes)
  bytes[0] = TIMED
  bytes.writeDoubleBE(timeMs, 1)
  return bytes
}

/** More than a few, and they are made. */
export function hasManyBytes(value: StateValue | null): value is StateValue {
  return value !== null && !value.isSmall && !value.isUnwritten
}

/** What these keep, of values that are more than a few bytes. */
export function keptBytesOf(changes: readonly StateChange[]): number {
  let bytes = 0
  for (const { value } of changes) if (hasManyBytes(value)) bytes += value.bytes.byteLength
  return bytes
}

/** What a record has made of one state, or timer, of its key; null: it has deleted it. */
export interface StateChange {
  /** Which of its actor's states it is; after those come its timers. */
  readonly at: number
  readonly value: StateValue | null
  /** Of which key, as latin-1: that of its record unless given. */
  readonly key?: string
}
