/** What a harness is told, and the records that it makes of it, by the rules for outputs. */
import type { SharedLoader } from '../actors/handlers/shared-data.ts'
import { describeError, fromWireError, type WireError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { KnownSchemas } from '../streams/flows/contract.ts'
import { EffectEncoder } from '../streams/flows/effect-encoder.ts'
import type { Key, RecordOptions, Topic } from '../streams/flows/flow.ts'
import type { SourceRecord } from '../streams/record.ts'

export interface HarnessOptions {
  /** What the handler and its set-up log to. Default: nothing is logged. */
  readonly log?: Log
  /** As the actor's option. Default 5,000. */
  readonly handlerTimeoutMs?: number
  /** What the handler's set-up gets by `shared(name)`. Default: nothing. */
  readonly shared?: Readonly<Record<string, SharedLoader>>
}

/** Where the record stands and how often it was tried; whatever is left out has a fixed default. */
export interface SendOptions<GivenKey = Key> extends RecordOptions<GivenKey> {
  /** Default 0. */
  readonly partition?: number
  /** Default: 0, and one more with each record sent. */
  readonly offset?: number
  /** Milliseconds since the Unix epoch. Default: 2026-01-01T00:00:00Z, so that outcomes repeat. */
  readonly timestamp?: number
  /** Default 1. */
  readonly attempt?: number
}

const FIRST_TIMESTAMP_MS = Date.UTC(2026, 0, 1)

/** A value as the topic has it; null is a tombstone. */
export function bytesOf<Value>(
  input: Topic<Value, string, unknown>,
  value: Value,
  schemas: KnownSchemas,
): Uint8Array | null {
  const encoded = new EffectEncoder([input], schemas).encode(input.record(value))
  return encoded.type === 'record' ? encoded.record.value : null
}

export class RecordMaker<Value> {
  readonly #input: Topic<Value, string, unknown>
  readonly #schemas: KnownSchemas
  #nextOffset = 0

  constructor(input: Topic<Value, string, unknown>, schemas: KnownSchemas) {
    this.#input = input
    this.#schemas = schemas
  }

  /** The bytes of a key, by the rules for outputs. Throws where it is none. */
  keyOf(key: unknown): Uint8Array {
    const bytes = this.next(null, { key, offset: this.#nextOffset - 1 }).key
    if (bytes === null) throw new TypeError('state is kept by key, and this is none')
    return bytes
  }

  next(value: Uint8Array | null, options: SendOptions<unknown>): SourceRecord {
    const { attempt: _, offset = this.#nextOffset, partition = 0, timestamp = FIRST_TIMESTAMP_MS, ...rest } = options
    this.#nextOffset = offset + 1
    const input = this.#input
    // Keys and headers become bytes by the rules for outputs; of a value there is none, whatever its codec makes of null.
    const encoded = new EffectEncoder([{ ...input, tombstones: true }], this.#schemas).encode({
      type: 'record',
      topic: input.name,
      value: null,
      options: rest,
    })
    const { key = null, headers = [] } = encoded.type === 'record' ? encoded.record : {}
    return { topic: input.name, partition, offset, timestamp, key, value, headers }
  }
}

export function reasonOf(error: WireError): string {
  return describeError(fromWireError(error))
}
