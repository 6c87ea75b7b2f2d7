/**
 * Bytes to values and back. A codec runs where the handler runs, so on a worker thread when the
 * handler does. Whatever it throws dead-letters the record with its raw bytes.
 */
import { isUtf8 } from 'node:buffer'

export interface Codec<Value> {
  /** Shown in the manifest and in errors: `json`, `text`, `bytes`, `avro`. */
  readonly name: string
  decode(bytes: Uint8Array): Value
  encode(value: Value): Uint8Array
}

/** JSON in UTF-8. `check` turns what was parsed into a value of your type, or throws. */
export function json<Value>(check?: (parsed: unknown) => Value): Codec<Value> {
  return {
    name: 'json',
    decode(bytes) {
      const parsed: unknown = JSON.parse(utf8(bytes))
      return check === undefined ? (parsed as Value) : check(parsed)
    },
    encode: (value) => Buffer.from(JSON.stringify(value), 'utf8'),
  }
}

/** Text in UTF-8. */
export const text: Codec<string> = {
  name: 'text',
  decode: utf8,
  encode: (value) => Buffer.from(value, 'utf8'),
}

/** The bytes as they are. */
export const bytes: Codec<Uint8Array> = {
  name: 'bytes',
  decode: (value) => value,
  encode: (value) => value,
}

// Buffer's own decoder replaces bad bytes by U+FFFD and says nothing, so they are looked for first.
function utf8(value: Uint8Array): string {
  if (!isUtf8(value)) throw new Error('the bytes are not UTF-8')
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8')
}
