/** Reads the records of a topic: with its codecs, and by what it says of tombstones. */
import { TroupeError, isTroupeError } from '../../errors.ts'
import type { Codec } from '../../streams/flows/codec.ts'
import { boundCodec, neededSchema, type KnownSchemas } from '../../streams/flows/contract.ts'
import type { Topic } from '../../streams/flows/flow.ts'
import type { SourceRecord } from '../../streams/record.ts'

export class RecordDecoder {
  readonly #key: Codec<unknown> | undefined
  readonly #value: Codec<unknown>
  readonly #tombstones: boolean

  /** Throws SCHEMA_REGISTRY_MISSING where the topic needs schemas and there are none. */
  constructor(input: Topic<unknown, string, unknown>, schemas: KnownSchemas | undefined) {
    this.#key = input.key === undefined ? undefined : boundCodec(input.key, { topic: input.name, part: 'key' }, schemas)
    this.#value = boundCodec(input.value, { topic: input.name, part: 'value' }, schemas)
    this.#tombstones = input.tombstones
  }

  /** As the topic's codec for keys reads it; the bytes, where it has none. Throws DECODE_FAILED, and what says that a schema is needed. */
  key({ key }: SourceRecord): unknown {
    const codec = this.#key
    if (codec === undefined || key === null) return key
    try {
      return codec.decode(key)
    } catch (error) {
      throw undecoded('key', codec, error)
    }
  }

  /** Throws DECODE_FAILED, and what says that a schema is needed. */
  value(record: SourceRecord): unknown {
    if (record.value === null) {
      if (this.#tombstones) return null
      throw new TroupeError(
        'DECODE_FAILED',
        `topic ${record.topic} has a tombstone (null value) at partition ${record.partition}, offset ${record.offset}, ` +
          'and is declared without `tombstones: true`',
      )
    }
    return this.document(record.value)
  }

  /** A value that is no tombstone, from its bytes. Throws as `value` does. */
  document(bytes: Uint8Array): unknown {
    const codec = this.#value
    let value: unknown
    try {
      value = codec.decode(bytes)
    } catch (error) {
      throw undecoded('value', codec, error)
    }
    if (value === null && this.#tombstones) {
      throw new TroupeError(
        'DECODE_FAILED',
        `the value is a document that codec ${codec.name} reads as null, and on a topic with tombstones null is the ` +
          'tombstone: let the codec (`check` of json) return something else for it',
      )
    }
    return value
  }
}

/** DECODE_FAILED with this cause. A schema that is needed is no failure, and one that the registry does not have says more by itself. */
function undecoded(part: 'key' | 'value', { name }: Codec<unknown>, cause: unknown): unknown {
  if (neededSchema(cause) !== undefined || (isTroupeError(cause) && cause.code === 'SCHEMA_UNKNOWN')) return cause
  return new TroupeError('DECODE_FAILED', `the ${part} is not what codec ${name} expects`, { cause })
}
