/** A record's key for people: as text where it is text, else as hexadecimal bytes. */
const MAX_BYTES = 200

export function keyText(key: Uint8Array | null): string | null {
  if (key === null) return null
  const shown = key.byteLength > MAX_BYTES ? key.subarray(0, MAX_BYTES) : key
  const isCut = shown !== key
  const end = isCut ? '…' : ''
  try {
    // A cut may go through the middle of a character: that one is left out.
    return new TextDecoder('utf-8', { fatal: true }).decode(shown, { stream: isCut }) + end
  } catch {
    return `0x${Buffer.from(shown).toString('hex')}${end}`
  }
}
