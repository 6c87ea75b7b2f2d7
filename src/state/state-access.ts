/** What handlers get as `context.state`: turns values into bytes and back, where the handler runs. */
import { TroupeError, describeError } from '../errors.ts'
import { mayHoldWideInteger } from '../streams/flows/wide-integers.ts'
import type { AttemptState } from './attempt-state.ts'
import {
  defaultCodec,
  type AnyStateOf,
  type DeclaredState,
  type DeclaredStates,
  type KeyedState,
} from './declared-state.ts'
import { SMALL_VALUE_BYTES, StateValue, unread } from './state-value.ts'

/** What a key takes in the changelog besides its own bytes and the name of the state. */
const KEY_FRAME_BYTES = 2

/** Whatever a handler has declared. */
type AnyState = DeclaredState<unknown, unknown>

export type StateAccess = (attempt: AttemptState) => AnyStateOf

/** Of a handler that keeps nothing. */
export const noState: AnyStateOf = Object.freeze({})

/** Makes what an attempt is given; one for each handler. A class of its own, so that nothing is made for a state that is not asked for. */
export function stateAccess(states: DeclaredStates): StateAccess {
  class StatesOfRecord {
    readonly #attempt: AttemptState

    constructor(attempt: AttemptState) {
      this.#attempt = attempt
    }

    // Each time a new one: kept ones would need a list, which costs more than the few that are asked for twice.
    static handle(of: StatesOfRecord, at: number, name: string, declared: AnyState): StateHandle {
      return new StateHandle(of.#attempt, at, name, declared)
    }
  }
  for (const [at, [name, declared]] of Object.entries(states).entries()) {
    Object.defineProperty(StatesOfRecord.prototype, name, {
      enumerable: true,
      get(this: StatesOfRecord) {
        return StatesOfRecord.handle(this, at, name, declared as AnyState)
      },
    })
  }
  return (attempt) => new StatesOfRecord(attempt) as unknown as AnyStateOf
}

class StateHandle implements KeyedState<unknown, unknown> {
  readonly #attempt: AttemptState
  readonly #at: number
  readonly #name: string
  readonly #declared: AnyState

  constructor(attempt: AttemptState, at: number, name: string, declared: AnyState) {
    this.#attempt = attempt
    this.#at = at
    this.#name = name
    this.#declared = declared
  }

  get(): unknown {
    const value = this.#attempt.read(this.#at, this.#key())
    if (value === null || this.#isExpired(value)) return this.#declared.initial?.()
    if (value.live !== unread) return value.live
    const read = this.#decode(value)
    if (isPrimitive(read)) value.live = read
    return read
  }

  set(value: unknown): void {
    const key = this.#key()
    const { maxBytes, ttlMs } = this.#declared
    const timeMs = ttlMs === null ? null : (this.#attempt.streamTime ?? 0)
    const made = this.#encode(value, timeMs)
    const keyBytes = key.length + this.#name.length + KEY_FRAME_BYTES
    if (!made.isSmall || keyBytes + SMALL_VALUE_BYTES > maxBytes) {
      const bytes = keyBytes + made.bytes.byteLength
      if (bytes > maxBytes) {
        throw this.#invalid(`a value and its key take ${bytes} bytes, and it takes ${maxBytes} at most (maxBytes)`)
      }
    }
    this.#attempt.set(this.#at, made)
  }

  delete(): void {
    this.#key()
    this.#attempt.set(this.#at, null)
  }

  update(change: (value: unknown) => unknown): unknown {
    const value = change(this.get())
    this.set(value)
    return value
  }

  #key(): string {
    const { key } = this.#attempt
    if (key !== null) return key
    throw this.#invalid('the record has no key, and state is kept by key: say what is to become of such records first')
  }

  /** By the record's own stream time: it sees what it would see in every replay. */
  #isExpired({ timeMs }: StateValue): boolean {
    const { ttlMs } = this.#declared
    const { streamTime } = this.#attempt
    return ttlMs !== null && timeMs !== null && streamTime !== null && streamTime - timeMs >= ttlMs
  }

  #decode(value: StateValue): unknown {
    const { codec } = this.#declared
    try {
      // Any other may give what it was given, or keep it.
      return codec.decode(codec === defaultCodec ? value.payload : Uint8Array.from(value.payload))
    } catch (cause) {
      const message = `what is kept as state ${this.#name} is not what codec ${codec.name} expects`
      throw new TroupeError('STATE_CHANGED', message, { cause })
    }
  }

  #encode(value: unknown, timeMs: number | null): StateValue {
    const { codec } = this.#declared
    if (codec === defaultCodec && isPlain(value)) return StateValue.ofPrimitive(value, timeMs)
    let payload: unknown
    try {
      payload = codec.encode(value)
    } catch (cause) {
      throw this.#invalid(`a value could not be encoded as ${codec.name}`, cause)
    }
    if (payload instanceof Uint8Array) {
      if (codec.name === defaultCodec.name && mayHoldWideInteger(payload)) this.#readBack(payload)
      return StateValue.ofPayload(payload, timeMs)
    }
    throw this.#invalid(`codec ${codec.name} has made of a value ${typeof payload}, and bytes are needed`)
  }

  /** An integer beyond 2^53 is written as it is, and refused by whoever reads it: each later record of its key would fail. */
  #readBack(payload: Uint8Array): void {
    try {
      this.#declared.codec.decode(payload)
    } catch (cause) {
      throw this.#invalid(`a value is written and could not be read back: ${describeError(cause)}`, cause)
    }
  }

  #invalid(what: string, cause?: unknown): TroupeError {
    return new TroupeError('STATE_INVALID', `state ${this.#name}: ${what}`, cause === undefined ? {} : { cause })
  }
}

/** What the default codec writes without fail, and reads again as the same. */
function isPlain(value: unknown): value is number | boolean | null {
  if (typeof value === 'number') return Number.isInteger(value) ? Number.isSafeInteger(value) : Number.isFinite(value)
  return typeof value === 'boolean' || value === null
}

/** It cannot be changed by whoever gets it. */
function isPrimitive(value: unknown): boolean {
  return typeof value !== 'object' && typeof value !== 'function'
}
