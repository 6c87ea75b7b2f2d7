/**
 * Bytes as text of 15 bits a character, for places that count characters and take any: U+0100 to
 * U+80FF are exactly 2^15 characters, below the surrogates, each one UTF-16 unit and at most three
 * bytes of UTF-8.
 *
 * The bits go in low ones first, bytes and characters alike, so that the bits of one character are
 * neighbours in the order in which CRC-32 sees them.
 */

/** Characters that so many bytes take. */
export function wideTextLength(byteCount: number): number {
  return Math.ceil((8 * byteCount) / BITS)
}

export function toWideText(bytes: Uint8Array): string {
  const text = Buffer.alloc(2 * wideTextLength(bytes.length))
  let at = 0
  let bits = 0
  let bitCount = 0
  for (const byte of bytes) {
    bits |= byte << bitCount
    bitCount += 8
    if (bitCount >= BITS) {
      at = text.writeUInt16LE(FIRST + (bits & MASK), at)
      bits >>>= BITS
      bitCount -= BITS
    }
  }
  if (bitCount > 0) text.writeUInt16LE(FIRST + bits, at)
  return text.toString('utf16le')
}

/**
 * All whole bytes in the text; the last may be padding, which is zero. null: the text has other
 * characters, or padding that is not zero.
 */
export function fromWideText(text: string): Buffer | null {
  const bytes = Buffer.alloc(Math.floor((BITS * text.length) / 8))
  let at = 0
  let bits = 0
  let bitCount = 0
  for (let index = 0; index < text.length; index++) {
    const value = text.charCodeAt(index) - FIRST
    if (value < 0 || value > MASK) return null
    bits |= value << bitCount
    bitCount += BITS
    while (bitCount >= 8) {
      bytes[at++] = bits & 0xff
      bits >>>= 8
      bitCount -= 8
    }
  }
  return bits === 0 ? bytes : null
}

const BITS = 15
const FIRST = 0x0100
const MASK = 0x7fff
