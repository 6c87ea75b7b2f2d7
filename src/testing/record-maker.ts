/** Makes records of what a test sends, by the rules for outputs. */
import { EffectEncoder, type Topic } from '../streams/flows/flow.ts'
import type { SourceRecord } from '../streams/record.ts'
import type { SendOptions } from './harness.ts'

const FIRST_TIMESTAMP_MS = Date.UTC(2026, 0, 1)

/** A value as the topic has it; null is a tombstone. */
export function bytesOf<Value>(input: Topic<Value>, value: Value): Uint8Array | null {
  const encoded = new EffectEncoder([input]).encode(input.record(value))
  return encoded.type === 'record' ? encoded.record.value : null
}

export class RecordMaker<Value> {
  readonly #input: Topic<Value>
  #nextOffset = 0

  constructor(input: Topic<Value>) {
    this.#input = input
  }

  next(value: Uint8Array | null, options: SendOptions): SourceRecord {
    const { attempt: _, offset = this.#nextOffset, partition = 0, timestamp = FIRST_TIMESTAMP_MS, ...rest } = options
    this.#nextOffset = offset + 1
    const input = this.#input
    // Keys and headers become bytes by the rules for outputs.
    const encoded = new EffectEncoder([input]).encode({ type: 'record', topic: input.name, value: null, options: rest })
    const { key = null, headers = [] } = encoded.type === 'record' ? encoded.record : {}
    return { topic: input.name, partition, offset, timestamp, key, value, headers }
  }
}
