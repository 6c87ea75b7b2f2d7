/** Text and its bytes in UTF-8, where what is neither would silently become something else. */
import { isUtf8 } from 'node:buffer'

/** The text that these bytes are. Buffer's own decoder replaces bad ones by U+FFFD and says nothing, so they are looked for first. */
export function utf8(value: Uint8Array): string {
  if (!isUtf8(value)) throw new Error('the bytes are not UTF-8')
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8')
}

/** The other way round: half of a surrogate pair would be written as U+FFFD, and two texts become one. */
export function utf8Bytes(value: string, what = 'text'): Uint8Array {
  return encoded(wellFormed(value, what))
}

/** A call into the runtime costs more than so many characters by hand. */
const SHORT = 24

/** A text that is well-formed, as UTF-8. */
export function encoded(text: string): Uint8Array {
  const { length } = text
  if (length > SHORT) return Buffer.from(text, 'utf8')
  const bytes = Buffer.allocUnsafe(length)
  for (let at = 0; at < length; at += 1) {
    const code = text.charCodeAt(at)
    if (code > 0x7f) return Buffer.from(text, 'utf8')
    bytes[at] = code
  }
  return bytes
}

/** `what` is told in the error. */
export function wellFormed(value: unknown, what = 'text'): string {
  if (typeof value !== 'string')
    throw new TypeError(`the ${what} has to be text, and is ${value === null ? 'null' : typeof value}`)
  if (!value.isWellFormed())
    throw new TypeError(`the ${what} is no valid Unicode: ${JSON.stringify(value.slice(0, 200))}`)
  return value
}
